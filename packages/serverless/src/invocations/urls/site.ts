import {
  type Clock,
  collectBytes,
  errorMessage,
  isSlipwayError,
  type Random,
  SlipwayError,
} from '@slipway/base';
import {
  awsRequestId,
  claimedScope,
  type Dialect,
  type Headers,
  json,
  type Reply,
  type RouteRequest,
  type Site,
} from '@slipway/http';
import { ACCOUNT_ID, type AwsDoor, admit, awsError, knock } from '../../aws/index.ts';
import type { FunctionCatalog, FunctionUrl } from '../../functions/index.ts';
import type { InvokeRequest, Invoker } from '../invoker.ts';
import { MAX_PAYLOAD } from '../payload.ts';
import { invokeStreaming } from '../streaming.ts';
import { readAnswer } from './answer.ts';
import { corsHeaders, isCorsHeader, preflight } from './cors.ts';
import { type UrlEventContext, urlEvent } from './event.ts';
import { PRELUDE_TYPE, readPrelude } from './prelude.ts';

export interface UrlSiteOptions {
  readonly catalog: FunctionCatalog;
  readonly invoker: Invoker;
  readonly clock: Clock;
  readonly random: Random;
  /** For URLs that ask for a signature. */
  readonly door: AwsDoor;
}

/** `abc123.lambda-url.eu-central-1.localhost:4566`: the first label is the URL's id. */
const HOST = /^([a-z0-9]+)\.lambda-url\.[a-z0-9-]+\./i;

/**
 * Function URLs: HTTP requests to hosts of their own, each of which is one function.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
 */
export const functionUrlSite = (options: UrlSiteOptions): Site => ({
  dialect: URL_DIALECT,
  matches: ({ headers }) => HOST.test(headers['host'] ?? ''),
  routes: [],
  fallback: (request) => serveUrl(options, request),
});

const URL_DIALECT: Dialect = {
  headers: () => ({}),
  error: (error) => errorReply(error),
  notFound: () => forbidden(),
};

async function serveUrl(options: UrlSiteOptions, request: RouteRequest): Promise<Reply> {
  const { catalog, random, clock } = options;
  const id = HOST.exec(request.headers['host'] ?? '')?.[1] ?? '';
  const url = catalog.findUrl(id.toLowerCase());
  if (url === undefined) return forbidden();
  const requestId = awsRequestId(random);
  const traceId = request.headers['x-amzn-trace-id'] ?? newTraceRoot(clock, random);
  const headers = { 'x-amzn-requestid': requestId, 'x-amzn-trace-id': traceId };
  const asked = preflight(url.cors, request.method, request.headers);
  if (asked !== undefined) return withHeaders(asked, headers);
  const cors = corsHeaders(url.cors, request.headers);
  try {
    const body = await readBody(request);
    const signer = identify(options, url, request, body);
    const event = eventOf(options, request, { url, body, signer, requestId, traceId });
    const target = catalog.resolve(url.functionName, url.qualifier);
    const invocation = { target, requestId, payload: event, kind: 'RequestResponse', traceId } as const;
    const answer = url.invokeMode === 'BUFFERED' ? buffered : streamed;
    return withHeaders(await answer(options.invoker, invocation, request, url), { ...headers, ...cors });
  } catch (error) {
    return withHeaders(errorReply(error), { ...headers, ...cors });
  }
}

/** Who signed, where somebody must. @throws PermissionDenied AccessDeniedException; Unauthenticated */
function identify(
  { door }: UrlSiteOptions,
  url: FunctionUrl,
  request: RouteRequest,
  body: Uint8Array,
): UrlEventContext['signer'] {
  if (url.authType === 'AWS_IAM') {
    knock(door, request);
    const { caller } = admit(door, request, body, { service: 'lambda', operation: 'InvokeFunctionUrl' });
    const { accessKeyId = '' } = claimedScope(request.headers, request.query) ?? {};
    return { accessKeyId, name: caller.kind === 'account' ? caller.name : caller.kind };
  }
  if (url.isPublic) return undefined;
  throw awsError('PermissionDenied', 'AccessDeniedException', FORBIDDEN);
}

/** @throws ResourceExhausted RequestTooLargeException */
async function readBody({ body }: RouteRequest): Promise<Uint8Array> {
  try {
    return await collectBytes(body, MAX_PAYLOAD.RequestResponse);
  } catch (error) {
    throw isSlipwayError(error, 'ResourceExhausted') ? tooLarge() : error;
  }
}

