import type { SandboxExit } from '../compute/compute.ts';

/** An error as the caller of a function is answered it. */
export interface FunctionError {
  readonly errorType: string;
  readonly errorMessage: string;
  /** JSON, as it goes to the caller. */
  readonly body: Uint8Array;
}

/** Slipway's own words for what is not the function's own error, which are Lambda's. */
export function functionError(errorType: string, errorMessage: string): FunctionError {
  return { errorType, errorMessage, body: Buffer.from(JSON.stringify({ errorType, errorMessage })) };
}

/** What a runtime says of an error: its body is passed on as it is. */
export function parseError(payload: Uint8Array, header: string | string[] | undefined): FunctionError {
  const named = Array.isArray(header) ? header[0] : header;
  let errorType = named ?? 'Runtime.UnknownReason';
  let errorMessage = '';
  try {
    const parsed = JSON.parse(Buffer.from(payload).toString()) as Record<string, unknown>;
    if (named === undefined && typeof parsed.errorType === 'string') errorType = parsed.errorType;
    if (typeof parsed.errorMessage === 'string') errorMessage = parsed.errorMessage;
  } catch {
    // It may be anything.
  }
  return { errorType, errorMessage, body: payload };
}

export const responseTooLarge = (maxBytes: number): FunctionError =>
  functionError(
    'Function.ResponseSizeTooLarge',
    `Response payload size exceeded maximum allowed payload size (${maxBytes} bytes).`,
  );

/** The runtime hung up in the middle of its answer. */
export const truncatedResponse = (): FunctionError =>
  functionError('Runtime.TruncatedResponse', 'The response was cut off before its end.');

export const timedOut = (requestId: string, timeoutMs: number): FunctionError =>
  functionError(
    'Sandbox.Timedout',
    `RequestId: ${requestId} Error: Task timed out after ${(timeoutMs / 1000).toFixed(2)} seconds`,
  );

/** Of a runtime whose process ended by itself, or was killed for its memory. */
export function runtimeExited(requestId: string, exit: SandboxExit): FunctionError {
  const isOutOfMemory = exit.oomKilled && exit.exitCode === 128 + 9;
  return functionError(
    isOutOfMemory ? 'Runtime.OutOfMemory' : 'Runtime.ExitError',
    `RequestId: ${requestId} Error: ${exitWords(exit)}`,
  );
}

const SIGNALS: Readonly<Record<number, string>> = {
  1: 'hangup',
  2: 'interrupt',
  4: 'illegal instruction',
  6: 'aborted',
  7: 'bus error',
  8: 'floating point exception',
  9: 'killed',
  11: 'segmentation fault',
  13: 'broken pipe',
  15: 'terminated',
};

export function exitWords({ exitCode }: SandboxExit): string {
  if (exitCode === 0) return 'Runtime exited without providing a reason';
  const signal = SIGNALS[exitCode - 128];
  return `Runtime exited with error: ${signal === undefined ? `exit status ${exitCode}` : `signal: ${signal}`}`;
}
