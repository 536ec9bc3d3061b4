import { availableParallelism } from 'node:os';
import { aborted, type Clock, isSlipwayError, type Random, SlipwayError } from '@slipway/base';
import { type ChainId, computeChainIds, type DiffId, type Digest } from '@slipway/oci';
import type { BlobSource } from '../content/blob-source.ts';
import type { Snapshotter } from '../snapshots/snapshots.ts';
import { UNFINISHED_PREFIX } from '../snapshots/snapshots.ts';
import type { AppliedLayer } from './apply-layer.ts';
import { type AheadLayer, beginAhead, type UnpackedLayer } from './unpack-ahead.ts';
import { UnpackPool } from './unpack-pool.ts';

export interface UnpackRequest {
  /** Bottom to top. */
  readonly diffIds: readonly DiffId[];
  /** Opens the bytes of layer `index`; asked for layers that are not unpacked yet only. The unpacker disposes it. */
  readonly openLayer: (index: number) => Promise<BlobSource> | BlobSource;
  /** What `unpackAhead` began for layer `index`, with its blob's digest; it is used where it can be. */
  readonly ahead?: ((index: number) => { layer: AheadLayer; blob: Digest } | undefined) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told now and then how many bytes of a layer's blob were read; `done` once the layer is a snapshot. */
  readonly onProgress?: ((progress: UnpackProgress) => void) | undefined;
}

export interface UnpackProgress {
  readonly layerIndex: number;
  readonly readBytes: number;
  readonly done: boolean;
}

/** Unpacks images' layers into snapshots named by chainID. */
export interface Unpacker extends AsyncDisposable {
  /**
   * Makes sure that every layer is a committed snapshot; the top one's key, undefined without layers. Missing layers are
   * unpacked side by side; one that another caller is unpacking is waited for. A failure leaves nothing of its layer.
   * @throws what `applyLayer` throws
   */
  unpackImage(request: UnpackRequest): Promise<ChainId | undefined>;
  /**
   * Begins to unpack a layer before anyone knows which image it belongs to, also while its blob still arrives. Disposes
   * `source`. Nothing is lost when it fails: whoever takes it hears why.
   */
  unpackAhead(source: BlobSource): AheadLayer;
  /** Whether a snapshot or folder of this key is being made now. */
  isUnpacking(key: string): boolean;
}

export function createUnpacker(options: { snapshots: Snapshotter; clock: Clock; random: Random }): Unpacker {
  return new LayerUnpacker(options);
}

/** A layer under way, and how many wait for it: it is stopped when none does. */
interface Flight {
  readonly result: Promise<void>;
  readonly stop: AbortController;
  waiters: number;
}

class LayerUnpacker implements Unpacker {
  readonly #snapshots: Snapshotter;
  readonly #random: Random;
  readonly #pool: UnpackPool;
  /** Threads of their own, so that blobs which arrive slowly hold up none that are here. */
  readonly #arrivingPool: UnpackPool;
  readonly #ahead = new Set<AheadLayer>();
  readonly #flights = new Map<ChainId, Flight>();

  constructor({ snapshots, clock, random }: { snapshots: Snapshotter; clock: Clock; random: Random }) {
    this.#snapshots = snapshots;
    this.#random = random;
    this.#pool = new UnpackPool({ limit: availableParallelism(), clock });
    this.#arrivingPool = new UnpackPool({ limit: availableParallelism(), clock });
  }

  isUnpacking(key: string): boolean {
    return this.#flights.has(key as ChainId);
  }

  unpackAhead(source: BlobSource): AheadLayer {
    const layer = beginAhead(source, {
      snapshots: this.#snapshots,
      pool: this.#arrivingPool,
      key: `${UNFINISHED_PREFIX}${this.#random.hex(8)}`,
      onEnd: () => this.#ahead.delete(layer),
    });
    this.#ahead.add(layer);
    return layer;
  }

  async unpackImage(request: UnpackRequest): Promise<ChainId | undefined> {
    const chainIds = computeChainIds(request.diffIds);
    const stop = new AbortController();
    const signal =
      request.signal === undefined ? stop.signal : AbortSignal.any([request.signal, stop.signal]);
    const layers = chainIds.map((chainId, layerIndex) =>
      this.#join(chainId, layerIndex, chainIds, request, signal),
    );
    try {
      await Promise.all(layers);
    } catch (error) {
      stop.abort(error);
      await Promise.allSettled(layers);
      throw error;
    }
    return chainIds.at(-1);
  }

