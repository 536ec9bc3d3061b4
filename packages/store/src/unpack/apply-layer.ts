import { createHash } from 'node:crypto';
import { SlipwayError } from '@slipway/base';
import type { DiffId } from '@slipway/oci';
import { TarParser } from '../tar/parser.ts';
import { LayerReader } from './layer-reader.ts';
import { LayerWriter } from './layer-writer.ts';

/** One layer to unpack; it can be sent to another thread. */
export interface LayerJob {
  readonly fd: number;
  readonly watermark: SharedArrayBuffer | undefined;
  /** An empty folder. What is in it after a failure is the caller's to remove. */
  readonly targetPath: string;
  /** What the uncompressed archive must hash to. */
  readonly diffId: DiffId | undefined;
  /** Whether a layer that is not compressed is hashed; without it, its blob's digest says what it is. */
  readonly hashesPlain: boolean;
  /** Two cells: a flag that the caller sets to stop, and the compressed bytes read so far. */
  readonly control: SharedArrayBuffer;
}

export interface AppliedLayer {
  /** Undefined for a layer that was not compressed, where `hashesPlain` was not asked for: it is the blob's digest. */
  readonly diffId: DiffId | undefined;
  readonly usage: { readonly sizeBytes: number; readonly inodes: number };
}

export const CONTROL_BYTES = 16;
export const CONTROL_STOP = 0;
export const CONTROL_READ = 1;

/**
 * Unpacks one layer into a folder in overlayfs form and verifies what it hashes to. Blocks its thread.
 * @throws DataLoss for a wrong digest, damage and truncation; InvalidArgument for an archive that is unsafe or no tar;
 * ResourceExhausted for a full disk; Canceled
 */
export function applyLayer(job: LayerJob): AppliedLayer {
  const control = new BigInt64Array(job.control);
  const isStopped = () => Atomics.load(control, CONTROL_STOP) !== 0n;
  using writer = new LayerWriter(job.targetPath, { whiteouts: 'overlay' });
  const parser = new TarParser(writer);
  using reader = new LayerReader({
    fd: job.fd,
    watermark: job.watermark,
    isStopped,
    onRead: (lengthBytes) => Atomics.add(control, CONTROL_READ, BigInt(lengthBytes)),
  });
  const hash = reader.compression !== 'none' || job.hashesPlain ? createHash('sha256') : undefined;
  for (let chunk = reader.next(); chunk !== undefined; chunk = reader.next()) {
    if (isStopped()) throw new SlipwayError('Canceled', 'unpacking was canceled');
    hash?.update(chunk);
    parser.push(chunk);
  }
  parser.end();
  const diffId = hash === undefined ? undefined : (`sha256:${hash.digest('hex')}` as DiffId);
  if (job.diffId !== undefined && diffId !== job.diffId) {
    throw new SlipwayError(
      'DataLoss',
      `the layer was said to unpack to diffID ${job.diffId} and is ${diffId}`,
    );
  }
  writer.finish();
  return { diffId, usage: writer.usage };
}
