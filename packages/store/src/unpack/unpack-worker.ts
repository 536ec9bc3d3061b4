/** The thread that unpacks layers: one job at a time, as they are sent. */
import { parentPort } from 'node:worker_threads';
import { type ErrorCode, errorMessage, isSlipwayError } from '@slipway/base';
import { type AppliedLayer, applyLayer, type LayerJob } from './apply-layer.ts';

/** A thread cannot send an Error of a class of ours, so it sends what makes one. */
export interface WorkerFailure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly reason: string | undefined;
  readonly cause: unknown;
}

export type WorkerReply = { readonly applied: AppliedLayer } | { readonly failure: WorkerFailure };

parentPort?.on('message', (job: LayerJob) => {
  parentPort?.postMessage(run(job));
});

function run(job: LayerJob): WorkerReply {
  try {
    return { applied: applyLayer(job) };
  } catch (error) {
    const failure: WorkerFailure = isSlipwayError(error)
      ? { code: error.code, message: error.message, reason: error.reason, cause: plainCause(error.cause) }
      : { code: 'Internal', message: errorMessage(error), reason: undefined, cause: plainCause(error) };
    return { failure };
  }
}

/** Errors of Node's own lose their `code` on the way. */
const plainCause = (cause: unknown): unknown =>
  cause instanceof Error ? { message: cause.message, code: 'code' in cause ? cause.code : undefined } : cause;
