/**
 * What `crash.test.ts` kills: accepts events as quickly as it can, while it runs what was accepted before.
 *
 * `node crash-child.ts DATABASE JOURNAL accept|drain`. The journal has a line for each step: `offered ID` before an event is
 * given to the queue, `accepted ID` or `refused ID` when it answered, `ran ID` when the function ran with it. Lines are
 * written to the file at once, so that what is in it happened, whenever the process is killed.
 */
import { randomInt, randomUUID } from 'node:crypto';
import { openSync, writeSync } from 'node:fs';
import { type Clock, silentLogger, systemClock, systemRandom } from '@slipway/base';
import { openDatabase } from '@slipway/store';
import { AsyncInvocations } from './service.ts';
import { testFunctions } from './testing.ts';

const [databasePath = '', journalPath = '', mode] = process.argv.slice(2);
const journal = openSync(journalPath, 'a');
const note = (line: string) => writeSync(journal, `${line}\n`);

/** Retries of minutes take tenths of a second. */
const SPEED = 600;
const hastened: Clock = {
  nowMs: () => systemClock.nowMs() * SPEED,
  nowNs: () => systemClock.nowNs() * BigInt(SPEED),
  monotonicMs: () => systemClock.monotonicMs() * SPEED,
  sleep: (ms, options) => systemClock.sleep(ms / SPEED, options),
  timer: (ms, run) => systemClock.timer(ms / SPEED, run),
  interval: (ms, run) => systemClock.interval(ms / SPEED, run),
};

const run = async (event: unknown) => {
  note(`ran ${String(event)}`);
  await systemClock.sleep(randomInt(4));
  if (randomInt(10) === 0) throw new TypeError('one of ten fails');
};
const { catalog, invoker } = testFunctions(
  {
    one: { run, config: { maxAgeSeconds: 1_000_000_000 } },
    two: { run, config: { maxAgeSeconds: 1_000_000_000 } },
  },
  () => 0,
);
const events = new AsyncInvocations({
  database: openDatabase(databasePath),
  catalog,
  queues: { send: () => Promise.reject(new Error('no queues here')) },
  clock: hastened,
  random: systemRandom,
  logger: silentLogger,
  limits: { maxEventsPerFunction: 12 },
});
events.start(invoker);
process.stdout.write('started\n');

async function offer(): Promise<void> {
  const id = randomUUID();
  note(`offered ${id}`);
  try {
    await events.accept({
      target: catalog.resolve(randomInt(2) === 0 ? 'one' : 'two'),
      requestId: id,
      payload: Buffer.from(JSON.stringify(id)),
    });
    note(`accepted ${id}`);
  } catch {
    note(`refused ${id}`);
    await systemClock.sleep(1);
  }
}

if (mode === 'accept') {
  const offering = async () => {
    for (;;) await offer();
  };
  await Promise.all(Array.from({ length: 8 }, offering));
}
while (events.backlog() > 0) await systemClock.sleep(5);
process.exit(0);
