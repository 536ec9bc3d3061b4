import { errorMessage, isSlipwayError, SlipwayError } from '@slipway/base';
import { headBlob } from './blobs.ts';
import { answerError } from './errors.ts';
import {
  type HttpRequest,
  type HttpResponse,
  headerOf,
  isConnectionLost,
  isUnreachable,
  type StreamedBody,
} from './http.ts';
import { resolveTarget } from './redirect.ts';
import type { PushableBlob } from './registry.ts';
import { backOffMs, isPassing, pause } from './retry.ts';
import {
  inPlace,
  isRepositoryPath,
  PULL,
  PUSH,
  type RepositorySession,
  repositoryScope,
  urlOf,
} from './session.ts';

/** Candidates for a mount that are tried; each costs a request. */
const MAX_MOUNTS = 3;
/** The first chunk after a registry refused the whole; half of it when that is too large again. */
const FIRST_CHUNK_BYTES = 32 * 1024 * 1024;
const MIN_CHUNK_BYTES = 64 * 1024;
const PROGRESS_BYTES = 64 * 1024;

/** An upload that the registry has open. */
interface UploadSession {
  readonly location: URL;
  /** Bytes that the registry has. */
  readonly offset: number;
  /** What a chunk must have at least, the last one excepted. */
  readonly minChunkBytes: number;
}

/**
 * Brings a blob into a repository by the cheapest way: it is there, it is mounted, it is sent.
 * @throws what the registry refuses; Unavailable when it gives up
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-blobs
 */
export async function pushBlob(
  session: RepositorySession,
  blob: PushableBlob,
  signal: AbortSignal | undefined,
): Promise<'exists' | 'mounted' | 'pushed'> {
  const uploader = new Uploader(session, blob, signal);
  if (await uploader.isThere()) return 'exists';
  const candidates = (blob.mountFrom ?? []).filter((from) => from !== session.path && isRepositoryPath(from));
  let open: UploadSession | undefined;
  for (const from of candidates.slice(0, MAX_MOUNTS)) {
    if (open !== undefined) await uploader.cancel(open);
    const mounted = await uploader.mount(from);
    if (mounted === 'mounted') return 'mounted';
    open = mounted;
  }
  await uploader.send(open);
  return 'pushed';
}

class Uploader {
  readonly #session: RepositorySession;
  readonly #blob: PushableBlob;
  readonly #signal: AbortSignal | undefined;
  readonly #scopes: readonly string[];
  /** What one request carries; less once the registry found it too large. */
  #chunkBytes = Number.POSITIVE_INFINITY;

  constructor(session: RepositorySession, blob: PushableBlob, signal: AbortSignal | undefined) {
    this.#session = session;
    this.#blob = blob;
    this.#signal = signal;
    this.#scopes = [repositoryScope(session.path, PUSH)];
  }

