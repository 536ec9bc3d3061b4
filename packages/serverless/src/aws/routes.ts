import type { AwsService } from '@slipway/api/aws';
import { type Logger, type Random, SlipwayError } from '@slipway/base';
import {
  type AwsServiceDialect,
  awsReply,
  awsRequestId,
  awsServiceDialect,
  hostOf,
  type Reply,
  type Route,
  type RouteRequest,
  readAwsBody,
  type Site,
} from '@slipway/http';
import { type AwsDoor, admit, knock } from './admission.ts';
import { awsError } from './errors.ts';
import type { AwsOperation } from './operation.ts';

/** The one account that there is here, as an AWS account's 12 digits. */
export const ACCOUNT_ID = '000000000000';

export interface AwsSiteOptions extends AwsDoor {
  readonly random: Random;
  readonly logger: Logger;
}

/** A path of REST, and the operations that share it, told apart by what stands in the query. */
interface Endpoint {
  readonly method: Route['method'];
  readonly path: string;
  readonly choices: { readonly operation: string; readonly literals: readonly [string, string][] }[];
}

const WARNING = 'this daemon takes any access key (--accept-any-access-key)';

/**
 * A service of AWS with these operations. Those that its table has beyond them are answered with an error that names them.
 * `matches` says which requests are its.
 */
export function awsSite(
  service: AwsService,
  operations: readonly AwsOperation[],
  options: AwsSiteOptions,
): Site {
  const dialect = awsServiceDialect(service, options.random);
  const { table } = service;
  const routes = awsRoutes(dialect, operations, options);
  if (table.protocol === 'restJson1') return { dialect, routes, matches: matchRest(routes) };
  return {
    dialect,
    routes,
    matches: ({ headers }) => headers['x-amz-target']?.startsWith(`${table.target}.`) ?? false,
  };
}

/**
 * The operations as routes. Each request is admitted, decoded, run, and answered under its own id.
 * @throws AlreadyExists when two operations have one name; NotFound for one that the service does not have
 */
export function awsRoutes(
  dialect: AwsServiceDialect,
  operations: readonly AwsOperation[],
  options: AwsSiteOptions,
): Route[] {
  const { table } = dialect.codec.service;
  const served = new Map<string, AwsOperation>();
  for (const operation of operations) {
    if (table.operations[operation.name] === undefined) {
      throw new SlipwayError('NotFound', `${table.title} has no operation "${operation.name}"`);
    }
    if (served.has(operation.name)) {
      throw new SlipwayError('AlreadyExists', `${table.title}: "${operation.name}" is served twice`);
    }
    served.set(operation.name, operation);
  }
  const answer = (request: RouteRequest, name: string) => run({ dialect, served, options }, request, name);
  if (table.protocol === 'restJson1') return restRoutes(dialect, answer);
  const handler = (request: RouteRequest) => {
    const name = (request.headers['x-amz-target'] ?? '').slice(table.target.length + 1);
    return Object.hasOwn(table.operations, name) ? answer(request, name) : dialect.notFound();
  };
  // Queues' clients send to the queue's own path.
  return ['/', '/*'].map((path) => ({ method: 'POST', path, handler }));
}

function restRoutes(
  dialect: AwsServiceDialect,
  answer: (request: RouteRequest, name: string) => Promise<Reply>,
): Route[] {
  return endpointsOf(dialect).flatMap(({ method, path, choices }) => {
    const handler = (request: RouteRequest) => {
      const choice = choices.find(({ literals }) =>
        literals.every(([name, value]) => request.query.get(name) === value),
      );
      return choice === undefined ? dialect.notFound() : answer(request, choice.operation);
    };
    // Older clients end some paths with a slash, newer ones do not.
    const bare = path.replace(/\/$/, '');
    return [bare, `${bare}/`].map((one) => ({ method, path: one, handler }));
  });
}

function endpointsOf({ codec }: AwsServiceDialect): Endpoint[] {
  const endpoints = new Map<string, Endpoint>();
  for (const [operation, [, , method, uri]] of Object.entries(codec.service.table.operations)) {
    if (method === undefined || uri === undefined) continue;
    const [pattern = '', query = ''] = uri.split('?');
    const path = pattern.replace(/\{(\w+)\}/g, ':$1');
    const key = `${method} ${path.replace(/:\w+/g, ':').replace(/\/$/, '')}`;
    const endpoint = endpoints.get(key) ?? { method, path, choices: [] };
    endpoints.set(key, endpoint);
    endpoint.choices.push({ operation, literals: [...new URLSearchParams(query)] });
    // What asks for more in the query is tried first.
    endpoint.choices.sort((a, b) => b.literals.length - a.literals.length);
  }
  return [...endpoints.values()];
}

/** Whether a path begins as one of the routes does: with a date, as `/2015-03-31/`, or with a word of the service's own. */
function matchRest(routes: readonly Route[]): NonNullable<Site['matches']> {
  const heads = new Set(routes.map(({ path }) => headOf(path)));
  return ({ path }) => heads.has(headOf(path));
}

const headOf = (path: string): string => path.split('/', 2)[1] ?? '';

async function run(
  {
    dialect,
    served,
    options,
  }: {
    readonly dialect: AwsServiceDialect;
    readonly served: ReadonlyMap<string, AwsOperation>;
    readonly options: AwsSiteOptions;
  },
  request: RouteRequest,
  name: string,
): Promise<Reply> {
  const { codec } = dialect;
  const { service } = codec;
  const requestId = awsRequestId(options.random);
  const headers: Record<string, string> = {
    'x-amzn-RequestId': requestId,
    ...(options.asks === 'any-signature' ? { 'x-slipway-warning': WARNING } : {}),
  };
  try {
    knock(options, request);
    const body = await readAwsBody(request, {
      maxBytes: service.maxBodyBytes,
      exception: 'RequestEntityTooLargeException',
    });
    const wanted = { service: service.table.signingName, operation: name };
    const admitted = admit(options, request, body, wanted);
    const operation = served.get(name);
    if (operation === undefined) throw unserved(service, name);
    const { params: labels, query } = request;
    const input = codec.decodeInput(name, { labels, query, headers: request.headers, body });
    const output = await operation.run(input, {
      ...admitted,
      accountId: ACCOUNT_ID,
      host: hostOf(request),
      requestId,
      traceId: request.headers['x-amzn-trace-id'],
      get signal() {
        return request.signal;
      },
      setHeader: (name, value) => {
        headers[name] = value;
      },
    });
    return awsReply(codec.encodeOutput(name, output), headers);
  } catch (error) {
    const reply = dialect.error(error);
    if (reply.kind === 'hijack') throw error;
    if (reply.status >= 500)
      options.logger.error({ err: error, operation: name, requestId }, 'request failed');
    return { ...reply, headers: { ...reply.headers, ...headers } };
  }
}

const unserved = ({ table, exceptions }: AwsService, name: string): SlipwayError =>
  awsError(
    'NotImplemented',
    exceptions.NotImplemented ?? 'UnknownOperationException',
    `${table.title}'s operation ${name} is not served here`,
  );
