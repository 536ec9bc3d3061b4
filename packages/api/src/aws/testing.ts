import { createRequire } from 'node:module';
import { Readable } from 'node:stream';
import { AwsCodec, type WireResponse } from './codec.ts';
import type { SERVICES } from './generate.ts';
import { AWS_SERVICES } from './services.ts';

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

/** As plain data, to be compared: bytes in base64, without what is undefined or the client's own. */
export function comparable(value: unknown): unknown {
  if (value instanceof Uint8Array) return { base64: Buffer.from(value).toString('base64') };
  if (value instanceof Date) return { at: value.getTime() };
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([name, item]) => name !== '$metadata' && item !== undefined);
  return Object.fromEntries(entries.map(([name, item]) => [name, comparable(item)]));
}