function eventOf(
  { clock }: UrlSiteOptions,
  request: RouteRequest,
  {
    url,
    body,
    signer,
    requestId,
    traceId,
  }: {
    readonly url: FunctionUrl;
    readonly body: Uint8Array;
    readonly signer: UrlEventContext['signer'];
    readonly requestId: string;
    readonly traceId: string;
  },
): Uint8Array {
  const { method, path, search } = request;
  const sourceIp = (request.remoteAddress ?? '127.0.0.1').replace(/^::ffff:/, '');
  const headers = {
    ...request.headers,
    'x-amzn-trace-id': traceId,
    'x-forwarded-for': [request.headers['x-forwarded-for'], sourceIp].filter(Boolean).join(', '),
    'x-forwarded-port': /:(\d+)$/.exec(request.headers['host'] ?? '')?.[1] ?? '80',
    'x-forwarded-proto': request.headers['x-forwarded-proto'] ?? 'http',
  };
  const event = urlEvent(
    { method, path, search, headers, body },
    { urlId: url.id, accountId: ACCOUNT_ID, requestId, nowMs: clock.nowMs(), sourceIp, signer },
  );
  const bytes = Buffer.from(JSON.stringify(event));
  // In base64 a body grows by a third.
  if (bytes.byteLength > MAX_PAYLOAD.RequestResponse) throw tooLarge();
  return bytes;
}

type Answer = (
  invoker: Invoker,
  invocation: InvokeRequest,
  options: { readonly signal: AbortSignal },
  url: FunctionUrl,
) => Promise<Reply>;

const buffered: Answer = async (invoker, invocation, options, { cors }) => {
  const { functionError, payload } = await invoker.invoke(invocation, options);
  const answer = functionError === undefined ? readAnswer(payload, cors !== undefined) : undefined;
  if (answer === undefined) return badGateway();
  const { status, headers, body } = answer;
  return body.byteLength === 0
    ? { kind: 'empty', status, headers }
    : { kind: 'bytes', status, headers, body };
};

const streamed: Answer = async (invoker, invocation, options, { cors }) => {
  const { contentType, body, result } = await invokeStreaming(invoker, invocation, options);
  if (contentType === undefined && (await result).functionError !== undefined) return badGateway();
  const whole = untilError(body, result);
  if (contentType !== PRELUDE_TYPE) {
    return {
      kind: 'stream',
      status: 200,
      headers: { 'content-type': contentType ?? 'application/json' },
      body: whole,
    };
  }
  const answer = await readPrelude(whole, cors !== undefined);
  return answer === undefined ? badGateway() : { kind: 'stream', ...answer };
};

/** What broke off must not look like what ended: the connection is cut. */
async function* untilError(
  body: AsyncIterable<Uint8Array>,
  result: ReturnType<Invoker['invoke']>,
): AsyncGenerator<Uint8Array> {
  yield* body;
  const { functionError } = await result;
  if (functionError !== undefined) {
    throw new SlipwayError(
      'Internal',
      `the function failed while it answered (${functionError}); see its log`,
    );
  }
}

function withHeaders(reply: Reply, headers: Headers): Reply {
  if (reply.kind === 'hijack') return reply;
  const own = 'access-control-allow-origin' in headers ? withoutCors(reply.headers) : reply.headers;
  return { ...reply, headers: { ...own, ...headers } };
}

const withoutCors = (headers: Headers): Headers =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !isCorsHeader(name)));

const FORBIDDEN =
  'Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html';

const forbidden = (): Reply => failure(403, 'AccessDeniedException', { Message: FORBIDDEN });

/** The function failed, or what it answered means nothing. */
const badGateway = (): Reply => ({
  kind: 'bytes',
  status: 502,
  headers: { 'content-type': 'application/json', 'x-amzn-ErrorType': 'InternalServerErrorException' },
  body: Buffer.from('Internal Server Error'),
});

const tooLarge = (): SlipwayError =>
  awsError(
    'ResourceExhausted',
    'RequestTooLargeException',
    `Request must be smaller than ${MAX_PAYLOAD.RequestResponse} bytes for the InvokeFunction operation`,
  );

const failure = (status: number, type: string, body: object): Reply =>
  json(status, body, { 'x-amzn-ErrorType': type });

function errorReply(error: unknown): Reply {
  if (!isSlipwayError(error)) return badGateway();
  const { code, reason = '', details } = error;
  const message = errorMessage(error);
  if (reason === 'RequestTooLargeException') return failure(413, reason, { Message: message });
  switch (code) {
    case 'ResourceExhausted':
      return failure(429, reason, { ...details, message });
    case 'Unauthenticated':
    case 'PermissionDenied':
      return failure(403, reason, { Message: message });
    case 'NotFound':
      return forbidden();
    case 'Conflict':
    case 'Unavailable':
      return failure(503, 'ServiceUnavailableException', { Message: 'Service Unavailable' });
    default:
      return badGateway();
  }
}

const newTraceRoot = (clock: Clock, random: Random): string =>
  `Root=1-${Math.floor(clock.nowMs() / 1000).toString(16)}-${random.hex(12)}`;
