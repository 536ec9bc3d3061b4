import { SlipwayError } from '@slipway/base';
import { empty, type Headers, ociErrorReply, type Reply, type RouteRequest } from '@slipway/http';
import type { Digest } from '@slipway/oci';
import type { BlobUpload } from './backend.ts';
import type { Endpoint, Exchange } from './exchange.ts';
import { parseDigestReference, parseName, parseUploadId } from './names.ts';

/** `POST /v2/NAME/blobs/uploads/`: starts an upload; or is the whole of it (`digest`), or none is needed (`mount`). */
export const startUpload: Endpoint = {
  action: 'push',
  handle: async (exchange) => {
    const { backend, repository, visitor, request } = exchange;
    const mounted = request.query.get('mount');
    if (mounted !== null) {
      const digest = parseDigestReference(mounted);
      const from = request.query.get('from');
      const source = from === null ? undefined : parseName(from);
      const mayRead = source === undefined || visitor.may('pull', source);
      if (mayRead && (await backend.mountBlob(repository, digest, { from: source, visitor }))) {
        return created(repository, digest);
      }
    }
    const whole = request.query.get('digest');
    if (whole !== null && mounted === null) return await takeWhole(exchange, parseDigestReference(whole));
    return accepted(repository, await backend.startUpload(repository, visitor));
  },
};

/** `PATCH /v2/NAME/blobs/uploads/ID`: the next bytes, as a chunk with its `Content-Range` or as a stream. */
export const appendToUpload: Endpoint = {
  action: 'push',
  handle: async ({ backend, repository, reference, request }) => {
    const upload = await backend.getUpload(repository, parseUploadId(reference));
    const misplaced = findMisplaced(repository, upload, request);
    if (misplaced !== undefined) return misplaced;
    await upload.append(bodyOf(request));
    return accepted(repository, upload);
  },
};

/** `PUT /v2/NAME/blobs/uploads/ID?digest=DIGEST`: the last bytes, if any, and what they all must be. */
export const finishUpload: Endpoint = {
  action: 'push',
  handle: async ({ backend, repository, reference, request }) => {
    const upload = await backend.getUpload(repository, parseUploadId(reference));
    const digest = parseDigestReference(request.query.get('digest') ?? '');
    const misplaced = findMisplaced(repository, upload, request);
    if (misplaced !== undefined) return misplaced;
    if (hasBody(request)) await upload.append(bodyOf(request));
    await upload.commit(digest);
    return created(repository, digest);
  },
};

/** `GET /v2/NAME/blobs/uploads/ID`: how far it is. */
export const getUpload: Endpoint = {
  action: 'push',
  handle: async ({ backend, repository, reference }) => {
    const upload = await backend.getUpload(repository, parseUploadId(reference));
    return empty(204, progress(repository, upload));
  },
};

/** `DELETE /v2/NAME/blobs/uploads/ID`. */
export const cancelUpload: Endpoint = {
  action: 'push',
  handle: async ({ backend, repository, reference }) => {
    const upload = await backend.getUpload(repository, parseUploadId(reference));
    await upload.cancel();
    return empty(204);
  },
};

async function takeWhole(
  { backend, repository, visitor, request }: Exchange,
  digest: Digest,
): Promise<Reply> {
  const upload = await backend.startUpload(repository, visitor);
  try {
    await upload.append(bodyOf(request));
  } catch (error) {
    // Nobody was told of it, so nobody could go on with it.
    await upload.cancel();
    throw error;
  }
  await upload.commit(digest);
  return created(repository, digest);
}

/**
 * The reply to a chunk that does not begin where the last one ended; undefined when it does, or says nothing of its place.
 * @throws InvalidArgument BLOB_UPLOAD_INVALID, SIZE_INVALID for a `Content-Range` that makes no sense
 */
function findMisplaced(repository: string, upload: BlobUpload, { headers }: RouteRequest): Reply | undefined {
  const header = headers['content-range'];
  if (header === undefined) return undefined;
  const match = /^(?:bytes )?(\d{1,15})-(\d{1,15})(?:\/(?:\d+|\*))?$/.exec(header.trim());
  const start = Number(match?.[1]);
  const end = Number(match?.[2]);
  if (match === null || end < start) {
    throw new SlipwayError(
      'InvalidArgument',
      `Content-Range ${JSON.stringify(header.slice(0, 200))} is not valid: write START-END, both in bytes and inclusive`,
      { reason: 'BLOB_UPLOAD_INVALID' },
    );
  }
  if (start !== upload.receivedBytes) {
    const error = new SlipwayError(
      'InvalidArgument',
      `the chunk ${start}-${end} does not follow: the upload has ${upload.receivedBytes} bytes, go on from there`,
      { reason: 'RANGE_INVALID' },
    );
    return ociErrorReply(error, progress(repository, upload));
  }
  const length = headers['content-length'];
  if (length !== undefined && Number(length) !== end - start + 1) {
    throw new SlipwayError(
      'InvalidArgument',
      `Content-Range ${start}-${end} is ${end - start + 1} bytes, Content-Length says ${length}`,
      { reason: 'SIZE_INVALID' },
    );
  }
  return undefined;
}

/** What the client sends; when it goes away in the middle, that is nothing that failed here. */
async function* bodyOf({ body }: RouteRequest): AsyncGenerator<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]();
  for (;;) {
    const next = await chunks.next().catch((cause: unknown) => {
      throw new SlipwayError('Canceled', 'the client went away before it had sent all', { cause });
    });
    if (next.done === true) return;
    yield next.value;
  }
}

const hasBody = ({ headers }: RouteRequest): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

const accepted = (repository: string, upload: BlobUpload): Reply => empty(202, progress(repository, upload));

/** An empty upload is `0-0` too: the format has no other way to say it, and clients expect it. */
const progress = (repository: string, upload: BlobUpload): Headers => ({
  Location: `/v2/${repository}/blobs/uploads/${upload.id}`,
  Range: `0-${Math.max(0, upload.receivedBytes - 1)}`,
  'Docker-Upload-UUID': upload.id,
});

const created = (repository: string, digest: Digest): Reply =>
  empty(201, { Location: `/v2/${repository}/blobs/${digest}`, 'Docker-Content-Digest': digest });
