import { errorMessage, isSlipwayError, SlipwayError } from '@slipway/base';
import type { Descriptor, Digest } from '@slipway/oci';
import { answerError, htmlAnswer } from './errors.ts';
import {
  contentLengthOf,
  contentTypeOf,
  type HttpResponse,
  headerOf,
  isConnectionLost,
  isUnreachable,
} from './http.ts';
import { backOffMs, pause } from './retry.ts';
import { inPlace, PULL, type RepositorySession, repositoryScope, urlOf } from './session.ts';

type Blob = Pick<Descriptor, 'digest' | 'size'>;

/** Bytes that must have come before a connection counts as one that got somewhere. */
const PROGRESS_BYTES = 64 * 1024;

export const blobUrl = (session: RepositorySession, digest: Digest): URL =>
  urlOf(session, `${session.path}/blobs/${digest}`);

/** A blob's size, or undefined where it is not there. @throws what the registry refuses */
export async function headBlob(
  session: RepositorySession,
  digest: Digest,
  options: { readonly scopes?: readonly string[]; readonly signal?: AbortSignal | undefined } = {},
): Promise<{ readonly sizeBytes: number } | undefined> {
  const request = {
    url: blobUrl(session, digest),
    headers: { 'accept-encoding': 'identity' },
    scopes: options.scopes ?? [repositoryScope(session.path, PULL)],
    signal: options.signal,
  };
  let response = await session.dispatch({ ...request, method: 'HEAD' });
  if (response.status === 200 && contentLengthOf(response) === undefined) {
    response.discard();
    response = await session.dispatch({ ...request, method: 'GET' });
  }
  if (response.status !== 200 && response.status !== 404) {
    throw await answerError(response, { place: session.place, action: `cannot look for the blob ${digest}` });
  }
  response.discard();
  if (response.status === 404) return undefined;
  const sizeBytes = contentLengthOf(response);
  if (sizeBytes === undefined) {
    throw new SlipwayError(
      'DataLoss',
      `${session.place}: the registry does not say how large the blob ${digest} is`,
      {
        reason: 'SIZE_INVALID',
      },
    );
  }
  return { sizeBytes };
}

/**
 * A blob's bytes from `offset`, over as many connections as it takes. The chunks are the caller's to keep.
 * @throws DataLoss for another length than the descriptor's; NotFound; Unavailable when nothing comes any more
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-blobs
 */
export async function* readBlob(
  session: RepositorySession,
  blob: Blob,
  offset: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const { clock, random, retry, logger } = session.context;
  let at = offset;
  let useRange = true;
  for (let attempt = 1; at < blob.size; attempt++) {
    const startedAt = at;
    let isAnswered = false;
    try {
      const response = await requestBlob(session, blob, useRange ? at : 0, signal);
      isAnswered = true;
      if (response.status === 416 && useRange && at > 0) {
        response.discard();
        useRange = false;
        continue;
      }
      let skipBytes = await checkAnswer(session, blob, response, at);
      for await (const chunk of response.body) {
        const wanted = skipBytes === 0 ? chunk : chunk.subarray(Math.min(skipBytes, chunk.byteLength));
        skipBytes -= chunk.byteLength - wanted.byteLength;
        at += wanted.byteLength;
        if (at > blob.size) throw otherLength(session, blob, `more than ${blob.size}`);
        if (wanted.byteLength > 0) yield wanted;
      }
      if (at < blob.size) throw endedEarly(session, blob, at);
    } catch (error) {
      signal?.throwIfAborted();
      if (at - startedAt >= PROGRESS_BYTES) attempt = 0;
      // What was lost before an answer was tried again below. A registry that is restarted is not there for a moment:
      // worth waiting for once it has given something.
      const isPassing = isAnswered ? isConnectionLost(error) : isUnreachable(error) && at > offset;
      if (!isPassing || attempt >= retry.attempts) throw gaveUp(session, blob, at, error);
      logger.debug({ digest: blob.digest, at, cause: errorMessage(error) }, 'a download is taken up again');
      await pause(clock, backOffMs(retry, random, Math.max(1, attempt)), signal);
    }
  }
}

