import type { Connection } from './connection.ts';
import { filtersParameter } from './containers.ts';
import type { Filters, Network, PruneReply } from './types.ts';

/** `…/networks/…` */
export class Networks {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  list(filters: Filters): Promise<Network[]> {
    return this.#connection.json('GET', '/networks', { query: { filters: filtersParameter(filters) } });
  }

  create(config: object): Promise<{ readonly Id: string; readonly Warning: string }> {
    return this.#connection.json('POST', '/networks/create', { json: config });
  }

  inspect(name: string, options: { verbose?: boolean } = {}): Promise<Network> {
    return this.#connection.json('GET', at(name), { query: options });
  }

  remove(name: string): Promise<void> {
    return this.#connection.empty('DELETE', at(name));
  }

  connect(name: string, container: string, endpointConfig: object): Promise<void> {
    return this.#connection.empty('POST', `${at(name)}/connect`, {
      json: { Container: container, EndpointConfig: endpointConfig },
    });
  }

  disconnect(name: string, container: string, options: { force: boolean }): Promise<void> {
    return this.#connection.empty('POST', `${at(name)}/disconnect`, {
      json: { Container: container, Force: options.force },
    });
  }

  prune(filters: Filters): Promise<PruneReply> {
    return this.#connection.json('POST', '/networks/prune', {
      query: { filters: filtersParameter(filters) },
    });
  }
}

const at = (name: string): string => `/networks/${encodeURIComponent(name)}`;
