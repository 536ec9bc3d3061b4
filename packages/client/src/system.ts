import type { VersionReply } from '@slipway/api/docker';
import type { Connection } from './connection.ts';
import { filtersParameter } from './containers.ts';
import type { DiskUsage, Event, Filters, InfoReply, LoginReply, RegistryLogin } from './types.ts';

/** What concerns the daemon as a whole. */
export class System {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  version(): Promise<VersionReply> {
    return this.#connection.json('GET', '/version');
  }

  info(): Promise<InfoReply> {
    return this.#connection.json('GET', '/info');
  }

  /** Tries a login at the registry of `serveraddress`. @throws Unauthenticated */
  login(login: RegistryLogin): Promise<LoginReply> {
    return this.#connection.json('POST', '/auth', { json: login });
  }

  diskUsage(): Promise<DiskUsage> {
    return this.#connection.json('GET', '/system/df');
  }

  /** `since` and `until` in seconds since the epoch, with a fraction. Ends at `until`, or never. */
  events(options: {
    since?: string;
    until?: string;
    filters?: Filters;
    signal?: AbortSignal | undefined;
  }): Promise<AsyncGenerator<Event>> {
    const { signal, filters, ...query } = options;
    const request = { query: { ...query, filters: filtersParameter(filters) }, signal };
    return this.#connection.lines('GET', '/events', request, parseEvent);
  }
}

/** Keeps all digits of `timeNano`, of which a number would lose the last. */
function parseEvent(line: string): Event {
  const read = (key: string, value: unknown, context: { readonly source?: string }) =>
    key === 'timeNano' && typeof value === 'number' ? BigInt(context.source ?? value) : value;
  return JSON.parse(line, read as (key: string, value: unknown) => unknown) as Event;
}
