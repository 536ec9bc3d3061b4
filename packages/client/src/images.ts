import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { ProgressMessage } from '@slipway/api/docker';
import type { Connection } from './connection.ts';
import { filtersParameter } from './containers.ts';
import type { Filters, ImageDeleted, ImageHistoryItem, ImageSummary, PruneReply } from './types.ts';

type Signal = { readonly signal?: AbortSignal | undefined };

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

  /** `tag` may be a digest. */
  pull(
    source: { readonly fromImage: string; readonly tag: string; readonly platform?: string },
    options: Signal = {},
  ): Promise<AsyncGenerator<ProgressMessage>> {
    return this.#connection.lines('POST', '/images/create', { query: { ...source }, signal: options.signal });
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
