import type { Readable } from 'node:stream';
import type { Connection, Hijacked, QueryValue } from './connection.ts';
import { filtersParameter } from './containers.ts';
import { registryConfig } from './registry-auth.ts';
import type {
  BuildCachePruned,
  BuildHistoryItem,
  BuildMessage,
  FailedStep,
  Filters,
  RegistryLogin,
} from './types.ts';

/** What a build is given beside its context. */
export interface BuildOptions {
  /**
   * As those of the Docker Engine API's `POST /build`, and `output`: image, tar, oci, docker or check; and `session`: who
   * has the context as a folder, or an ssh agent.
   */
  readonly query: Readonly<Record<string, QueryValue>>;
  readonly logins: Readonly<Record<string, RegistryLogin>>;
  readonly secrets: ReadonlyMap<string, Buffer>;
  readonly signal?: AbortSignal | undefined;
}

/** A Dockerfile whose context the session has. */
export interface DockerfileText {
  readonly dockerfile: string;
  /** The text of the ignore file that counts. */
  readonly ignore?: string | undefined;
}

/** A command where a step failed. */
export interface DebugOptions {
  /** Empty: the step's shell. */
  readonly command: readonly string[];
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly secrets: ReadonlyMap<string, Buffer>;
}

/** `/build…` and Slipway's own. */
export class Builds {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Slipway's own: builds the context and tells of every step. It is an archive, or what the session of a Dockerfile has, or
   * what `remote` names.
   */
  build(
    context: Readable | DockerfileText | undefined,
    { query, logins, secrets, signal }: BuildOptions,
  ): Promise<AsyncGenerator<BuildMessage>> {
    const isText = context !== undefined && 'dockerfile' in context;
    return this.#connection.lines('POST', '/slipway/build', {
      query,
      headers: { ...registryConfig(logins), ...secretsHeader(secrets) },
      signal,
      ...(isText ? { json: context } : {}),
      ...(context === undefined || isText ? {} : { body: context, contentType: 'application/x-tar' }),
    });
  }

  /**
   * Slipway's own: a connection on which the daemon asks for the files of a context and for ssh agents.
   * @see @slipway/api/build-session
   */
  openSession(
    id: string,
    query: { readonly context: string | undefined; readonly ssh: readonly string[] },
  ): Promise<Hijacked> {
    return this.#connection.hijack('POST', `/slipway/build-sessions/${encodeURIComponent(id)}`, { query });
  }

  prune(options: {
    all?: boolean;
    keepBytes?: number | undefined;
    filters?: Filters;
  }): Promise<BuildCachePruned> {
    return this.#connection.json('POST', '/build/prune', {
      query: {
        all: options.all,
        'keep-storage': options.keepBytes,
        filters: filtersParameter(options.filters),
      },
    });
  }

  /** Slipway's own: the last steps that failed, the newest first. */
  failedSteps(): Promise<FailedStep[]> {
    return this.#connection.json('GET', '/slipway/failed-steps');
  }

  /** Runs a command where a step failed; without one, its shell. @throws NotFound; Conflict when somebody is in it */
  debug(id: string, { command, tty, stdin, secrets }: DebugOptions): Promise<Hijacked> {
    return this.#connection.hijack('POST', `${failedStep(id)}/debug`, {
      query: { cmd: command, tty, stdin },
      headers: secretsHeader(secrets),
    });
  }

  /** `h` and `w` in character cells. */
  resizeDebug(id: string, size: { readonly h: number; readonly w: number }): Promise<void> {
    return this.#connection.empty('POST', `${failedStep(id)}/resize`, { query: size });
  }

  removeFailedStep(id: string): Promise<void> {
    return this.#connection.empty('DELETE', failedStep(id));
  }

  /** Slipway's own: the newest first. */
  history(): Promise<BuildHistoryItem[]> {
    return this.#connection.json('GET', '/slipway/builds');
  }
}

const failedStep = (id: string): string => `/slipway/failed-steps/${encodeURIComponent(id)}`;

function secretsHeader(secrets: ReadonlyMap<string, Buffer>): Readonly<Record<string, string>> {
  if (secrets.size === 0) return {};
  const encoded = Object.fromEntries([...secrets].map(([id, bytes]) => [id, bytes.toString('base64')]));
  return { 'X-Slipway-Build-Secrets': Buffer.from(JSON.stringify(encoded)).toString('base64') };
}