const requestBlob = (
  session: RepositorySession,
  { digest }: Blob,
  at: number,
  signal: AbortSignal | undefined,
): Promise<HttpResponse> =>
  session.dispatch({
    method: 'GET',
    url: blobUrl(session, digest),
    headers: {
      accept: '*/*',
      'accept-encoding': 'identity',
      ...(at > 0 ? { range: `bytes=${at}-` } : {}),
    },
    scopes: [repositoryScope(session.path, PULL)],
    signal,
  });

/** Checks that the answer is what was asked for. @returns how many bytes to skip, where it begins too early */
async function checkAnswer(
  session: RepositorySession,
  blob: Blob,
  response: HttpResponse,
  at: number,
): Promise<number> {
  const { status } = response;
  if (status !== 200 && status !== 206) {
    throw await answerError(response, {
      place: session.place,
      action: `cannot read the blob ${blob.digest}`,
      ...(status === 404 ? { reason: 'BLOB_UNKNOWN' } : {}),
    });
  }
  const refuse = (error: SlipwayError): never => {
    response.discard();
    throw error;
  };
  const encoding = headerOf(response, 'content-encoding') ?? 'identity';
  if (encoding !== 'identity')
    return refuse(otherLength(session, blob, `what a proxy encoded with ${encoding}, not`));
  const range =
    status === 206 ? parseContentRange(headerOf(response, 'content-range')) : { start: 0, total: undefined };
  if (range === undefined || range.start > at || (range.total !== undefined && range.total !== blob.size)) {
    return refuse(otherLength(session, blob, `the range "${headerOf(response, 'content-range') ?? ''}" of`));
  }
  const length = contentLengthOf(response);
  const isWhole = length !== undefined && range.start + length === blob.size;
  if (!isWhole && contentTypeOf(response) === 'text/html')
    return refuse(htmlAnswer(response, session.place, `the blob ${blob.digest}`));
  if (length !== undefined && !isWhole) {
    const isPart = status === 206 && range.start + length < blob.size;
    if (!isPart) return refuse(otherLength(session, blob, String(range.start + length)));
  }
  return at - range.start;
}

/** @see https://www.rfc-editor.org/rfc/rfc9110#section-14.4 */
function parseContentRange(
  text: string | undefined,
): { start: number; total: number | undefined } | undefined {
  const match = /^bytes (\d{1,15})-\d{1,15}\/(\d{1,15}|\*)$/.exec(text ?? '');
  if (match === null) return undefined;
  return { start: Number(match[1]), total: match[2] === '*' ? undefined : Number(match[2]) };
}

const otherLength = (session: RepositorySession, { digest, size }: Blob, sent: string) =>
  new SlipwayError(
    'DataLoss',
    `${session.place}: the blob ${digest} should have ${size} bytes, but the registry sends ${sent} bytes`,
    { reason: 'SIZE_INVALID' },
  );

/** The answer was whole by its own account: what ends it early may be a proxy, or a blob that is too short. */
const endedEarly = (session: RepositorySession, { digest, size }: Blob, at: number) =>
  new SlipwayError('Unavailable', `${session.place}: the blob ${digest} ended at byte ${at} of ${size}`, {
    reason: 'CONNECTION_LOST',
  });

function gaveUp(session: RepositorySession, { digest, size }: Blob, at: number, error: unknown): unknown {
  if (!isConnectionLost(error) || !isSlipwayError(error)) return inPlace(error, session.place);
  const said = error.message.replace(`${session.place}: `, '');
  return new SlipwayError(
    'Unavailable',
    `${session.place}: the blob ${digest} came to byte ${at} of ${size} and no further: ${said}`,
    { cause: error, reason: error.reason ?? 'CONNECTION_LOST' },
  );
}
