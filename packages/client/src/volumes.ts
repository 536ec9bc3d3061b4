import type { Connection } from './connection.ts';
import { filtersParameter } from './containers.ts';
import type { Filters, PruneReply, Volume, VolumeList } from './types.ts';

/** `…/volumes/…` */
export class Volumes {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  list(filters: Filters): Promise<VolumeList> {
    return this.#connection.json('GET', '/volumes', { query: { filters: filtersParameter(filters) } });
  }

  create(config: object): Promise<Volume> {
    return this.#connection.json('POST', '/volumes/create', { json: config });
  }

  inspect(name: string): Promise<Volume> {
    return this.#connection.json('GET', at(name));
  }

  remove(name: string, options: { force?: boolean } = {}): Promise<void> {
    return this.#connection.empty('DELETE', at(name), { query: options });
  }

  prune(filters: Filters): Promise<PruneReply> {
    return this.#connection.json('POST', '/volumes/prune', { query: { filters: filtersParameter(filters) } });
  }
}

const at = (name: string): string => `/volumes/${encodeURIComponent(name)}`;