  async isThere(): Promise<boolean> {
    const { digest } = this.#blob.descriptor;
    return (
      (await headBlob(this.#session, digest, { scopes: this.#scopes, signal: this.#signal })) !== undefined
    );
  }

  /** @returns the session to send to, where the registry did not mount it but opened one; undefined for neither */
  async mount(from: string): Promise<'mounted' | UploadSession | undefined> {
    const url = this.#uploadsUrl();
    url.searchParams.set('mount', this.#blob.descriptor.digest);
    url.searchParams.set('from', from);
    const scopes = [...this.#scopes, repositoryScope(from, PULL)];
    try {
      const response = await this.#dispatch({ method: 'POST', url, scopes, canRepeat: true });
      response.discard();
      if (response.status === 201) return 'mounted';
      return response.status === 202 ? this.#opened(response) : undefined;
    } catch (error) {
      this.#signal?.throwIfAborted();
      // A token that may read there is not given to everybody; the blob can still be sent.
      if (isSlipwayError(error, 'Unauthenticated', 'PermissionDenied')) return undefined;
      throw error;
    }
  }

  async cancel({ location }: UploadSession): Promise<void> {
    try {
      (await this.#dispatch({ method: 'DELETE', url: location })).discard();
    } catch {
      // The registry forgets it by itself.
      this.#signal?.throwIfAborted();
    }
  }

  /** Sends what is missing, and takes the upload up again after a cut. */
  async send(first: UploadSession | undefined): Promise<void> {
    const { clock, random, retry, logger } = this.#session.context;
    const { digest } = this.#blob.descriptor;
    let upload = first;
    let isStale = false;
    let furthest = 0;
    for (let attempt = 1; ; attempt++) {
      try {
        const taken: UploadSession | 'committed' | undefined =
          isStale && upload !== undefined ? await this.#takeUp(upload) : upload;
        if (taken === 'committed') return;
        upload = taken ?? (await this.#start());
        isStale = true;
        const { offset } = upload;
        if (offset >= furthest + PROGRESS_BYTES) attempt = 1;
        furthest = Math.max(furthest, offset);
        if (await this.#sendOnce(upload)) return;
      } catch (error) {
        this.#signal?.throwIfAborted();
        // Until something was opened, what can be tried again was.
        const isRepeatable =
          isStale && (error instanceof Interruption || isConnectionLost(error) || isUnreachable(error));
        if (!isRepeatable || attempt >= retry.attempts) throw this.#gaveUp(error);
        logger.debug({ digest, attempt, cause: errorMessage(error) }, 'an upload is taken up again');
        await pause(clock, backOffMs(retry, random, attempt), this.#signal);
      }
    }
  }

  /** @returns whether the blob is stored; else the session must be asked how far it came */
  async #sendOnce(upload: UploadSession): Promise<boolean> {
    const { size } = this.#blob.descriptor;
    let current = upload;
    const isWhole = size - current.offset <= this.#chunkBytes;
    if (size <= this.#session.context.monolithicMaxBytes && current.offset === 0 && isWhole) {
      return this.#commit(current, this.#part(0, size));
    }
    while (current.offset < size) {
      const end = Math.min(size, current.offset + Math.max(this.#chunkBytes, current.minChunkBytes));
      const response = await this.#sendChunk(current, end);
      if (response.status === 413 && this.#halve(end - current.offset, current.minChunkBytes)) {
        response.discard();
        return false;
      }
      if (response.status !== 202 && response.status !== 201 && response.status !== 204) {
        if (response.status === 416 || response.status === 404) {
          response.discard();
          throw new Interruption(`status ${response.status}`);
        }
        throw await this.#refused(response);
      }
      response.discard();
      const next = this.#opened(response, current);
      const range = uploadedBytes(response);
      const offset = range === undefined || range > end || end === 1 ? end : range;
      if (offset <= current.offset) throw new Interruption('the registry kept nothing of a chunk');
      current = { ...next, offset };
    }
    return this.#commit(current, undefined);
  }

  #sendChunk(upload: UploadSession, end: number): Promise<HttpResponse> {
    const isWhole = upload.offset === 0 && end === this.#blob.descriptor.size;
    return this.#dispatch({
      method: 'PATCH',
      url: upload.location,
      headers: {
        'content-type': 'application/octet-stream',
        // A stream of the whole has none; some registries refuse it there.
        ...(isWhole ? {} : { 'content-range': `${upload.offset}-${end - 1}` }),
      },
      body: this.#part(upload.offset, end),
      answerWithinMs: this.#session.context.commitTimeoutMs,
    });
  }

  async #commit({ location }: UploadSession, body: StreamedBody | undefined): Promise<boolean> {
    const url = new URL(location);
    url.searchParams.set('digest', this.#blob.descriptor.digest);
    const response = await this.#dispatch({
      method: 'PUT',
      url,
      answerWithinMs: this.#session.context.commitTimeoutMs,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/octet-stream' }, body }),
    });
    const { size } = this.#blob.descriptor;
    if (response.status === 413 && body !== undefined && this.#halve(size, 0)) {
      response.discard();
      return false;
    }
    if (response.status < 200 || response.status > 299) throw await this.#refused(response);
    response.discard();
    return true;
  }

  /** Where an interrupted upload stands. Undefined: it must be begun anew. */
  async #takeUp(upload: UploadSession): Promise<UploadSession | 'committed' | undefined> {
    if (await this.isThere()) return 'committed';
    const response = await this.#dispatch({ method: 'GET', url: upload.location });
    response.discard();
    const offset = uploadedBytes(response);
    if (
      (response.status !== 204 && response.status !== 202 && response.status !== 200) ||
      offset === undefined
    ) {
      return undefined;
    }
    return offset > this.#blob.descriptor.size ? undefined : { ...this.#opened(response, upload), offset };
  }

  async #start(): Promise<UploadSession> {
    const response = await this.#dispatch({ method: 'POST', url: this.#uploadsUrl(), canRepeat: true });
    if (response.status !== 202) throw await this.#refused(response);
    response.discard();
    return this.#opened(response);
  }

  #opened(response: HttpResponse, before?: UploadSession): UploadSession {
    const location = headerOf(response, 'location');
    const minimum = Number(headerOf(response, 'oci-chunk-min-length') ?? before?.minChunkBytes ?? 0);
    if (location === undefined && before === undefined) {
      throw new SlipwayError(
        'Unavailable',
        `${this.#session.place}: the registry opened an upload without saying where (no Location)`,
        { reason: 'BAD_LOCATION' },
      );
    }
    return {
      location:
        location === undefined ? (before as UploadSession).location : resolveTarget(location, response.url),
      offset: 0,
      minChunkBytes: Number.isSafeInteger(minimum) && minimum > 0 ? minimum : 0,
    };
  }

  /** Makes what one request carries smaller. False: it cannot be smaller. */
  #halve(sentBytes: number, minChunkBytes: number): boolean {
    const next = Math.min(FIRST_CHUNK_BYTES, Math.ceil(sentBytes / 2));
    if (sentBytes <= Math.max(MIN_CHUNK_BYTES, minChunkBytes)) return false;
    this.#chunkBytes = Math.max(next, MIN_CHUNK_BYTES, minChunkBytes);
    return true;
  }

