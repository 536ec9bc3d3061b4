import type {
  InvocationRequest,
  InvocationResponse,
  InvokeAsyncCommandInput,
  InvokeAsyncResponse,
  InvokeWithResponseStreamRequest,
  InvokeWithResponseStreamResponse,
  InvokeWithResponseStreamResponseEvent,
} from '@aws-sdk/client-lambda';
import { collectBytes, isSlipwayError } from '@slipway/base';
import type { AsyncAcceptor } from '../async-invocations/index.ts';
import { type AwsCall, type AwsOperation, awsError, operation } from '../aws/index.ts';
import type { FunctionCatalog, ResolvedFunction } from '../functions/index.ts';
import type { Invoker } from './invoker.ts';
import { checkPayload, MAX_PAYLOAD, readClientContext, tooLarge } from './payload.ts';
import { formatReport, REPORT_HEADER } from './report.ts';
import { invokeStreaming, type StreamedResponse } from './streaming.ts';

export interface InvokeContext {
  readonly catalog: FunctionCatalog;
  readonly invoker: Invoker;
  readonly acceptor: AsyncAcceptor;
}

/**
 * Lambda's operations that run functions. Who reached an operation has the account's own rights: within an account Lambda
 * asks no policy of the function.
 */
export const invocationOperations = (context: InvokeContext): AwsOperation[] => [
  operation<InvocationRequest, InvocationResponse>('Invoke', (input, call) => invoke(context, input, call)),
  operation<InvokeAsyncCommandInput, InvokeAsyncResponse>('InvokeAsync', (input, call) =>
    invokeAsync(context, input, call),
  ),
  operation<InvokeWithResponseStreamRequest, InvokeWithResponseStreamResponse>(
    'InvokeWithResponseStream',
    (input, call) => invokeWithResponseStream(context, input, call),
  ),
];

/** @see https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html */
async function invoke(
  { catalog, invoker, acceptor }: InvokeContext,
  input: InvocationRequest,
  call: AwsCall,
): Promise<InvocationResponse> {
  const kind = input.InvocationType ?? 'RequestResponse';
  requireOneOf('invocationType', kind, ['RequestResponse', 'Event', 'DryRun']);
  const target = resolve(catalog, input, call);
  if (kind === 'DryRun') return { StatusCode: 204, ExecutedVersion: target.version.version };
  const payload = checkPayload(input.Payload, kind);
  const request = {
    target,
    requestId: call.requestId,
    payload,
    clientContext: readClientContext(input.ClientContext),
    traceId: call.traceId,
  };
  if (kind === 'Event') {
    await acceptor.accept(request);
    return { StatusCode: 202 };
  }
  const result = await invoker.invoke({ ...request, kind }, call);
  if (call.caller.kind === 'root') call.setHeader?.(REPORT_HEADER, formatReport(result));
  return {
    StatusCode: 200,
    ExecutedVersion: result.executedVersion,
    FunctionError: result.functionError,
    LogResult: input.LogType === 'Tail' ? logResult(result.logTail) : undefined,
    Payload: result.payload,
  };
}

/** Of 2014, deprecated: an event that is accepted. @see https://docs.aws.amazon.com/lambda/latest/api/API_InvokeAsync.html */
async function invokeAsync(
  { catalog, acceptor }: InvokeContext,
  input: InvokeAsyncCommandInput,
  call: AwsCall,
): Promise<InvokeAsyncResponse> {
  const target = resolve(catalog, input, call);
  const { requestId, traceId } = call;
  const payload = checkPayload(await readBlob(input.InvokeArgs), 'Event');
  await acceptor.accept({ target, requestId, payload, traceId });
  return { Status: 202 };
}

/** @see https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html */
async function invokeWithResponseStream(
  { catalog, invoker }: InvokeContext,
  input: InvokeWithResponseStreamRequest,
  call: AwsCall,
): Promise<InvokeWithResponseStreamResponse> {
  const kind = input.InvocationType ?? 'RequestResponse';
  requireOneOf('invocationType', kind, ['RequestResponse', 'DryRun']);
  const target = resolve(catalog, input, call);
  const ExecutedVersion = target.version.version;
  if (kind === 'DryRun') return { StatusCode: 204, ExecutedVersion };
  const request = {
    target,
    requestId: call.requestId,
    payload: checkPayload(input.Payload, kind),
    clientContext: readClientContext(input.ClientContext),
    traceId: call.traceId,
    kind,
  } as const;
  const response = await invokeStreaming(invoker, request, call);
  return {
    StatusCode: 200,
    ExecutedVersion,
    ResponseStreamContentType: response.contentType ?? 'application/octet-stream',
    EventStream: streamEvents(response, input.LogType === 'Tail'),
  };
}

async function* streamEvents(
  { body, result }: StreamedResponse,
  hasTail: boolean,
): AsyncGenerator<InvokeWithResponseStreamResponseEvent> {
  for await (const Payload of body) yield { PayloadChunk: { Payload } };
  const { functionError, payload, logTail } = await result;
  yield {
    InvokeComplete: {
      ...(functionError === undefined ? {} : errorOf(payload, functionError)),
      ...(hasTail ? { LogResult: logResult(logTail) } : {}),
    },
  };
}

/** The error's type and the whole of it, as the end of a stream tells them. */
function errorOf(payload: Uint8Array, functionError: string) {
  const ErrorDetails = Buffer.from(payload).toString('utf8');
  try {
    const { errorType } = JSON.parse(ErrorDetails) as { errorType?: unknown };
    if (typeof errorType === 'string') return { ErrorCode: errorType, ErrorDetails };
  } catch {
    // A runtime may report what is no JSON.
  }
  return { ErrorCode: functionError, ErrorDetails };
}

const resolve = (
  catalog: FunctionCatalog,
  { FunctionName, Qualifier }: { FunctionName: string | undefined; Qualifier?: string | undefined },
  { region }: AwsCall,
): ResolvedFunction => catalog.resolve(FunctionName ?? '', Qualifier, region);

const logResult = (tail: string): string => Buffer.from(tail).toString('base64');

function requireOneOf(name: string, value: string, allowed: readonly string[]): void {
  if (allowed.includes(value)) return;
  throw awsError(
    'InvalidArgument',
    'ValidationException',
    `1 validation error detected: Value '${value}' at '${name}' failed to satisfy constraint: Member must satisfy enum value set: [${allowed.join(', ')}]`,
  );
}

/** @throws ResourceExhausted RequestTooLargeException */
async function readBlob(
  blob: InvokeAsyncCommandInput['InvokeArgs'],
): Promise<Uint8Array | string | undefined> {
  if (blob === undefined || typeof blob === 'string' || blob instanceof Uint8Array) return blob;
  const limit = MAX_PAYLOAD.Event;
  try {
    return await collectBytes(blob as unknown as AsyncIterable<Uint8Array>, limit);
  } catch (error) {
    throw isSlipwayError(error, 'ResourceExhausted') ? tooLarge(limit + 1, 'Event') : error;
  }
}
