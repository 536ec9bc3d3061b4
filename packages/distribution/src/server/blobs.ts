import { SlipwayError } from '@slipway/base';
import { empty, file, ociErrorReply, type Reply, type RouteRequest } from '@slipway/http';
import type { StoredBlob } from './backend.ts';
import { contentHeaders, type Endpoint, isKnown } from './exchange.ts';
import { parseDigestReference } from './names.ts';

const OCTETS = 'application/octet-stream';
/** What a digest names never changes; whether somebody may have it can. */
const CACHE_CONTROL = 'private, max-age=31536000';

/** `GET` and `HEAD /v2/NAME/blobs/DIGEST`, whole or a range of it. */
export const getBlob: Endpoint = {
  action: 'pull',
  handle: async ({ backend, repository, reference, request }) => {
    const blob = await backend.getBlob(repository, parseDigestReference(reference));
    const headers = {
      ...contentHeaders(blob.digest),
      'Accept-Ranges': 'bytes',
      'Cache-Control': CACHE_CONTROL,
    };
    if (isKnown(request, blob.digest)) return empty(304, headers);
    return sendPart(blob, findRange(request, blob), headers);
  },
};

/** `DELETE /v2/NAME/blobs/DIGEST`. */
export const deleteBlob: Endpoint = {
  action: 'delete',
  handle: async ({ backend, repository, reference }) => {
    await backend.deleteBlob(repository, parseDigestReference(reference));
    return empty(202);
  },
};

/** In bytes; `end` is the last one's place. */
interface ByteRange {
  readonly start: number;
  readonly end: number;
}

function sendPart(
  { path, sizeBytes }: StoredBlob,
  range: ByteRange | 'whole' | 'unsatisfiable',
  headers: Record<string, string>,
): Reply {
  if (range === 'whole') return file(200, OCTETS, { path, offset: 0, length: sizeBytes }, headers);
  if (range === 'unsatisfiable') {
    const error = new SlipwayError(
      'InvalidArgument',
      `the range asked for is not in its ${sizeBytes} bytes`,
      {
        reason: 'RANGE_INVALID',
      },
    );
    return ociErrorReply(error, { 'Content-Range': `bytes */${sizeBytes}`, 'Accept-Ranges': 'bytes' });
  }
  const { start, end } = range;
  headers['Content-Range'] = `bytes ${start}-${end}/${sizeBytes}`;
  return file(206, OCTETS, { path, offset: start, length: end - start + 1 }, headers);
}

/** One range as RFC 9110 has it (section 14.2); of several, and of other units, the whole is sent, as it allows. */
function findRange(
  request: RouteRequest,
  { digest, sizeBytes }: StoredBlob,
): ByteRange | 'whole' | 'unsatisfiable' {
  const header = request.headers.range;
  if (header === undefined || request.method === 'HEAD') return 'whole';
  const condition = request.headers['if-range'];
  if (condition !== undefined && condition !== `"${digest}"`) return 'whole';
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header.replaceAll(' ', ''));
  if (match === null) return 'whole';
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') return 'whole';
  const start = first === '' ? Math.max(0, sizeBytes - Number(last)) : Number(first);
  const end = first === '' || last === '' ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1);
  return start <= end && start < sizeBytes ? { start, end } : 'unsatisfiable';
}
