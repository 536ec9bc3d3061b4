import { errorMessage, isSlipwayError } from '@slipway/base';
import { DockerfileError } from '@slipway/dockerfile';
import { toGrpcCode, UNKNOWN } from './codes.ts';
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

/** What goes on the wire for an error, its place in the Dockerfile as a detail that docker shows as an excerpt. */
export function toStatus(error: unknown, signal: AbortSignal): ReturnedStatus['status'] {
  if (error instanceof ReturnedStatus) return error.status;
  if (signal.aborted) return { code: toGrpcCode('Canceled'), message: 'context canceled', details: [] };
  const code = isSlipwayError(error) && error.code !== 'Internal' ? toGrpcCode(error.code) : UNKNOWN;
  return {
    code,
    message: errorMessage(error),
    details: error instanceof DockerfileError ? sourceOf(error) : [],
  };
}

/** BuildKit's details are JSON of its own types. @see https://github.com/moby/buildkit/tree/master/solver/errdefs */
function sourceOf({ ranges, file }: DockerfileError): object[] {
  if (ranges.length === 0) return [];
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