  async #join(
    chainId: ChainId,
    layerIndex: number,
    chainIds: readonly ChainId[],
    request: UnpackRequest,
    signal: AbortSignal,
  ): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      let flight = this.#flights.get(chainId);
      if (flight === undefined) {
        flight = this.#launch(chainId, layerIndex, chainIds, request);
      } else if (flight.stop.signal.aborted) {
        await flight.result.catch(() => {});
        continue;
      }
      await this.#wait(flight, signal);
      request.onProgress?.({ layerIndex, readBytes: 0, done: true });
      return;
    }
  }

  async #wait(flight: Flight, signal: AbortSignal): Promise<void> {
    flight.waiters++;
    try {
      await Promise.race([
        flight.result,
        aborted(signal).then(() => {
          throw new SlipwayError('Canceled', 'unpacking was canceled', { cause: signal.reason });
        }),
      ]);
    } finally {
      flight.waiters--;
      if (flight.waiters === 0) {
        flight.stop.abort();
        await flight.result.catch(() => {});
      }
    }
  }

  #launch(
    chainId: ChainId,
    layerIndex: number,
    chainIds: readonly ChainId[],
    request: UnpackRequest,
  ): Flight {
    const stop = new AbortController();
    const result = this.#unpackLayer(chainId, layerIndex, chainIds, request, stop.signal).finally(() => {
      this.#flights.delete(chainId);
    });
    result.catch(() => {});
    const flight = { result, stop, waiters: 0 };
    this.#flights.set(chainId, flight);
    return flight;
  }

  /**
   * Layers unpack side by side, each into a folder that stands on nothing, which is given its parent when the one below
   * is committed.
   */
  async #unpackLayer(
    chainId: ChainId,
    layerIndex: number,
    chainIds: readonly ChainId[],
    request: UnpackRequest,
    signal: AbortSignal,
  ): Promise<void> {
    if ((await this.#snapshots.find(chainId)) !== undefined) return;
    const { key, form, usage } =
      (await this.#takeAhead(layerIndex, request, signal)) ??
      (await this.#unpackNow(layerIndex, request, signal));
    try {
      const parent = layerIndex === 0 ? undefined : (chainIds[layerIndex - 1] as ChainId);
      if (parent !== undefined) await this.#whenCommitted(parent, signal);
      signal.throwIfAborted();
      await this.#snapshots.commit(chainId, key, { form, usage, parent });
    } catch (error) {
      await this.#snapshots.remove(key);
      if (isSlipwayError(error, 'AlreadyExists')) return;
      throw error;
    }
  }

  async #takeAhead(
    layerIndex: number,
    { ahead, diffIds }: UnpackRequest,
    signal: AbortSignal,
  ): Promise<UnpackedLayer | undefined> {
    const begun = ahead?.(layerIndex);
    const taken = await begun?.layer.take(signal);
    if (begun === undefined || taken === undefined) return undefined;
    const diffId = taken.diffId ?? (begun.blob as string as DiffId);
    if (diffId === diffIds[layerIndex]) return taken;
    await this.#snapshots.remove(taken.key);
    throw new SlipwayError(
      'DataLoss',
      `the layer was said to unpack to diffID ${diffIds[layerIndex]} and is ${diffId}`,
    );
  }

  async #unpackNow(layerIndex: number, request: UnpackRequest, signal: AbortSignal): Promise<UnpackedLayer> {
    const key = `${UNFINISHED_PREFIX}${this.#random.hex(8)}`;
    await this.#snapshots.prepare(key, undefined);
    try {
      return { key, ...(await this.#apply(key, layerIndex, request, signal)) };
    } catch (error) {
      await this.#snapshots.remove(key);
      throw error;
    }
  }

  async #apply(
    key: string,
    layerIndex: number,
    { openLayer, onProgress, diffIds }: UnpackRequest,
    signal: AbortSignal,
  ): Promise<AppliedLayer> {
    using source = await openLayer(layerIndex);
    const pool = source.watermark === undefined ? this.#pool : this.#arrivingPool;
    return await pool.apply({
      fd: source.fd,
      watermark: source.watermark,
      ...(await this.#snapshots.layerPlace(key)),
      diffId: diffIds[layerIndex],
      hashesPlain: true,
      signal,
      onProgress: onProgress && ((readBytes) => onProgress({ layerIndex, readBytes, done: false })),
    });
  }

  async #whenCommitted(parent: ChainId, signal: AbortSignal): Promise<void> {
    const below = this.#flights.get(parent);
    if (below !== undefined) await Promise.race([below.result, aborted(signal)]);
    signal.throwIfAborted();
    await this.#snapshots.stat(parent);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const flights = [...this.#flights.values()];
    for (const { stop } of flights) stop.abort();
    await Promise.allSettled(flights.map(({ result }) => result));
    await Promise.all([...this.#ahead].map((layer) => layer[Symbol.asyncDispose]()));
    await this.#pool[Symbol.asyncDispose]();
    await this.#arrivingPool[Symbol.asyncDispose]();
  }
}