  /** The bytes from `start` to before `end`, with progress told. */
  #part(start: number, end: number): StreamedBody {
    const { open, onProgress } = this.#blob;
    return {
      sizeBytes: end - start,
      open: async function* () {
        let at = start;
        if (at === end) return;
        for await (const chunk of open(start)) {
          const part = chunk.byteLength > end - at ? chunk.subarray(0, end - at) : chunk;
          at += part.byteLength;
          yield part;
          onProgress?.(at);
          if (at === end) return;
        }
      },
    };
  }

  #uploadsUrl(): URL {
    return urlOf(this.#session, `${this.#session.path}/blobs/uploads/`);
  }

  #dispatch(request: HttpRequest): Promise<HttpResponse> {
    return this.#session.dispatch({ scopes: this.#scopes, signal: this.#signal, ...request });
  }

  /** A passing trouble is an `Interruption`, all else final. */
  async #refused(response: HttpResponse): Promise<Error> {
    const error = await answerError(response, {
      place: this.#session.place,
      action: `the blob ${this.#blob.descriptor.digest} was not taken`,
    });
    return isPassing(response.status) ? new Interruption(error.message, error) : error;
  }

  #gaveUp(error: unknown): unknown {
    const cause = error instanceof Interruption ? (error.cause ?? error) : error;
    if (isSlipwayError(cause)) return inPlace(cause, this.#session.place);
    return new SlipwayError(
      'Unavailable',
      `${this.#session.place}: the blob ${this.#blob.descriptor.digest} could not be sent: ${errorMessage(cause)}`,
      { cause, reason: 'BLOB_UPLOAD_INVALID' },
    );
  }
}

/** An upload stopped in a way after which it may go on. */
class Interruption extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'Interruption';
  }
}

/** `Range: 0-N` of an upload as the number of bytes that the registry has. `0-0` stands for none or one: none is safe. */
function uploadedBytes(response: HttpResponse): number | undefined {
  const match = /^(?:bytes=)?0-(\d{1,15})$/.exec(headerOf(response, 'range') ?? '');
  if (match === null) return undefined;
  return match[1] === '0' ? 0 : Number(match[1]) + 1;
}
