import { SlipwayError } from '@slipway/base';
import type { DiffId } from '@slipway/oci';
import type { BlobSource } from '../content/blob-source.ts';
import type { LayerForm, Snapshotter, SnapshotUsage } from '../snapshots/snapshots.ts';
import type { UnpackPool } from './unpack-pool.ts';

/** A layer in an active snapshot, which whoever has it commits or removes. */
export interface UnpackedLayer {
  readonly key: string;
  readonly form: LayerForm;
  readonly usage: SnapshotUsage;
}

/** A layer that is unpacked before its image is known. Disposing stops it and removes what nobody took. */
export interface AheadLayer extends AsyncDisposable {
  /**
   * The layer, once it is unpacked; from then on it is the caller's. Undefined when no thread has begun it yet, or when it
   * was taken before: then it is to be unpacked from its blob. Its diffID is undefined where it is the blob's own digest.
   * @throws what `applyLayer` throws
   */
  take(signal?: AbortSignal): Promise<(UnpackedLayer & { readonly diffId: DiffId | undefined }) | undefined>;
}

/** Begins to unpack `source` into a snapshot that stands on nothing; `onEnd` once it was taken or has gone. */
export function beginAhead(
  source: BlobSource,
  options: { snapshots: Snapshotter; pool: UnpackPool; key: string; onEnd: () => void },
): AheadLayer {
  const { snapshots, pool, key, onEnd } = options;
  const stop = new AbortController();
  let hasStarted = false;
  let isTaken = false;
  const result = unpack();
  result.catch(() => {});

  async function apply() {
    using open = source;
    return await pool.apply({
      fd: open.fd,
      watermark: open.watermark,
      ...(await snapshots.layerPlace(key)),
      diffId: undefined,
      hashesPlain: false,
      signal: stop.signal,
      onStart: () => {
        hasStarted = true;
      },
    });
  }

  async function unpack() {
    try {
      await snapshots.prepare(key, undefined);
    } catch (error) {
      source[Symbol.dispose]();
      throw error;
    }
    try {
      return { key, ...(await apply()) };
    } catch (error) {
      // The source is closed by now: on a full disk the removal needs the room that its file took.
      await snapshots.remove(key);
      throw error;
    }
  }

  const layer: AheadLayer = {
    async take(signal) {
      if (isTaken) return undefined;
      if (!hasStarted) {
        // It is unpacked from its blob now: a thread that came free must not begin it a second time.
        stop.abort();
        return undefined;
      }
      isTaken = true;
      const onAbort = () => stop.abort(signal?.reason);
      if (signal?.aborted) onAbort();
      signal?.addEventListener('abort', onAbort, { once: true });
      try {
        const unpacked = await result;
        if (!signal?.aborted) return unpacked;
        await snapshots.remove(key);
        throw new SlipwayError('Canceled', 'unpacking was canceled', { cause: signal.reason });
      } finally {
        signal?.removeEventListener('abort', onAbort);
        onEnd();
      }
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      if (!isTaken) {
        isTaken = true;
        await result.then(
          () => snapshots.remove(key),
          () => {},
        );
      }
      onEnd();
    },
  };
  return layer;
}
