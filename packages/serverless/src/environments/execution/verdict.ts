import type { SlipwayError } from '@slipway/base';
import { awsError } from '../../aws/index.ts';
import type { FunctionVersion } from '../../functions/index.ts';
import type { SandboxExit } from '../compute/compute.ts';
import type { Outcome } from '../environment.ts';
import type { Answer } from '../runtime-api/answer.ts';
import { exitWords, type FunctionError, runtimeExited, timedOut } from './errors.ts';
import type { Status } from './platform-events.ts';

/** How an initialisation ended. */
export type InitResult =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly error: FunctionError }
  | { readonly kind: 'exited'; readonly exit: SandboxExit }
  | { readonly kind: 'timeout' };

/** What comes first: the runtime's answer, its end, how its initialisation failed, or the time-out. */
export type Ending = Answer | SandboxExit | InitResult | 'timeout';

/** What an invocation came to: for its caller, the log and telemetry. */
export interface Verdict {
  readonly kind: Outcome['kind'];
  readonly status: Status;
  readonly errorType: string | undefined;
  readonly payload: Uint8Array;
  /** What the log says of it. */
  readonly line: ((nowMs: number) => string) | undefined;
}

export function judge(ended: Ending, requestId: string, timeoutMs: number): Verdict {
  if (ended === 'timeout') {
    const { body } = timedOut(requestId, timeoutMs);
    const seconds = (timeoutMs / 1000).toFixed(2);
    return {
      kind: 'timeout',
      status: 'timeout',
      errorType: undefined,
      payload: body,
      line: (nowMs) =>
        `${new Date(nowMs).toISOString()} ${requestId} Task timed out after ${seconds} seconds\n`,
    };
  }
  if ('exitCode' in ended) {
    const { errorType, body } = runtimeExited(requestId, ended);
    return {
      kind: 'exit',
      status: 'error',
      errorType,
      payload: body,
      line: () => `RequestId: ${requestId} Error: ${exitWords(ended)}\n${errorType}`,
    };
  }
  if ('payload' in ended) {
    return ended.kind === 'response'
      ? { kind: 'response', status: 'success', errorType: undefined, payload: ended.payload, line: undefined }
      : {
          kind: 'error',
          status: 'error',
          errorType: ended.errorType,
          payload: ended.payload,
          line: undefined,
        };
  }
  const { error } = ended as Extract<InitResult, { kind: 'failed' }>;
  return { kind: 'exit', status: 'error', errorType: error.errorType, payload: error.body, line: undefined };
}

/** Of one that is provisioned: there is no invocation that could end with it. */
export function startError(version: FunctionVersion, result: InitResult): SlipwayError {
  const why =
    result.kind === 'failed'
      ? `${result.error.errorType}: ${result.error.errorMessage}`
      : result.kind === 'exited'
        ? exitWords(result.exit)
        : 'initialisation took longer than the function may';
  return awsError(
    'FailedPrecondition',
    'FunctionStartError',
    `${version.functionArn}:${version.version} could not be initialised: ${why}`,
  );
}
