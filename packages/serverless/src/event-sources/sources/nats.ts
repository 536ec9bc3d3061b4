import type { ConsumerMessages, JsMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { AsyncQueue, type Clock, isSlipwayError, SlipwayError } from '@slipway/base';
import type { StartingPosition } from '../mapping.ts';
import type { EventSource, SourceItem } from '../source.ts';
import { dataMembers, withoutPassword } from './server.ts';
import { takeReady } from './take-ready.ts';

export interface NatsSourceOptions {
  readonly endpoints: readonly string[];
  /** A subject, with wildcards as NATS has them, that a JetStream stream holds. */
  readonly topic: string;
  /** The durable consumer, which remembers what was acknowledged. */
  readonly consumerGroup: string;
  readonly from: StartingPosition;
  /** Messages that may be in our hands. */
  readonly maxPending: number;
  readonly clock: Clock;
}

const ACK_WAIT_SECONDS = 60;
const MAX_PENDING = 100_000;
/** Names of durable consumers have none of `.`, `*`, `>` and blanks. */
const durableName = (group: string) => group.replaceAll(/[^\w-]/g, '_');

/**
 * The messages of a JetStream stream, through a durable consumer that acknowledges one by one.
 * @throws NotFound when no stream holds the subject
 * @see https://docs.nats.io/nats-concepts/jetstream/consumers
 */
export async function natsSource(options: NatsSourceOptions): Promise<EventSource> {
  const [{ connect, nanos }, { AckPolicy, DeliverPolicy, jetstream, jetstreamManager }] = await Promise.all([
    import('@nats-io/transport-node'),
    import('@nats-io/jetstream'),
  ]);
  const urls = options.endpoints.map((endpoint) => new URL(endpoint));
  const [first] = urls;
  const connection = await connect({
    servers: urls.map((url) => url.host),
    ...(first !== undefined &&
      first.username !== '' && {
        user: decodeURIComponent(first.username),
        pass: decodeURIComponent(first.password),
      }),
    name: 'slipway',
    ...(first?.protocol === 'tls:' && { tls: {} }),
    timeout: 5_000,
    // The runner opens the source again.
    reconnect: false,
  });
  try {
    const manager = await jetstreamManager(connection);
    const stream = await manager.streams.find(options.topic).catch((cause: unknown) => {
      throw new SlipwayError(
        'NotFound',
        `no JetStream stream of ${first?.host} holds the subject ${options.topic}`,
        {
          cause,
        },
      );
    });
    const name = durableName(options.consumerGroup);
    const config = {
      filter_subject: options.topic,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(ACK_WAIT_SECONDS * 1000),
      max_ack_pending: options.maxPending,
      max_deliver: -1,
    };
    // One that is there keeps its place.
    const known = await manager.consumers.info(stream, name).then(
      () => true,
      () => false,
    );
    if (known) {
      await manager.consumers.update(stream, name, config);
    } else {
      const deliver_policy = options.from === 'LATEST' ? DeliverPolicy.New : DeliverPolicy.All;
      await manager.consumers.add(stream, { ...config, durable_name: name, deliver_policy });
    }
    const consumer = await jetstream(connection).consumers.get(stream, name);
    const messages = await consumer.consume({ max_messages: options.maxPending });
    return new NatsSource(connection, messages, stream, options.clock);
  } catch (error) {
    await connection.close();
    if (isSlipwayError(error)) throw error;
    throw new SlipwayError(
      'Unavailable',
      `NATS at ${options.endpoints.map(withoutPassword)} does not answer as asked`,
      {
        cause: error,
      },
    );
  }
}

/**
 * The server gives out no more than `max_ack_pending`, so that all of it is held here, and kept from being given out again for
 * as long as the connection stands.
 */
class NatsSource implements EventSource {
  readonly redelivers = false;
  readonly #connection: NatsConnection;
  readonly #messages: ConsumerMessages;
  readonly #held = new Map<SourceItem, JsMsg>();
  readonly #waiting = new AsyncQueue<SourceItem>({ capacity: MAX_PENDING, onOverflow: 'fail' });
  readonly #heartbeat: Disposable;
  readonly receive: EventSource['receive'];

  constructor(connection: NatsConnection, messages: ConsumerMessages, stream: string, clock: Clock) {
    this.#connection = connection;
    this.#messages = messages;
    this.receive = takeReady(this.#waiting, clock);
    this.#heartbeat = clock.interval((ACK_WAIT_SECONDS * 1000) / 3, () => {
      for (const message of this.#held.values()) message.working();
    });
    void this.#read(stream);
  }

  async acknowledge(items: readonly SourceItem[]): Promise<void> {
    await Promise.all(this.#take(items).map((message) => message.ackAck()));
  }

  async keep(): Promise<void> {}

  async release(items: readonly SourceItem[]): Promise<void> {
    for (const message of this.#take(items)) message.nak();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#heartbeat[Symbol.dispose]();
    await this.release([...this.#held.keys()]);
    await this.#messages.close();
    await this.#connection.close();
  }

  #take(items: readonly SourceItem[]): JsMsg[] {
    return items.flatMap((item) => {
      const message = this.#held.get(item);
      this.#held.delete(item);
      return message === undefined ? [] : [message];
    });
  }

  async #read(stream: string): Promise<void> {
    try {
      for await (const message of this.#messages) {
        const item = toItem(message, stream);
        this.#held.set(item, message);
        this.#waiting.push(item);
      }
      this.#waiting.end();
    } catch (error) {
      this.#waiting.end(error);
    }
  }
}

function toItem(message: JsMsg, stream: string): SourceItem {
  const headers = [...(message.headers ?? [])].map(([name, values]) => [name, values.join(',')] as const);
  return {
    id: `${stream}:${message.seq}`,
    sizeBytes: message.data.byteLength * 2 + 1024,
    record: {
      eventSource: 'slipway:nats',
      stream,
      subject: message.subject,
      sequence: message.seq,
      timestamp: new Date(message.info.timestampNanos / 1e6).toISOString(),
      headers: Object.fromEntries(headers),
      ...dataMembers(message.data),
    },
  };
}
