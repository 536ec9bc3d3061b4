import type { Credentials, Repository } from '@slipway/distribution/client';
import { computeDigest, type Descriptor, type Digest, MediaType, type Reference } from '@slipway/oci';
import type { Lease } from '@slipway/store';
import type { TransferContext } from './context.ts';
import { pushError } from './docker-words.ts';
import { mountCandidates, pushLayer } from './push-layer.ts';

export interface UploadRequest {
  readonly reference: Reference;
  readonly credentials?: Credentials | undefined;
  /** Keeps the layers, and what is made of them. */
  readonly lease: Lease;
}

/** A layer that is not in the store, and who has it. */
type OpenElsewhere = (offset: number) => AsyncIterable<Uint8Array>;

/** What is put together in a repository piece by piece: blobs first, then documents that name them. */
export interface Upload {
  /** @returns the layer as it is there: plain ones gzip'd, unless the registry is on this engine's own disk */
  layer(layer: Descriptor, elsewhere?: OpenElsewhere): Promise<Descriptor>;
  blob(bytes: Buffer, mediaType: string): Promise<Descriptor>;
  /** A manifest or index, under its digest or a tag. */
  document(bytes: Buffer, mediaType: string, tag?: string): Promise<Descriptor>;
}

/** Runs `work` with an upload into a repository. @throws what the registry refuses, in docker's words */
export async function withUpload<T>(
  context: TransferContext,
  { reference, credentials, lease }: UploadRequest,
  signal: AbortSignal,
  work: (upload: Upload) => Promise<T>,
): Promise<T> {
  const failed = new AbortController();
  try {
    const client = await context.client();
    const repository = client.repository(reference, credentials);
    const sent: Digest[] = [];
    const both = AbortSignal.any([signal, failed.signal]);
    const done = await work(openUpload(context, { repository, lease, signal: both, sent }));
    context.records.addPlaces(sent, repository.name, context.clock.nowMs());
    return done;
  } catch (error) {
    failed.abort(error);
    throw pushError(error, reference);
  }
}

function openUpload(
  context: TransferContext,
  {
    repository,
    lease,
    signal,
    sent,
  }: { repository: Repository; lease: Lease; signal: AbortSignal; sent: Digest[] },
): Upload {
  const push = async (descriptor: Descriptor, open: OpenElsewhere): Promise<Descriptor> => {
    const mountFrom = mountCandidates(context, repository.name, descriptor.digest, []);
    await repository.pushBlob({ descriptor, open, mountFrom }, { signal });
    sent.push(descriptor.digest);
    return descriptor;
  };
  return {
    async layer(layer, elsewhere) {
      if (elsewhere !== undefined && (await context.store.content.find(layer.digest)) === undefined) {
        return await push(layer, elsewhere);
      }
      const one = { gzipType: MediaType.ociLayerGzip, known: [], layer, id: layer.digest, repository, lease };
      const there = await pushLayer(context, one, () => {}, signal);
      sent.push(there.digest);
      return there;
    },
    async blob(bytes, mediaType) {
      const descriptor = { mediaType, digest: computeDigest(bytes), size: bytes.length };
      return await push(descriptor, async function* (offset) {
        yield bytes.subarray(offset);
      });
    },
    async document(bytes, mediaType, tag) {
      const digest = computeDigest(bytes);
      await repository.pushManifest(tag ?? digest, { bytes, mediaType }, { signal });
      return { mediaType, digest, size: bytes.length };
    },
  };
}
