import { errorMessage, isSlipwayError, SlipwayError } from '@slipway/base';
import { DockerfileError, type Range } from '@slipway/dockerfile';
import { toGrpcCode } from './codes.ts';
import { messageType } from './messages.ts';
import { toRange } from './status.ts';

/** A `google.rpc.Status` that came from the client and goes back to it as it is. */
export class ReturnedStatus extends Error {
  readonly status: { readonly code: number; readonly message: string; readonly details: readonly object[] };

  constructor(status: ReturnedStatus['status']) {
    super(status.message);
    this.status = status;
  }
}

/** A step that failed, with its place in the Dockerfile. */
export class StepError extends SlipwayError {
  readonly source: Source;

  constructor(cause: SlipwayError, source: Source) {
    super(cause.code, cause.message, {
      cause,
      ...(cause.reason === undefined ? {} : { reason: cause.reason }),
    });
    this.source = source;
  }
}

/** A place in a Dockerfile. */
export interface Source {
  readonly file: { readonly name: string; readonly text: string };
  readonly ranges: readonly Range[];
}

/** What goes on the wire for an error, its place in the Dockerfile as a detail that docker shows as an excerpt. */
export function toStatus(error: unknown, signal: AbortSignal): ReturnedStatus['status'] {
  if (error instanceof ReturnedStatus) return error.status;
  if (signal.aborted) return { code: toGrpcCode('Canceled'), message: 'context canceled', details: [] };
  return {
    code: toGrpcCode(isSlipwayError(error) ? error.code : 'Internal'),
    message: errorMessage(error),
    details: detailsOf(error),
  };
}

/** BuildKit's details are JSON of its own types. @see https://github.com/moby/buildkit/tree/master/solver/errdefs */
function detailsOf(error: unknown): object[] {
  const source =
    error instanceof StepError ? error.source : error instanceof DockerfileError ? error : undefined;
  if (source === undefined || source.ranges.length === 0) return [];
  const { file, ranges } = source;
  const info = {
    filename: file.name,
    data: Buffer.from(file.text).toString('base64'),
    language: 'Dockerfile',
  };
  const value = Buffer.from(JSON.stringify({ info, ranges: ranges.map(toRange) }));
  return [{ type_url: 'github.com/moby/buildkit/errdefs.Source+json', value }];
}

/** The status' bytes for `grpc-status-details-bin`. */
export const statusBytes = (status: ReturnedStatus['status']): Buffer => messageType('Status').encode(status);
