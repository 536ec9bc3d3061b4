import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { SlipwayError } from '@slipway/base/errors';
import type { Connection, Hijacked } from './connection.ts';
import type {
  Change,
  ContainerInspect,
  ContainerSummary,
  CreateReply,
  Filters,
  PathStat,
  PruneReply,
  StatsReply,
  TopReply,
  WaitReply,
} from './types.ts';

type Signal = { readonly signal?: AbortSignal | undefined };

/** `POST /containers/…`: each method is one operation of the API, each throws NotFound for an unknown container. */
export class Containers {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  list(
    options: { all?: boolean; limit?: number; size?: boolean; filters?: Filters } & Signal = {},
  ): Promise<ContainerSummary[]> {
    const { signal, filters, ...query } = options;
    return this.#connection.json('GET', '/containers/json', {
      query: { ...query, filters: filtersParameter(filters) },
      signal,
    });
  }

  create(
    config: object,
    options: { name?: string | undefined; platform?: string | undefined } & Signal = {},
  ): Promise<CreateReply> {
    const { signal, ...query } = options;
    return this.#connection.json('POST', '/containers/create', { query, json: config, signal });
  }

  inspect(id: string, options: { size?: boolean } & Signal = {}): Promise<ContainerInspect> {
    const { signal, ...query } = options;
    return this.#connection.json('GET', `${at(id)}/json`, { query, signal });
  }

  start(id: string, options: { detachKeys?: string } & Signal = {}): Promise<void> {
    return this.#connection.empty('POST', `${at(id)}/start`, {
      query: { detachKeys: options.detachKeys },
      signal: options.signal,
    });
  }

  /** `timeoutSeconds` of undefined is the container's own. */
  stop(id: string, options: StopOptions = {}): Promise<void> {
    return this.#connection.empty('POST', `${at(id)}/stop`, { query: stopQuery(options) });
  }

  restart(id: string, options: StopOptions = {}): Promise<void> {
    return this.#connection.empty('POST', `${at(id)}/restart`, { query: stopQuery(options) });
  }

  kill(id: string, signal: string): Promise<void> {
    return this.#connection.empty('POST', `${at(id)}/kill`, { query: { signal } });
  }

  pause(id: string): Promise<void> {
    return this.#connection.empty('POST', `${at(id)}/pause`);
  }

  unpause(id: string): Promise<void> {
    return this.#connection.empty('POST', `${at(id)}/unpause`);
  }

  rename(id: string, name: string): Promise<void> {
    return this.#connection.empty('POST', `${at(id)}/rename`, { query: { name } });
  }

  /** Makes an image of what the container has written; answers its id. */
  async commit(id: string, { pause, ...query }: CommitOptions): Promise<string> {
    const reply = await this.#connection.json<{ readonly Id: string }>('POST', '/commit', {
      query: { container: id, ...query, pause: pause ? 1 : 0 },
    });
    return reply.Id;
  }

  remove(id: string, options: { force?: boolean; volumes?: boolean; link?: boolean } = {}): Promise<void> {
    const { force, volumes: v, link } = options;
    return this.#connection.empty('DELETE', at(id), { query: { force, v, link } });
  }

  update(id: string, resources: object): Promise<{ readonly Warnings: readonly string[] | null }> {
    return this.#connection.json('POST', `${at(id)}/update`, { json: resources });
  }

  /** `h` and `w` in character cells. */
  resize(id: string, size: { readonly h: number; readonly w: number }): Promise<void> {
    return this.#connection.empty('POST', `${at(id)}/resize`, { query: size });
  }

  attach(
    id: string,
    options: {
      stdin?: boolean;
      stdout?: boolean;
      stderr?: boolean;
      logs?: boolean;
      detachKeys?: string;
    } & Signal,
  ): Promise<Hijacked> {
    const { signal, ...query } = options;
    return this.#connection.hijack('POST', `${at(id)}/attach`, { query: { stream: true, ...query }, signal });
  }

  /** Resolves when the daemon has begun to wait, so that what happens next is not missed. */
  async wait(
    id: string,
    options: { condition?: 'not-running' | 'next-exit' | 'removed' } & Signal = {},
  ): Promise<{ readonly exit: Promise<WaitReply> }> {
    const { signal, ...query } = options;
    const response = await this.#connection.request('POST', `${at(id)}/wait`, { query, signal });
    const exit = readReply(response);
    exit.catch(() => {});
    return { exit };
  }

  logs(
    id: string,
    options: {
      stdout?: boolean;
      stderr?: boolean;
      follow?: boolean;
      timestamps?: boolean;
      since?: string;
      until?: string;
      tail?: string;
      details?: boolean;
    } & Signal,
  ): Promise<IncomingMessage> {
    const { signal, ...query } = options;
    return this.#connection.request('GET', `${at(id)}/logs`, { query, signal });
  }

  top(id: string, psArguments: string): Promise<TopReply> {
    return this.#connection.json('GET', `${at(id)}/top`, { query: { ps_args: psArguments } });
  }

  changes(id: string): Promise<Change[] | null> {
    return this.#connection.json('GET', `${at(id)}/changes`);
  }

  stats(id: string, options: { stream: boolean } & Signal): Promise<AsyncGenerator<StatsReply>> {
    return this.#connection.lines('GET', `${at(id)}/stats`, {
      query: { stream: options.stream ? 'true' : 'false' },
      signal: options.signal,
    });
  }

  /** @throws NotFound when there is no such path. */
  async statPath(id: string, path: string): Promise<PathStat> {
    const response = await this.#connection.request('HEAD', `${at(id)}/archive`, { query: { path } });
    response.resume();
    return parsePathStat(response);
  }

  /** The path as a tar stream, its last name the archive's root. */
  async getArchive(
    id: string,
    path: string,
    options: Signal = {},
  ): Promise<{ readonly stat: PathStat; readonly tar: IncomingMessage }> {
    const tar = await this.#connection.request('GET', `${at(id)}/archive`, {
      query: { path },
      signal: options.signal,
    });
    return { stat: parsePathStat(tar), tar };
  }

  /** Unpacks a tar stream below the directory `path`. */
  putArchive(
    id: string,
    path: string,
    tar: Readable,
    options: { noOverwriteDirNonDir?: boolean; copyUIDGID?: boolean } & Signal = {},
  ): Promise<void> {
    const { signal, ...query } = options;
    return this.#connection.empty('PUT', `${at(id)}/archive`, {
      query: { path, ...query },
      body: tar,
      signal,
    });
  }

  export(id: string, options: Signal = {}): Promise<IncomingMessage> {
    return this.#connection.request('GET', `${at(id)}/export`, options);
  }

  prune(filters: Filters): Promise<PruneReply> {
    return this.#connection.json('POST', '/containers/prune', {
      query: { filters: filtersParameter(filters) },
    });
  }
}

