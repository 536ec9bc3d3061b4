import { aborted, isSlipwayError, SlipwayError } from '@slipway/base';
import type { Repository } from '@slipway/distribution/client';
import { type Descriptor, type Digest, digestHex } from '@slipway/oci';
import type { AheadLayer, Store } from '@slipway/store';
import { isDiskFull } from './pull-leases.ts';

/** How far a blob is. `receivedBytes` count what an earlier try had brought as well. */
export type DownloadStep =
  | { readonly kind: 'receiving'; readonly receivedBytes: number }
  | { readonly kind: 'verifying' }
  | { readonly kind: 'complete' };

export interface DownloadRequest {
  readonly layer: Descriptor;
  readonly from: Repository;
  /** Whether it is to be unpacked while it arrives. */
  readonly unpack: boolean;
  readonly signal: AbortSignal;
  readonly onStep: (step: DownloadStep) => void;
}

/** A blob that is in the store. Disposing drops what was unpacked of it and nobody took. */
export interface DownloadedBlob extends AsyncDisposable {
  readonly wasThere: boolean;
  readonly ahead: AheadLayer | undefined;
}

interface Flight {
  readonly result: Promise<void>;
  /** Resolves once it is in nobody's way any more. */
  readonly gone: PromiseWithResolvers<void>;
  readonly stop: AbortController;
  readonly listeners: Set<(step: DownloadStep) => void>;
  latest: DownloadStep | undefined;
  ahead: AheadLayer | undefined;
  /** Everybody who waits for it, or has what was unpacked of it. */
  holders: number;
}

/**
 * Blobs on their way from registries: each once, however many pulls want it. Bytes are hashed, stored and unpacked in one
 * pass, and what came before a cut is kept for the next try. A download ends early when nobody waits for it any more.
 */
export class BlobDownloads {
  readonly #store: Pick<Store, 'content' | 'unpackAhead'>;
  readonly #flights = new Map<Digest, Flight>();

  constructor(store: Pick<Store, 'content' | 'unpackAhead'>) {
    this.#store = store;
  }

  /**
   * The blob, once it is in the store; the caller's lease must name it already.
   * @throws what the registry and the disk say; DataLoss when it is not what its digest says; Canceled
   */
  async fetch(request: DownloadRequest): Promise<DownloadedBlob> {
    const { layer, signal } = request;
    for (;;) {
      signal.throwIfAborted();
      let flight = this.#flights.get(layer.digest);
      const isMine = flight === undefined;
      if (flight === undefined) {
        const found = await this.#store.content.find(layer.digest);
        if (found !== undefined) {
          requireSize(layer, found.sizeBytes);
          return { wasThere: true, ahead: undefined, [Symbol.asyncDispose]: async () => {} };
        }
        if (this.#flights.has(layer.digest)) continue;
        flight = this.#launch(request);
      } else if (flight.stop.signal.aborted) {
        await flight.gone.promise;
        continue;
      }
      try {
        return await this.#hold(flight, request);
      } catch (error) {
        // Another pull's registry or login failed; this one has its own.
        if (isMine || signal.aborted) throw error;
      }
    }
  }

  async #hold(flight: Flight, { signal, onStep, layer }: DownloadRequest): Promise<DownloadedBlob> {
    flight.holders++;
    flight.listeners.add(onStep);
    let isHeld = true;
    const release = async () => {
      if (!isHeld) return;
      isHeld = false;
      flight.listeners.delete(onStep);
      if (--flight.holders === 0) await this.#drop(layer.digest, flight);
    };
    try {
      if (flight.latest !== undefined) onStep(flight.latest);
      await Promise.race([
        flight.result,
        aborted(signal).then(() => {
          throw new SlipwayError('Canceled', 'the download was canceled', { cause: signal.reason });
        }),
      ]);
      return { wasThere: false, ahead: flight.ahead, [Symbol.asyncDispose]: release };
    } catch (error) {
      await release();
      throw error;
    }
  }

