import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hostPath, silentLogger, systemClock } from '@slipway/base';
import { openDatabase } from '@slipway/store';
import fc from 'fast-check';
import { AWS_PRICES, UsageService } from './index.ts';
import type { UsageEntry } from './ledger.ts';
import { add, NOTHING, totalsOf } from './totals.ts';

const DAY = Date.UTC(2026, 10, 28, 12);

const entry = (changes: Partial<UsageEntry> = {}): UsageEntry => ({
  atMs: DAY,
  requestId: 'r',
  functionName: 'hello',
  version: '$LATEST',
  durationMs: 99.2,
  billedMs: 100,
  memoryMb: 1024,
  maxMemoryUsedMb: 60,
  initMs: undefined,
  outcome: 'success',
  isProvisioned: false,
  ...changes,
});

function open(root: string): UsageService & AsyncDisposable {
  const database = openDatabase(join(root, 'usage.db'));
  const usage = new UsageService({
    database,
    root: hostPath(join(root, 'journal')),
    clock: systemClock,
    logger: silentLogger,
    settings: { prices: AWS_PRICES, journalDays: 2, journalMaxBytes: 1 << 20 },
  });
  const dispose = usage[Symbol.asyncDispose].bind(usage);
  return Object.assign(usage, {
    [Symbol.asyncDispose]: async () => {
      await dispose();
      database[Symbol.dispose]();
    },
  });
}

function folder(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), 'slipway-usage-'));
  t.after(() => rmSync(root, { recursive: true }));
  return root;
}

const whole = { from: '2026-11-01', to: '2026-11-30' };

test('billed time and memory become GB-seconds, and those become money', async (t) => {
  await using usage = open(folder(t));
  for (let count = 0; count < 10; count++) usage.record(entry());
  usage.record(entry({ memoryMb: 2048, billedMs: 1_000, initMs: 200, outcome: 'error' }));
  usage.record(entry({ outcome: 'throttle' }));
  const [row] = usage.query({ ...whole, by: ['function'] });
  assert.deepEqual(
    [
      row?.totals.invocations,
      row?.totals.errors,
      row?.totals.throttles,
      row?.totals.coldStarts,
      row?.totals.billedMs,
    ],
    [11, 1, 1, 1, 2_000],
  );
  // Ten times 0.1 GB-seconds, and once 2.
  assert.ok(Math.abs((row?.cost ?? 0) - (11 * 0.2e-6 + 3 * 0.0000166667)) < 1e-12, String(row?.cost));
});

test('what provisioned concurrency holds costs its own price, also when nothing runs', async (t) => {
  await using usage = open(folder(t));
  usage.recordProvisioned({ atMs: DAY, functionName: 'kept', version: '3', memoryMb: 1024, keptMs: 60_000 });
  const [row] = usage.query({ ...whole, by: ['version'] });
  assert.deepEqual([row?.functionName, row?.version, row?.totals.invocations], ['kept', '3', 0]);
  assert.ok(Math.abs((row?.cost ?? 0) - 60 * 0.0000041667) < 1e-12);
});

test('a function that does not run has no cost and no entry', async (t) => {
  await using usage = open(folder(t));
  assert.deepEqual(usage.query({ ...whole, by: ['function'] }), []);
});

test('totals are told by day, function and version, in the days that are asked for', async (t) => {
  await using usage = open(folder(t));
  usage.record(entry());
  usage.record(entry({ version: '1' }));
  usage.record(entry({ functionName: 'other', atMs: DAY + 86_400_000 }));
  const names = (by: ('day' | 'function' | 'version')[], days = whole) =>
    usage.query({ ...days, by }).map(({ day, functionName, version }) => `${day}|${functionName}|${version}`);
  assert.deepEqual(names(['function']), ['|hello|', '|other|']);
  assert.deepEqual(names(['version']), ['|hello|$LATEST', '|hello|1', '|other|$LATEST']);
  assert.deepEqual(names(['day']), ['2026-11-28||', '2026-11-29||']);
  assert.deepEqual(names(['day', 'function'], { from: '2026-11-29', to: '2026-11-29' }), [
    '2026-11-29|other|',
  ]);
  assert.deepEqual(names([]), ['||']);
});

test('every invocation is in the journal, across a restart and beside half a line', async (t) => {
  const root = folder(t);
  {
    await using usage = open(root);
    usage.record(entry({ requestId: 'one' }));
  }
  appendFileSync(join(root, 'journal/2026-11-28.jsonl'), '{"half');
  await using usage = open(root);
  const ids: string[] = [];
  for await (const { requestId } of usage.invocations('2026-11-28', '2026-11-28')) ids.push(requestId);
  assert.deepEqual(ids, ['one']);
  assert.equal(usage.query({ ...whole, by: [] })[0]?.totals.invocations, 1);
});

test('days past the bound leave the journal, not the totals', async (t) => {
  const root = folder(t);
  {
    await using usage = open(root);
    for (let day = 0; day < 4; day++)
      usage.record(entry({ atMs: DAY - day * 86_400_000, requestId: `d${day}` }));
  }
  await using usage = open(root);
  const ids: string[] = [];
  for await (const { requestId } of usage.invocations('2026-11-01', '2026-11-30')) ids.push(requestId);
  assert.deepEqual(ids, ['d1', 'd0']);
  assert.equal(usage.query({ ...whole, by: [] })[0]?.totals.invocations, 4);
});

test('adding up does not depend on the order', () => {
  const entries = fc.array(
    fc.record({
      billedMs: fc.integer({ min: 1, max: 900_000 }),
      memoryMb: fc.integer({ min: 128, max: 10_240 }),
      maxMemoryUsedMb: fc.integer({ min: 1, max: 10_240 }),
      isProvisioned: fc.boolean(),
      outcome: fc.constantFrom('success' as const, 'error' as const, 'timeout' as const, 'throttle' as const),
    }),
  );
  const sum = (all: readonly UsageEntry[]) => all.map(totalsOf).reduce(add, NOTHING);
  fc.assert(
    fc.property(entries, (all) => {
      const list = all.map((changes) => entry({ ...changes, durationMs: changes.billedMs }));
      assert.deepEqual(sum(list), sum(list.toReversed()));
    }),
  );
});
