import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { type Clock, errorMessage, type Logger } from '@slipway/base';
import { readBody, sendError } from './replies.ts';

const MAX_BODY_BYTES = 256 * 1024;
const TYPES = ['platform', 'function', 'extension'] as const;
/** Records of a subscriber that does not take them, at most, each. */
const MAX_WAITING = 10_000;
const DEFAULTS = { maxItems: 1_000, maxBytes: 256 * 1024, timeoutMs: 1_000 };

export type TelemetryType = (typeof TYPES)[number];

/** A record as subscribers get it. */
export interface TelemetryRecord {
  /** RFC 3339. */
  readonly time: string;
  /** `function`, `extension`, or of the platform: `platform.start`, … */
  readonly type: string;
  readonly record: unknown;
}

interface Destination {
  readonly protocol: 'HTTP' | 'TCP';
  readonly port: number;
  readonly path: string;
}

export interface TelemetryOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** A connection into the sandbox. */
  readonly connect: (port: number) => Promise<Duplex>;
}

/**
 * Who in an environment is told of its logs and of what the platform does.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api-reference.html
 */
export class TelemetrySubscriptions implements Disposable {
  readonly #options: TelemetryOptions;
  readonly #subscribers: Subscriber[] = [];

  constructor(options: TelemetryOptions) {
    this.#options = options;
  }

  /** Whether making a record is worth it. */
  get isWanted(): boolean {
    return this.#subscribers.length > 0;
  }

  publish(record: TelemetryRecord): void {
    for (const subscriber of this.#subscribers) subscriber.add(record);
  }

  /** Resolves when what waits was sent, or could not be. */
  async flush(): Promise<void> {
    await Promise.all(this.#subscribers.map((subscriber) => subscriber.flush()));
  }

  /** `PUT /2022-07-01/telemetry`, and the older `PUT /2020-08-15/logs`, whose bodies agree in what is read here. */
  async subscribe(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request, MAX_BODY_BYTES);
    const parsed = parseSubscription(body);
    if (typeof parsed === 'string') return sendError(response, 400, 'ValidationError', parsed);
    this.#subscribers.push(new Subscriber(parsed, this.#options));
    response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': 2 });
    response.end('OK');
  }

  [Symbol.dispose](): void {
    for (const subscriber of this.#subscribers) subscriber[Symbol.dispose]();
  }
}

interface Subscription {
  readonly types: ReadonlySet<string>;
  readonly destination: Destination;
  readonly buffering: typeof DEFAULTS;
}

class Subscriber implements Disposable {
  readonly #subscription: Subscription;
  readonly #options: TelemetryOptions;
  #waiting: TelemetryRecord[] = [];
  #bytes = 0;
  #timer: Disposable | undefined;
  #sending: Promise<void> = Promise.resolve();
  #isDisposed = false;

  constructor(subscription: Subscription, options: TelemetryOptions) {
    this.#subscription = subscription;
    this.#options = options;
  }

  add(record: TelemetryRecord): void {
    const kind = record.type.split('.', 1)[0] as string;
    if (this.#isDisposed || !this.#subscription.types.has(kind)) return;
    const { maxItems, maxBytes, timeoutMs } = this.#subscription.buffering;
    if (this.#waiting.length >= MAX_WAITING) this.#waiting.shift();
    this.#waiting.push(record);
    this.#bytes += JSON.stringify(record).length;
    if (this.#waiting.length >= maxItems || this.#bytes >= maxBytes) void this.flush();
    else this.#timer ??= this.#options.clock.timer(timeoutMs, () => void this.flush());
  }

  async flush(): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    const records = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    if (records.length > 0) this.#sending = this.#sending.then(() => this.#deliver(records));
    await this.#sending;
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#timer?.[Symbol.dispose]();
  }

  async #deliver(records: readonly TelemetryRecord[]): Promise<void> {
    const { destination } = this.#subscription;
    try {
      const connection = await this.#options.connect(destination.port);
      await send(connection, destination, records);
    } catch (error) {
      this.#options.logger.debug(
        { error: errorMessage(error), port: destination.port },
        'telemetry was not taken',
      );
    }
  }
}

async function send(
  connection: Duplex,
  { protocol, path, port }: Destination,
  records: readonly TelemetryRecord[],
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  connection.on('error', reject);
  connection.on('close', () => resolve());
  if (protocol === 'TCP') {
    connection.end(records.map((record) => `${JSON.stringify(record)}\n`).join(''));
    connection.resume();
  } else {
    const body = Buffer.from(JSON.stringify(records));
    connection.write(
      `POST ${path} HTTP/1.1\r\nHost: sandbox.localdomain:${port}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`,
    );
    connection.write(body);
    // The answer says nothing; that there is one says that it was taken.
    connection.once('data', () => connection.destroy());
  }
  await promise;
}

function parseSubscription(body: Buffer | undefined): Subscription | string {
  let parsed: {
    types?: unknown;
    destination?: { protocol?: unknown; URI?: unknown; port?: unknown };
    buffering?: Partial<Record<keyof typeof DEFAULTS, unknown>>;
  };
  try {
    parsed = JSON.parse(body?.toString() ?? '');
  } catch {
    return 'the body is not JSON';
  }
  const types = Array.isArray(parsed.types) ? parsed.types : [];
  if (types.length === 0 || !types.every((type) => (TYPES as readonly unknown[]).includes(type))) {
    return `types must be some of ${TYPES.join(', ')}`;
  }
  const destination = parseDestination(parsed.destination);
  if (typeof destination === 'string') return destination;
  const number = (name: keyof typeof DEFAULTS) => Number(parsed.buffering?.[name] ?? DEFAULTS[name]);
  return {
    types: new Set(types as string[]),
    destination,
    buffering: { maxItems: number('maxItems'), maxBytes: number('maxBytes'), timeoutMs: number('timeoutMs') },
  };
}

function parseDestination(
  given: { protocol?: unknown; URI?: unknown; port?: unknown } | undefined,
): Destination | string {
  if (given?.protocol === 'TCP') {
    const port = Number(given.port);
    return port > 0 && port < 65_536 ? { protocol: 'TCP', port, path: '' } : 'destination.port is not a port';
  }
  if (given?.protocol !== 'HTTP') return 'destination.protocol must be HTTP or TCP';
  const url = URL.parse(String(given.URI));
  if (url === null || !['sandbox', 'sandbox.localdomain'].includes(url.hostname)) {
    return 'destination.URI must be http://sandbox.localdomain:PORT';
  }
  return { protocol: 'HTTP', port: Number(url.port || 80), path: `${url.pathname}${url.search}` };
}
