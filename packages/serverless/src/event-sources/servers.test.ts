import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { createClient } from '@redis/client';
import { systemClock } from '@slipway/base';
import pg from 'pg';
import { testCall } from '../queues/testing.ts';
import { openTestSources } from './testing.ts';

const NATS = '/usr/sbin/nats-server';
const REDIS = '/usr/bin/redis-server';
const POSTGRES = '/usr/lib/postgresql/15/bin';

/** Runs a server for one test, as a user of its own where it wants one. */
async function serve(
  t: TestContext,
  command: string,
  args: readonly string[],
  options: { uid?: number } = {},
) {
  const start = () => spawn(command, args, { stdio: 'ignore', ...options });
  let child: ChildProcess = start();
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  t.after(stop);
  return {
    restart: async () => {
      await stop();
      child = start();
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'slipway-server-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function eventually<T>(
  what: () => Promise<T> | T,
  isRight: (value: T) => boolean = Boolean,
): Promise<T> {
  for (let turn = 0; ; turn++) {
    try {
      const value = await what();
      if (isRight(value)) return value;
      if (turn > 100) assert.fail(`still ${JSON.stringify(value)}`);
    } catch (error) {
      if (turn > 100) throw error;
    }
    await sleep(100);
  }
}

interface ServerRecord {
  readonly eventSource: string;
  readonly data: unknown;
}
const recordsOf = (runs: ReadonlyArray<{ readonly event: unknown }>): ServerRecord[] =>
  runs.flatMap(({ event }) => (event as { Records: ServerRecord[] }).Records);

/** Fails the first time with what says so. */
const failsOnce = () => {
  let failures = 0;
  return (event: unknown) => {
    if (JSON.stringify(event).includes('bad') && failures++ === 0) throw new Error('not now');
  };
};

test('NATS: messages of a stream come, are retried, and come again after the server was away', {
  skip: !existsSync(NATS),
}, async (t) => {
  const port = await freePort();
  const server = await serve(t, NATS, ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', folder(t)]);
  const url = `127.0.0.1:${port}`;
  const publish = async (...texts: string[]) => {
    const connection = await connect({ servers: url });
    for (const text of texts) await jetstream(connection).publish('orders.new', text);
    await connection.close();
  };
  await eventually(async () => {
    const connection = await connect({ servers: url });
    await (await jetstreamManager(connection)).streams.add({ name: 'ORDERS', subjects: ['orders.>'] });
    await connection.close();
    return true;
  });
  await publish('first');
  await using world = openTestSources({ work: { run: failsOnce() } }, systemClock);
  const { UUID, SelfManagedEventSource } = await world.call('CreateEventSourceMapping', {
    FunctionName: 'work',
    SelfManagedEventSource: { Endpoints: { NATS_SERVERS: [`nats://me:secret@${url}`] } },
    Topics: ['orders.>'],
    StartingPosition: 'TRIM_HORIZON',
  });
  assert.deepEqual(SelfManagedEventSource, { Endpoints: { NATS_SERVERS: [`nats://me:***@${url}`] } });
  await eventually(() => recordsOf(world.runs).length === 1);
  assert.deepEqual(recordsOf(world.runs)[0], {
    ...recordsOf(world.runs)[0],
    eventSource: 'slipway:nats',
    stream: 'ORDERS',
    subject: 'orders.new',
    sequence: 1,
    data: 'first',
    isBase64Encoded: false,
  });
  await publish('bad');
  await eventually(() => recordsOf(world.runs).length === 3);
  await server.restart();
  await eventually(() => publish('after').then(() => true));
  await eventually(() => recordsOf(world.runs).some(({ data }) => data === 'after'));
  await world.restart();
  await publish('last');
  await eventually(() => recordsOf(world.runs).at(-1)?.data === 'last');
  // A server that was killed may have forgotten acknowledgements: then it gives messages again.
  const seen = new Set(recordsOf(world.runs).map(({ data }) => data));
  assert.deepEqual([...seen].sort(), ['after', 'bad', 'first', 'last']);
  assert.equal((await world.call('GetEventSourceMapping', { UUID })).LastProcessingResult, 'OK');
});

test('Redis: entries of a stream come, and go to the destination when they fail for good', {
  skip: !existsSync(REDIS),
}, async (t) => {
  const port = await freePort();
  await serve(t, REDIS, ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder(t), '--save', '']);
  const url = `redis://127.0.0.1:${port}`;
  const client = createClient({ url });
  client.on('error', () => {});
  await client.connect();
  t.after(() => client.destroy());
  await using world = openTestSources(
    {
      work: {
        run: (event) => {
          if (JSON.stringify(event).includes('bad')) throw new Error('never');
        },
      },
    },
    systemClock,
  );
  world.queues.create('failed', {}, {}, testCall());
  await client.xAdd('orders', '*', { kind: 'early', total: '1' });
  const { UUID } = await world.call('CreateEventSourceMapping', {
    FunctionName: 'work',
    SelfManagedEventSource: { Endpoints: { REDIS_SERVERS: [url] } },
    Topics: ['orders'],
    StartingPosition: 'TRIM_HORIZON',
    MaximumRetryAttempts: 1,
    DestinationConfig: { OnFailure: { Destination: world.queues.get('failed').arn } },
    FilterCriteria: { Filters: [{ Pattern: '{"data":{"kind":[{"anything-but":"other"}]}}' }] },
  });
  await eventually(() => recordsOf(world.runs).length === 1);
  assert.deepEqual(recordsOf(world.runs)[0]?.data, { kind: 'early', total: '1' });
  await client.xAdd('orders', '*', { kind: 'other' });
  await client.xAdd('orders', '*', { kind: 'bad' });
  await eventually(() => world.queues.counts('failed').visible === 1);
  assert.equal(world.runs.length, 3);
  const [message] = await world.queues.receive('failed', {
    maxMessages: 1,
    signal: new AbortController().signal,
  });
  const record = JSON.parse(message?.body ?? '');
  assert.equal(record.requestContext.condition, 'RetryAttemptsExhausted');
  assert.deepEqual(record.payload.Records[0].data, { kind: 'bad' });
  await eventually(async () => (await client.xPending('orders', UUID)).pending === 0);
});

test('PostgreSQL: notifications of a channel come', {
  skip: !existsSync(POSTGRES) || process.getuid?.() !== 0,
}, async (t) => {
  const port = await freePort();
  const data = folder(t);
  const uid = Number(execFileSync('id', ['-u', 'postgres']).toString());
  chownSync(data, uid, uid);
  execFileSync(`${POSTGRES}/initdb`, ['-D', join(data, 'db'), '-U', 'me', '-A', 'trust', '--no-sync'], {
    uid,
    cwd: data,
    stdio: 'ignore',
  });
  await serve(
    t,
    `${POSTGRES}/postgres`,
    ['-D', join(data, 'db'), '-h', '127.0.0.1', '-p', String(port), '-k', data, '-c', 'fsync=off'],
    { uid },
  );
  const url = `postgres://me@127.0.0.1:${port}/postgres`;
  const client = await eventually(async () => {
    const attempt = new pg.Client({ connectionString: url });
    await attempt.connect();
    return attempt;
  });
  client.on('error', () => {});
  await using world = openTestSources({ work: {} }, systemClock);
  await world.call('CreateEventSourceMapping', {
    FunctionName: 'work',
    SelfManagedEventSource: { Endpoints: { POSTGRESQL_SERVERS: [url] } },
    Topics: ['order changes'],
  });
  await eventually(async () => {
    await client.query(`SELECT pg_notify('order changes', '{"id":1}')`);
    return world.runs.length > 0;
  });
  await client.end();
  assert.equal(recordsOf(world.runs)[0]?.eventSource, 'slipway:postgresql');
  assert.equal(recordsOf(world.runs)[0]?.data, '{"id":1}');
});
