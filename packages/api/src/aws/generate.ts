import { createRequire } from 'node:module';
import type { Binding, ErrorRow, HttpMethod, MemberRow, OperationRow, StructureRow } from './table.ts';

/** The services, and the clients that describe them: the pinned development dependencies of this package. */
export const SERVICES = [
  { name: 'lambda', client: '@aws-sdk/client-lambda', className: 'LambdaClient' },
  { name: 'logs', client: '@aws-sdk/client-cloudwatch-logs', className: 'CloudWatchLogsClient' },
  { name: 'sqs', client: '@aws-sdk/client-sqs', className: 'SQSClient' },
  { name: 'scheduler', client: '@aws-sdk/client-scheduler', className: 'SchedulerClient' },
] as const;

/** Schemas as the clients export them. @see @smithy/types `StaticSchema` */
type Ref = unknown;
type Traits = number | Readonly<Record<string, unknown>>;
type Structure = readonly [
  kind: 3 | 4 | -3,
  namespace: string,
  name: string,
  traits: Traits,
  members: readonly string[],
  types: readonly Ref[],
  required?: number,
];
type Operation = readonly [kind: 9, namespace: string, name: string, traits: Traits, input: Ref, output: Ref];

interface ClientConfig {
  readonly protocol: { getShapeId(): string };
  readonly protocolSettings: { readonly serviceTarget?: string };
  readonly serviceId: string;
  readonly defaultSigningName: string;
}

const SIMPLE: Readonly<Record<number, string>> = {
  0: 'string',
  1: 'number',
  2: 'boolean',
  4: 'timestamp',
  5: 'timestamp:date-time',
  6: 'timestamp:http-date',
  7: 'timestamp:epoch-seconds',
  15: 'document',
  17: 'number',
  21: 'blob',
  42: 'stream',
};
const LIST = 64;
const MAP = 128;
/** The bits of traits that are a number. @see @smithy/core/schema `translateTraits` */
const BITS = [
  'httpLabel',
  'idempotent',
  'idempotencyToken',
  'sensitive',
  'httpPayload',
  'httpResponseCode',
  'httpQueryParams',
] as const;
/** What the wire format does not depend on; the XML names are those of the query protocol, which is not spoken. */
const WITHOUT_MEANING = new Set(['idempotent', 'sensitive', 'xmlName', 'xmlFlattened', 'error', 'streaming']);

/** The text of a service's table, one row a line. */
export function generateTable({ name, client, className }: (typeof SERVICES)[number]): string {
  const module = createRequire(import.meta.url)(client) as Record<string, unknown>;
  const Client = module[className] as new (options: object) => { readonly config: ClientConfig };
  const { config } = new Client({
    region: 'us-east-1',
    credentials: { accessKeyId: '', secretAccessKey: '' },
  });
  const structures = new Map<string, StructureRow>();
  const errors = new Map<string, ErrorRow>();
  const operations = new Map<string, OperationRow>();
  for (const [key, schema] of Object.entries(module)) {
    if (!key.endsWith('$') || !Array.isArray(schema)) continue;
    if (schema[1].startsWith('smithy.ts.sdk.synthetic')) continue;
    if (schema[0] === 9) operations.set(schema[2], operationRow(schema as unknown as Operation));
    else if (schema[0] === -3) errors.set(schema[2], errorRow(schema as unknown as Structure));
    else structures.set(schema[2], structureRow(schema as unknown as Structure));
  }
  const protocol = config.protocol.getShapeId().split('#')[1];
  const isRest = protocol === 'restJson1';
  return [
    `// Generated from ${client} by script/aws-tables; do not edit.`,
    "import type { ServiceTable } from '../table.ts';",
    '',
    `/** ${config.serviceId} */`,
    `export const ${name}: ServiceTable = {`,
    `  title: ${JSON.stringify(config.serviceId)},`,
    `  signingName: ${JSON.stringify(config.defaultSigningName)},`,
    `  protocol: ${JSON.stringify(protocol)},`,
    `  target: ${JSON.stringify(isRest ? '' : (config.protocolSettings.serviceTarget ?? ''))},`,
    ...rows('operations', operations),
    ...rows('structures', structures),
    ...rows('errors', errors),
    '};',
    '',
  ].join('\n');
}

