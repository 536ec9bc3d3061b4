import { createRequire } from 'node:module';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { AwsCodec, type WireResponse } from './codec.ts';
import type { SERVICES } from './generate.ts';
import { AWS_SERVICES } from './services.ts';
import { type Member, splitType, ValueCodec } from './values.ts';

/** What AWS's client hands to its connection. */
interface SdkRequest {
  readonly path: string;
  readonly query: Readonly<Record<string, string | string[]>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

export type Values = Record<string, unknown>;

/** AWS's own client of a service, whose connection leads to our codec. */
export class Loop {
  readonly codec: AwsCodec;
  readonly #module: Record<string, unknown>;
  readonly #client: { send(command: object): Promise<Values> };
  #take: (request: SdkRequest) => WireResponse = () => ({ status: 500, headers: {}, body: undefined });

  constructor({ name, client, className }: (typeof SERVICES)[number]) {
    this.codec = new AwsCodec(AWS_SERVICES[name]);
    this.#module = createRequire(import.meta.url)(client) as Record<string, unknown>;
    const Client = this.#module[className] as new (
      options: object,
    ) => { send(command: object): Promise<Values> };
    this.#client = new Client({
      region: 'eu-central-1',
      endpoint: 'http://localhost:4566',
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
      maxAttempts: 1,
      md5: false,
      useQueueUrlAsEndpoint: false,
      requestHandler: { handle: async (request: SdkRequest) => ({ response: this.#respond(request) }) },
    });
  }

  /** Sends with AWS's client: what our codec read of it, and what the client made of our reply. */
  async exchange(
    operation: string,
    input: Values,
    reply: WireResponse,
  ): Promise<{ readonly decoded: Values; readonly answer: Values }> {
    const row = this.codec.service.table.operations[operation];
    let decoded: Values = {};
    this.#take = ({ path, query, headers, body = '' }) => {
      decoded = this.codec.decodeInput(operation, {
        labels: labelsOf(row?.[3] ?? '', path),
        query: queryOf(query),
        headers: lowerCased(headers),
        body: typeof body === 'string' ? Buffer.from(body) : body,
      });
      return reply;
    };
    const Command = this.#module[`${operation}Command`] as new (input: Values) => object;
    const answer = await this.#client.send(new Command(input));
    return { decoded, answer };
  }

  #respond(request: SdkRequest): object {
    const { status, headers, body } = this.#take(request);
    const readable =
      body === undefined ? Readable.from([]) : Readable.from(body instanceof Uint8Array ? [body] : body);
    return { statusCode: status, headers: lowerCased(headers), body: readable };
  }
}

const lowerCased = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

function labelsOf(uri: string, path: string): Record<string, string> {
  const pattern = (uri.split('?')[0] ?? '').replace(/\{(\w+)\}/g, '(?<$1>[^/]+)');
  const groups = new RegExp(`^${pattern}/?$`).exec(path)?.groups ?? {};
  return Object.fromEntries(Object.entries(groups).map(([name, text]) => [name, decodeURIComponent(text)]));
}

function queryOf(query: SdkRequest['query']): URLSearchParams {
  const pairs = Object.entries(query).flatMap(([name, values]) =>
    [values].flat().map((value) => [name, value] as [string, string]),
  );
  return new URLSearchParams(pairs);
}

const DEEPEST = 3;
/** What may stand in a path, a query and a header. */
const word = fc.stringMatching(/^[A-Za-z0-9$:_./-]{1,20}$/);
const key = fc.stringMatching(/^[a-zA-Z][\w.-]{0,10}$/);
const SIMPLE: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  string: fc.string({ unit: 'grapheme', maxLength: 20 }),
  number: fc.integer(),
  boolean: fc.boolean(),
  blob: fc.uint8Array({ minLength: 1, maxLength: 50 }),
  stream: fc.uint8Array({ minLength: 1, maxLength: 50 }),
  timestamp: fc.date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true }),
};

/** Values of a structure, as the SDK's types have them. An event stream is a list of its events. */
export class ValuesOf {
  readonly #codec: ValueCodec;
  readonly #isError: (name: string) => boolean;

  constructor({ service }: AwsCodec) {
    this.#codec = new ValueCodec(service.table, service.missing);
    this.#isError = (name) => name in service.table.errors;
  }

  structure(name: string, depth = 0): fc.Arbitrary<Values> {
    if (name === '') return fc.constant({});
    const members = this.#codec.members(name);
    const shape = Object.fromEntries(members.map((member) => [member.name, this.#member(member, depth)]));
    const requiredKeys = members
      .filter(
        ({ isRequired, binding }) =>
          isRequired || binding.idempotencyToken || binding.eventStream || binding.eventPayload,
      )
      .map((member) => member.name);
    return fc.record(depth < DEEPEST ? shape : pick(shape, requiredKeys), { requiredKeys });
  }

  #member({ type, binding }: Member, depth: number): fc.Arbitrary<unknown> {
    if (binding.status) return fc.constant(202);
    if (binding.eventStream) return fc.array(this.#event(type), { maxLength: 4 });
    const isText = binding.label || binding.header !== undefined || binding.query !== undefined;
    if (isText && type === 'string') return word;
    if (isText && type === 'list:string') return fc.array(word, { minLength: 1, maxLength: 3 });
    return this.#value(type, depth);
  }

  #event(union: string): fc.Arbitrary<unknown> {
    const events = this.#codec.members(union).filter(({ type }) => !this.#isError(type));
    return fc.oneof(
      ...events.map(({ name, type }) => this.structure(type).map((value) => ({ [name]: value }))),
    );
  }

  #value(type: string, depth: number): fc.Arbitrary<unknown> {
    const [head, rest] = splitType(type);
    if (head === 'list') return fc.array(this.#value(rest, depth + 1), { maxLength: 2 });
    if (head === 'map') return fc.dictionary(key, this.#value(rest, depth + 1), { maxKeys: 2 });
    return SIMPLE[head] ?? fc.constant(null).chain(() => this.structure(type, depth + 1));
  }
}

const pick = <T>(record: Record<string, T>, keys: readonly string[]): Record<string, T> =>
  Object.fromEntries(Object.entries(record).filter(([name]) => keys.includes(name)));

/** As plain data, to be compared: bytes in base64, without what is undefined or the client's own. */
export function comparable(value: unknown): unknown {
  if (value instanceof Uint8Array) return { base64: Buffer.from(value).toString('base64') };
  if (value instanceof Date) return { at: value.getTime() };
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([name, item]) => name !== '$metadata' && item !== undefined);
  return Object.fromEntries(entries.map(([name, item]) => [name, comparable(item)]));
}
