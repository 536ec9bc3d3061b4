import { type Random, SlipwayError } from '@slipway/base';
import {
  awsRequestId,
  bytes,
  empty,
  type Headers,
  json,
  type Route,
  type RouteRequest,
  readAwsBody,
} from '@slipway/http';
import type { FunctionCatalog } from '../functions/index.ts';
import { checkPayload, MAX_PAYLOAD } from './payload.ts';
import type { FailureRecord } from './records.ts';
import { formatReport, REPORT_HEADER } from './report.ts';
import type { InvocationService } from './service.ts';

export interface InvocationRoutesOptions {
  readonly invocations: InvocationService;
  readonly catalog: FunctionCatalog;
  readonly random: Random;
}

/** What `slipway fn` asks beyond Lambda's API, on the Unix socket. */
export const invocationRoutes = (options: InvocationRoutesOptions): Route[] => {
  const { invocations, catalog } = options;
  /** @throws NotFound */
  const nameOf = (params: RouteRequest['params']): string =>
    catalog.resolve(params['name'] ?? '').version.name;
  return [
    {
      method: 'POST',
      path: '/slipway/functions/:name/debug',
      handler: (request) => debug(options, request),
    },
    {
      method: 'GET',
      path: '/slipway/functions/:name/failures',
      handler: ({ params }) => json(200, invocations.failures.list(nameOf(params)).map(toWire)),
    },
    {
      method: 'GET',
      path: '/slipway/functions/failures/:requestId',
      handler: ({ params }) => {
        const record = invocations.failures.get(params['requestId'] ?? '');
        const event = Buffer.from(record.payload).toString('base64');
        return json(200, { ...toWire(record), event, clientContext: record.clientContext });
      },
    },
    {
      method: 'GET',
      path: '/slipway/functions/:name/environments',
      handler: ({ params }) => json(200, invocations.environments(nameOf(params))),
    },
    {
      method: 'DELETE',
      path: '/slipway/functions/:name/environments',
      handler: async ({ params }) => {
        await invocations.retire(nameOf(params));
        return empty(204);
      },
    },
    {
      method: 'DELETE',
      path: '/slipway/functions/environments',
      handler: async () => {
        await invocations.retire();
        return empty(204);
      },
    },
    {
      method: 'GET',
      path: '/slipway/functions/metrics',
      handler: () =>
        json(200, {
          environments: invocations.environments(),
          functions: invocations.metrics.list().map((metrics) => ({
            ...metrics,
            environments: invocations.environments(metrics.functionName),
          })),
        }),
    },
  ];
};

/**
 * Invokes in an environment of its own whose runtime waits for a debugger at `port` of 127.0.0.1. Answers as Invoke does, in the
 * same headers.
 */
async function debug({ invocations, catalog, random }: InvocationRoutesOptions, request: RouteRequest) {
  const { params, query, signal } = request;
  const target = catalog.resolve(params['name'] ?? '', query.get('qualifier') ?? undefined);
  const requestId = awsRequestId(random);
  const port = readPort(query.get('port'));
  const limits = { maxBytes: MAX_PAYLOAD.RequestResponse, exception: 'RequestTooLargeException' };
  const payload = checkPayload(await readAwsBody(request, limits), 'RequestResponse');
  const result = await invocations.invoke(
    { target, requestId, payload, kind: 'RequestResponse', debug: { port } },
    { signal },
  );
  const headers: Headers = {
    'x-amzn-RequestId': requestId,
    'X-Amz-Executed-Version': result.executedVersion,
    'X-Amz-Log-Result': Buffer.from(result.logTail).toString('base64'),
    ...(result.functionError === undefined ? {} : { 'X-Amz-Function-Error': result.functionError }),
    [REPORT_HEADER]: formatReport(result),
  };
  return bytes(200, 'application/json', result.payload, headers);
}

function readPort(text: string | null): number {
  const port = Number(text ?? 'NaN');
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new SlipwayError('InvalidArgument', `port must be a TCP port, 1 to 65535: "${text ?? ''}"`);
}

const toWire = ({ requestId, functionName, version, invokedArn, atMs, payload, error }: FailureRecord) => ({
  requestId,
  functionName,
  version,
  invokedArn,
  atMs,
  sizeBytes: payload.byteLength,
  error: describe(error),
});

/** `TypeError: it is wrong` */
function describe(error: string): string {
  try {
    const { errorType, errorMessage } = JSON.parse(error) as { errorType?: unknown; errorMessage?: unknown };
    if (typeof errorType === 'string') return `${errorType}: ${String(errorMessage)}`;
  } catch {
    // A runtime may report what is no JSON.
  }
  return error;
}
