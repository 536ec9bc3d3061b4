import type { ResolvedFunction } from '../functions/index.ts';
import type { EventRecord } from './records.ts';
import type { Condition } from './state.ts';

/** How the last attempt at an event ended. */
export type Attempt =
  | {
      readonly kind: 'ran';
      readonly executedVersion: string;
      readonly functionError: string | undefined;
      readonly payload: Uint8Array;
    }
  | { readonly kind: 'refused'; readonly statusCode: number; readonly message: string };

/**
 * What a destination is told.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
 */
export function invocationRecord(
  event: EventRecord,
  target: ResolvedFunction,
  condition: Condition,
  attempt: Attempt | undefined,
  nowMs: number,
): object {
  return {
    version: '1.0',
    timestamp: new Date(nowMs).toISOString(),
    requestContext: {
      requestId: event.requestId,
      functionArn: `${target.version.functionArn}:${target.qualifier ?? '$LATEST'}`,
      condition,
      approximateInvokeCount: event.state.attempts,
    },
    requestPayload: parsed(event.payload),
    ...(attempt?.kind === 'refused' && { responseContext: { statusCode: attempt.statusCode } }),
    ...(attempt?.kind === 'ran' && {
      responseContext: {
        statusCode: 200,
        executedVersion: attempt.executedVersion,
        ...(attempt.functionError !== undefined && { functionError: attempt.functionError }),
      },
      responsePayload: parsed(attempt.payload),
    }),
  };
}

/** The message attributes of a dead letter, whose body is the event as it came. */
export function deadLetterAttributes(
  event: EventRecord,
  condition: Condition,
  attempt: Attempt | undefined,
): Record<string, string | number> {
  return {
    RequestID: event.requestId,
    ErrorCode: attempt?.kind === 'refused' ? attempt.statusCode : attempt === undefined ? 429 : 200,
    ErrorMessage: cut(errorText(condition, attempt)),
  };
}

function errorText(condition: Condition, attempt: Attempt | undefined): string {
  if (condition === 'ZeroReservedConcurrency') {
    return 'Function not invoked. Function is configured with zero reserved concurrent executions';
  }
  if (attempt === undefined) return 'Function not invoked. The event is older than its maximum age';
  if (attempt.kind === 'refused') return attempt.message;
  const payload = parsed(attempt.payload);
  if (typeof payload === 'object' && payload !== null && 'errorMessage' in payload) {
    return String(payload.errorMessage);
  }
  return Buffer.from(attempt.payload).toString();
}

/** An attribute must not be empty; a dead letter's error has at most 1 KB. */
const cut = (message: string): string =>
  message === '' ? 'Unknown' : Buffer.from(message).subarray(0, 1024).toString();

/** JSON as a value; what is none, as the text that it is. */
function parsed(payload: Uint8Array): unknown {
  if (payload.byteLength === 0) return null;
  const json = Buffer.from(payload).toString();
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}
