import { AsyncQueue, type Clock, errorMessage, type Random, SlipwayError } from '@slipway/base';
import type { EventSource, SourceItem } from '../source.ts';
import { withoutPassword } from './server.ts';
import { takeReady } from './take-ready.ts';

export interface PostgresqlSourceOptions {
  /** `postgres://user:password@host:port/database` */
  readonly endpoint: string;
  /** The channel. */
  readonly topic: string;
  readonly clock: Clock;
  readonly random: Random;
}

/** Notifications that may wait here before the connection is given up. */
const MAX_WAITING = 10_000;

/**
 * The notifications of a channel. PostgreSQL keeps none for a listener that is away: what is notified before the source is
 * open, or while it is not, is nobody's.
 * @see https://www.postgresql.org/docs/current/sql-notify.html
 */
export async function postgresqlSource(options: PostgresqlSourceOptions): Promise<EventSource> {
  const { default: pg } = await import('pg');
  const { endpoint, topic, clock, random } = options;
  const client = new pg.Client({
    connectionString: endpoint,
    application_name: 'slipway',
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
  });
  const waiting = new AsyncQueue<SourceItem>({ capacity: MAX_WAITING, onOverflow: 'fail' });
  client.on('error', (error) => waiting.end(error));
  client.on('end', () => waiting.end());
  client.on('notification', ({ channel, payload = '', processId }) => {
    const record = {
      eventSource: 'slipway:postgresql',
      channel,
      processId,
      timestamp: new Date(clock.nowMs()).toISOString(),
      data: payload,
      isBase64Encoded: false,
    };
    waiting.push({ id: random.hex(16), record, sizeBytes: payload.length * 2 + 512 });
  });
  try {
    await client.connect();
    await client.query(`LISTEN ${client.escapeIdentifier(topic)}`);
  } catch (cause) {
    await client.end().catch(() => {});
    throw new SlipwayError(
      'Unavailable',
      `PostgreSQL at ${withoutPassword(endpoint)} does not answer as asked: ${errorMessage(cause)}`,
      { cause },
    );
  }
  return {
    redelivers: false,
    receive: takeReady(waiting, clock),
    acknowledge: async () => {},
    keep: async () => {},
    release: async () => {},
    [Symbol.asyncDispose]: async () => {
      await client.end();
    },
  };
}
