import { isUtf8 } from 'node:buffer';
import { type Clock, errorMessage, SlipwayError } from '@slipway/base';
import type { StartingPosition } from '../mapping.ts';
import type { EventSource, SourceItem } from '../source.ts';
import { withoutPassword } from './server.ts';

export interface RedisSourceOptions {
  /** `redis://user:password@host:port/database` */
  readonly endpoint: string;
  /** The stream's key. */
  readonly topic: string;
  readonly consumerGroup: string;
  /** The consumer in the group: what it was given and did not acknowledge is its own after a crash. */
  readonly consumer: string;
  readonly from: StartingPosition;
  readonly clock: Clock;
}

/** A server that says nothing for so long after it should have answered is gone. */
const SILENCE_MS = 10_000;

/**
 * The entries of a stream, through a consumer group.
 * @see https://redis.io/docs/latest/develop/data-types/streams/#consumer-groups
 */
export async function redisSource(options: RedisSourceOptions): Promise<EventSource> {
  const { createClient, RESP_TYPES } = await import('@redis/client');
  const { topic, consumerGroup, consumer } = options;
  // The runner opens the source again.
  const settings = {
    url: options.endpoint,
    socket: { reconnectStrategy: false, connectTimeout: 5_000 },
  } as const;
  const client = createClient(settings);
  // A read that waits holds its connection; acknowledgements need another.
  const reader = createClient(settings).withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  // What waits for the connection hears of it.
  for (const each of [client, reader]) each.on('error', () => {});
  const close = () => {
    for (const each of [client, reader]) if (each.isOpen) each.destroy();
  };
  try {
    await Promise.all([client.connect(), reader.connect()]);
    await client
      .xGroupCreate(topic, consumerGroup, options.from === 'LATEST' ? '$' : '0', { MKSTREAM: true })
      .catch((error: unknown) => {
        if (!errorMessage(error).startsWith('BUSYGROUP')) throw error;
      });
  } catch (cause) {
    close();
    throw new SlipwayError(
      'Unavailable',
      `Redis at ${withoutPassword(options.endpoint)} does not answer as asked: ${errorMessage(cause)}`,
      { cause },
    );
  }
  /** Our own entries from before, then new ones. */
  let after = '0';
  const read = async (max: number, waitMs: number): Promise<readonly SourceItem[]> => {
    const isNew = after === '>';
    const answer = (await reader.xReadGroup(
      consumerGroup,
      consumer,
      { key: topic, id: after },
      { COUNT: max, ...(isNew && { BLOCK: Math.max(1, Math.ceil(waitMs)) }) },
    )) as unknown as ReadonlyArray<{ readonly messages: readonly Entry[] }> | null;
    const entries = answer?.[0]?.messages ?? [];
    if (!isNew) after = entries.at(-1)?.id.toString() ?? '>';
    // One that was deleted meanwhile has an id and nothing else.
    return entries.filter(({ message }) => message !== null).map((entry) => toItem(entry, topic));
  };
  return {
    redelivers: false,
    receive: async ({ max, waitMs, signal }) => {
      using _guard = options.clock.timer(waitMs + SILENCE_MS, close);
      const stop = () => reader.destroy();
      signal.addEventListener('abort', stop, { once: true });
      try {
        if (after !== '>') {
          const own = await read(max, 0);
          if (own.length > 0) return own;
        }
        return await read(max, waitMs);
      } catch (error) {
        if (signal.aborted) return [];
        throw error;
      } finally {
        signal.removeEventListener('abort', stop);
      }
    },
    acknowledge: async (items) => {
      await client.xAck(
        topic,
        consumerGroup,
        items.map(({ id }) => id),
      );
    },
    keep: async () => {},
    // They stay the consumer's own, and are read again when it is opened.
    release: async () => {},
    [Symbol.asyncDispose]: async () => close(),
  };
}

interface Entry {
  readonly id: Buffer;
  readonly message: Readonly<Record<string, Buffer>> | null;
}

function toItem({ id, message }: Entry, stream: string): SourceItem {
  const fields = Object.entries(message ?? {});
  // A field that is no text makes all of them base64.
  const isText = fields.every(([, value]) => isUtf8(value));
  const data = fields.map(([name, value]) => [name, value.toString(isText ? 'utf8' : 'base64')] as const);
  return {
    id: id.toString(),
    sizeBytes: fields.reduce((sum, [name, value]) => sum + name.length + value.length * 2, 1024),
    record: {
      eventSource: 'slipway:redis',
      stream,
      id: id.toString(),
      timestamp: new Date(Number(id.toString().split('-')[0])).toISOString(),
      data: Object.fromEntries(data),
      isBase64Encoded: !isText,
    },
  };
}