function rows(name: string, map: ReadonlyMap<string, unknown>): string[] {
  const sorted = [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  return [`  ${name}: {`, ...sorted.map(([key, row]) => `    ${key}: ${JSON.stringify(row)},`), '  },'];
}

function operationRow([, , name, traits, input, output]: Operation): OperationRow {
  const { http, ...rest } = traitsOf(traits);
  requireKnown(name, rest, ['endpoint']);
  const names = [structureName(input), structureName(output)] as const;
  return http === undefined ? names : [...names, ...(http as [HttpMethod, string, number])];
}

const structureName = (ref: Ref): string =>
  deref(ref) === 'unit' ? '' : String((deref(ref) as Structure)[2]);

function errorRow(schema: Structure): ErrorRow {
  const { httpError, awsQueryError, error, ...rest } = traitsOf(schema[3]);
  requireKnown(schema[2], rest);
  const status = (httpError ?? (error === 'server' ? 500 : 400)) as number;
  const query = awsQueryError as readonly [string, number] | undefined;
  return { status, ...(query === undefined ? {} : { queryCode: query[0] }), ...structureRow(schema) };
}

function structureRow([, , name, , members, types, required]: Structure): StructureRow {
  const rows = members.map(
    (member, index) => [member, memberRow(`${name}.${member}`, types[index])] as const,
  );
  return { ...(required ? { required } : {}), members: Object.fromEntries(rows) };
}

function memberRow(path: string, ref: Ref): MemberRow {
  const { schema, traits } = unwrap(ref);
  const { httpLabel, httpQuery, httpHeader, httpPayload, httpResponseCode, ...rest } = traits;
  const { jsonName, eventPayload, idempotencyToken, ...others } = rest;
  requireKnown(path, others);
  const isEvents = Array.isArray(schema) && schema[0] === 4 && traitsOf(schema[3])['streaming'] === 1;
  const binding: Binding = {
    ...(httpLabel ? { label: true } : {}),
    ...(httpQuery === undefined ? {} : { query: String(httpQuery) }),
    ...(httpHeader === undefined ? {} : { header: String(httpHeader) }),
    ...(httpPayload ? { payload: true } : {}),
    ...(httpResponseCode ? { status: true } : {}),
    ...(jsonName === undefined ? {} : { jsonName: String(jsonName) }),
    ...(isEvents ? { eventStream: true } : {}),
    ...(eventPayload ? { eventPayload: true } : {}),
    ...(idempotencyToken ? { idempotencyToken: true } : {}),
  };
  const type = typeOf(path, schema);
  return Object.keys(binding).length === 0 ? type : [type, binding];
}

function typeOf(path: string, ref: Ref): string {
  const { schema } = unwrap(ref);
  if (typeof schema === 'number') {
    const simple = SIMPLE[schema & (LIST - 1)];
    if (simple !== undefined) {
      if (schema < LIST) return simple;
      return schema < MAP ? `list:${simple}` : `map:${simple}`;
    }
  }
  if (Array.isArray(schema)) {
    const [kind, , name] = schema;
    if (kind === 0) return typeOf(path, schema[4]);
    if (kind === 1) return `list:${typeOf(path, schema[4])}`;
    if (kind === 2) return `map:${typeOf(path, schema[5])}`;
    if (kind === 3 || kind === 4 || kind === -3) return String(name);
  }
  throw new Error(`${path}: ${JSON.stringify(schema)} is no type that is known here`);
}

/** A schema and the traits of the members that stand for it. */
function unwrap(ref: Ref): { schema: unknown; traits: Record<string, unknown> } {
  let schema = deref(ref);
  let traits: Record<string, unknown> = {};
  while (Array.isArray(schema) && schema.length === 2) {
    traits = { ...traitsOf(schema[1] as Traits), ...traits };
    schema = deref(schema[0]);
  }
  // A simple shape with traits of its own.
  if (Array.isArray(schema) && schema[0] === 0) traits = { ...traitsOf(schema[3] as Traits), ...traits };
  return { schema, traits };
}

const deref = (ref: Ref): unknown => (typeof ref === 'function' ? ref() : ref);

function traitsOf(traits: Traits): Record<string, unknown> {
  if (typeof traits === 'object') return { ...traits };
  return Object.fromEntries(BITS.filter((_, bit) => (traits >> bit) & 1).map((name) => [name, 1]));
}

/** @throws Error for a trait that might change the wire format and is not handled */
function requireKnown(name: string, traits: object, also: readonly string[] = []): void {
  const unknown = Object.keys(traits).filter((trait) => !WITHOUT_MEANING.has(trait) && !also.includes(trait));
  if (unknown.length > 0) throw new Error(`${name}: the trait ${unknown.join(', ')} is not known here`);
}
