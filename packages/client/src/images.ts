import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { ProgressMessage } from '@slipway/api/docker';
import type { Connection } from './connection.ts';
import { filtersParameter } from './containers.ts';
import { registryAuth, registryConfig } from './registry-auth.ts';
import type {
  Filters,
  FoundImage,
  ImageDeleted,
  ImageHistoryItem,
  ImageSummary,
  PruneReply,
  PushedIndex,
  RegistryLogin,
  RemoteImage,
} from './types.ts';

type Signal = { readonly signal?: AbortSignal | undefined };
/** The login at the registry that the name means; without one, whatever the registry lets anybody do. */
type Login = { readonly login?: RegistryLogin | undefined };

/** `…/images/…`. Progress streams carry their errors as their last message. */
export class Images {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  list(options: { all?: boolean; filters?: Filters } = {}): Promise<ImageSummary[]> {
    return this.#connection.json('GET', '/images/json', {
      query: { all: options.all, filters: filtersParameter(options.filters) },
    });
  }

  inspect(name: string): Promise<{ readonly Id: string }> {
    return this.#connection.json('GET', `${at(name)}/json`);
  }

  history(name: string): Promise<ImageHistoryItem[]> {
    return this.#connection.json('GET', `${at(name)}/history`);
  }

  tag(source: string, target: { readonly repo: string; readonly tag: string }): Promise<void> {
    return this.#connection.empty('POST', `${at(source)}/tag`, { query: target });
  }

  remove(name: string, options: { force?: boolean; noprune?: boolean } = {}): Promise<ImageDeleted[]> {
    return this.#connection.json('DELETE', at(name), { query: options });
  }

  prune(filters: Filters): Promise<PruneReply> {
    return this.#connection.json('POST', '/images/prune', { query: { filters: filtersParameter(filters) } });
  }

  /** `tag` may be a digest; '' means all tags. */
  pull(
    source: { readonly fromImage: string; readonly tag: string; readonly platform?: string },
    options: Signal & Login = {},
  ): Promise<AsyncGenerator<ProgressMessage>> {
    return this.#connection.lines('POST', '/images/create', {
      query: { ...source },
      headers: registryAuth(options.login),
      signal: options.signal,
    });
  }

  /** `tag` of '' means all tags. */
  push(name: string, tag: string, options: Signal & Login = {}): Promise<AsyncGenerator<ProgressMessage>> {
    return this.#connection.lines('POST', `${at(name)}/push`, {
      query: { tag },
      headers: registryAuth(options.login),
      signal: options.signal,
    });
  }

  /** What the registry finds whose host `term` begins with, Docker Hub without one. */
  search(
    query: { readonly term: string; readonly limit?: number | undefined; readonly filters?: Filters },
    options: Login = {},
  ): Promise<FoundImage[]> {
    return this.#connection.json('GET', '/images/search', {
      query: { term: query.term, limit: query.limit, filters: filtersParameter(query.filters) },
      headers: registryAuth(options.login),
    });
  }

  /** Slipway's own: what a registry says of a name, without the layers. */
  inspectRemote(
    query: { readonly name: string; readonly platform?: string },
    options: Login = {},
  ): Promise<RemoteImage> {
    return this.#connection.json('GET', '/slipway/images/remote', {
      query: { ...query },
      headers: registryAuth(options.login),
    });
  }

  /** Slipway's own: pushes an index of `sources` as `target`. The logins are those of all their registries. */
  pushIndex(
    index: { readonly target: string; readonly sources: readonly string[] },
    logins: Readonly<Record<string, RegistryLogin>>,
  ): Promise<PushedIndex> {
    return this.#connection.json('POST', '/slipway/images/manifest', {
      json: index,
      headers: registryConfig(logins),
    });
  }

  /** Slipway's own: what software an image holds, as a document of `format`. */
  sbom(name: string, query: { readonly format: string }, options: Signal = {}): Promise<IncomingMessage> {
    return this.#connection.request('GET', `/slipway${at(name)}/sbom`, {
      query: { ...query },
      signal: options.signal,
    });
  }

  load(
    archive: Readable,
    options: { quiet?: boolean } & Signal = {},
  ): Promise<AsyncGenerator<ProgressMessage>> {
    return this.#connection.lines('POST', '/images/load', {
      query: { quiet: options.quiet },
      body: archive,
      signal: options.signal,
    });
  }

  /** One file system archive as an image; `fromSrc` is `-` for `archive`, else a URL that the daemon fetches. */
  import(
    query: {
      fromSrc: string;
      repo: string;
      tag: string;
      message: string;
      changes: readonly string[];
      platform: string;
    },
    archive: Readable | undefined,
    options: Signal = {},
  ): Promise<AsyncGenerator<ProgressMessage>> {
    return this.#connection.lines('POST', '/images/create', {
      query,
      ...(archive === undefined ? {} : { body: archive }),
      signal: options.signal,
    });
  }

  /** A docker-archive of the images, with their layers. */
  save(names: readonly string[], options: Signal = {}): Promise<IncomingMessage> {
    return this.#connection.request('GET', '/images/get', { query: { names }, signal: options.signal });
  }

  /** Slipway's own: makes an image from the machine's package mirror, without a registry. */
  bootstrap(
    query: { readonly image: string; readonly tag: string },
    options: Signal = {},
  ): Promise<AsyncGenerator<ProgressMessage>> {
    return this.#connection.lines('POST', '/slipway/images/bootstrap', {
      query: { ...query },
      signal: options.signal,
    });
  }
}

/** An image's name may contain slashes, which stay as they are. */
const at = (name: string): string => `/images/${encodeURIComponent(name).replaceAll('%2F', '/')}`;