export interface CommitOptions {
  readonly repo: string;
  readonly tag: string;
  readonly author: string;
  readonly comment: string;
  /** Dockerfile instructions. */
  readonly changes: readonly string[];
  readonly pause: boolean;
}

export interface StopOptions {
  readonly signal?: string | undefined;
  readonly timeoutSeconds?: number | undefined;
}

/** Filters as the query parameter that every daemon since API 1.22 reads. */
export const filtersParameter = (filters: Filters | undefined): string | undefined =>
  filters === undefined || Object.keys(filters).length === 0 ? undefined : JSON.stringify(filters);

const at = (id: string): string => `/containers/${encodeURIComponent(id)}`;

const stopQuery = ({ signal, timeoutSeconds: t }: StopOptions) => ({ signal, t });

async function readReply(response: IncomingMessage): Promise<WaitReply> {
  let text = '';
  for await (const chunk of response) text += chunk;
  return JSON.parse(text) as WaitReply;
}

function parsePathStat(response: IncomingMessage): PathStat {
  const header = response.headers['x-docker-container-path-stat'];
  if (typeof header !== 'string') {
    throw new SlipwayError('Internal', 'the daemon did not say what the path is (no path-stat header)');
  }
  return JSON.parse(Buffer.from(header, 'base64').toString()) as PathStat;
}