  async #drop(digest: Digest, flight: Flight): Promise<void> {
    flight.stop.abort(new SlipwayError('Canceled', 'nobody waits for the download any more'));
    await flight.result.catch(() => {});
    await flight.ahead?.[Symbol.asyncDispose]();
    this.#forget(digest, flight);
  }

  #forget(digest: Digest, flight: Flight): void {
    if (this.#flights.get(digest) === flight) this.#flights.delete(digest);
    flight.gone.resolve();
  }

  #launch(request: DownloadRequest): Flight {
    const { promise: result, resolve, reject } = Promise.withResolvers<void>();
    const flight: Flight = {
      result,
      gone: Promise.withResolvers<void>(),
      stop: new AbortController(),
      listeners: new Set(),
      latest: undefined,
      ahead: undefined,
      holders: 0,
    };
    result.catch(() => {});
    this.#flights.set(request.layer.digest, flight);
    this.#receive(request, flight).then(resolve, (error: unknown) => {
      // Whoever comes now tries anew.
      this.#forget(request.layer.digest, flight);
      reject(error);
    });
    return flight;
  }

  async #receive({ layer, from, unpack }: DownloadRequest, flight: Flight): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const { resumedBytes, error } = await this.#attempt({ layer, from, unpack }, flight);
      if (error === undefined) return;
      await flight.ahead?.[Symbol.asyncDispose]();
      flight.ahead = undefined;
      // What an earlier try left may be what is wrong: once more, from the beginning.
      if (attempt > 1 || resumedBytes === 0 || !isSlipwayError(error, 'DataLoss')) throw error;
    }
  }

  async #attempt(
    { layer, from, unpack }: Pick<DownloadRequest, 'layer' | 'from' | 'unpack'>,
    flight: Flight,
  ): Promise<{ resumedBytes: number; error: unknown }> {
    const { digest, size } = layer;
    const { signal } = flight.stop;
    const tell = (step: DownloadStep) => {
      flight.latest = step;
      for (const listener of flight.listeners) listener(step);
    };
    await using ingest = await this.#store.content.ingest(
      { digest, sizeBytes: size },
      { key: `pull-sha256-${digestHex(digest)}` },
    );
    const resumedBytes = ingest.writtenBytes;
    try {
      if (unpack) flight.ahead = this.#store.unpackAhead(ingest.source());
      tell({ kind: 'receiving', receivedBytes: resumedBytes });
      if (resumedBytes < size) {
        for await (const chunk of from.openBlob({ digest, size }, { offset: resumedBytes, signal })) {
          await ingest.write(chunk);
          tell({ kind: 'receiving', receivedBytes: ingest.writtenBytes });
        }
      }
      signal.throwIfAborted();
      tell({ kind: 'verifying' });
      await ingest.commit();
      tell({ kind: 'complete' });
      return { resumedBytes, error: undefined };
    } catch (error) {
      // On a full disk the room is worth more than the bytes, and without bytes there is nothing to go on with.
      if (isDiskFull(error) || ingest.writtenBytes === 0) await ingest.abandon();
      return { resumedBytes, error: inRepository(error, from) };
    }
  }
}

/** The store says what is wrong with a blob, and does not know whose it is. */
function inRepository(error: unknown, { name }: Repository): unknown {
  if (!isSlipwayError(error, 'DataLoss') || /^(?:registry|mirror) /.test(error.message)) return error;
  return new SlipwayError(
    'DataLoss',
    `registry ${name.domain}, repository ${name.path}: ${error.message}: the registry or a proxy before it is at fault; pull again`,
    { cause: error, ...(error.reason === undefined ? {} : { reason: error.reason }) },
  );
}

function requireSize({ digest, size }: Descriptor, sizeBytes: number): void {
  if (size === sizeBytes) return;
  throw new SlipwayError(
    'DataLoss',
    `the manifest says that ${digest} is ${size} bytes large, and it is ${sizeBytes}`,
  );
}
