import { errorMessage, type SlipwayError } from '@slipway/base';
import { awsError } from '../aws/index.ts';

/** What an event may hold, in bytes, by how it is invoked. @see https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html */
export const MAX_PAYLOAD = { RequestResponse: 6_291_456, Event: 1_048_576 } as const;

const EMPTY = Buffer.from('{}');

/**
 * The event as the function gets it: nothing at all is `{}`.
 * @throws ResourceExhausted RequestTooLargeException; InvalidArgument InvalidRequestContentException
 */
export function checkPayload(
  payload: Uint8Array | string | undefined,
  kind: keyof typeof MAX_PAYLOAD,
): Uint8Array {
  if (payload === undefined || payload.length === 0) return EMPTY;
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
  const limit = MAX_PAYLOAD[kind];
  if (bytes.byteLength > limit) throw tooLarge(bytes.byteLength, kind);
  try {
    JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw awsError(
      'InvalidArgument',
      'InvalidRequestContentException',
      `Could not parse request body into json: Could not parse payload into json: ${errorMessage(cause)}`,
      { cause, details: { Type: 'User' } },
    );
  }
  return bytes;
}

/** @throws never; for bodies that are cut off while they come, too */
export const tooLarge = (sizeBytes: number, kind: keyof typeof MAX_PAYLOAD): SlipwayError =>
  awsError(
    'ResourceExhausted',
    'RequestTooLargeException',
    `${sizeBytes} byte payload is too large for the ${kind} invocation type (limit ${MAX_PAYLOAD[kind]} bytes)`,
    { details: { Type: 'User' } },
  );

const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * The client's context, decoded: JSON.
 * @throws InvalidArgument InvalidRequestContentException
 */
export function readClientContext(base64: string | undefined): string | undefined {
  if (base64 === undefined || base64 === '') return undefined;
  const text = Buffer.from(base64, 'base64').toString('utf8');
  try {
    JSON.parse(text);
  } catch (cause) {
    throw awsError(
      'InvalidArgument',
      'InvalidRequestContentException',
      'Client context must be a valid Base64-encoded JSON object.',
      { cause, details: { Type: 'User' } },
    );
  }
  return text;
}
