import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Lane, type PoolLimits, plan } from './scaling.ts';

const LIMITS: PoolLimits = {
  maxEnvironments: 4,
  maxMemoryMb: 1024,
  maxOpening: 8,
  idleMs: 600_000,
  freezeMs: 50,
  fairMs: 100,
};

const lane = (key: string, fields: Partial<Lane> = {}): Lane => ({
  key,
  functionName: key,
  memoryMb: 128,
  isStale: false,
  waiting: 0,
  waitsSinceMs: fields.waiting === undefined ? undefined : 0,
  busy: 0,
  opening: 0,
  idle: [],
  provisioned: { wanted: 0, live: 0, retryAtMs: 0 },
  ...fields,
});

const idle = (id: string, sinceMs: number, isProvisioned = false, isFrozen = false) => ({
  id,
  sinceMs,
  isProvisioned,
  isFrozen,
});

const NOTHING = { count: 0, memoryMb: 0 };

const opened = (lanes: readonly Lane[], limits = LIMITS, nowMs = 0): string[] =>
  plan(lanes, NOTHING, limits, nowMs).decisions.flatMap((decision) =>
    decision.kind === 'open' ? [decision.lane] : [],
  );

describe('plan', () => {
  it('opens one environment for each invocation that nothing is being opened for', () => {
    assert.deepEqual(opened([lane('a', { waiting: 3, opening: 1 })]), ['a', 'a']);
  });

  it('opens no more at once than the host can start side by side', () => {
    assert.deepEqual(opened([lane('a', { waiting: 3 })], { ...LIMITS, maxOpening: 2 }), ['a', 'a']);
  });

  it('shares what is left between functions, whoever has the fewest first', () => {
    assert.deepEqual(opened([lane('a', { waiting: 9, busy: 1 }), lane('b', { waiting: 9 })]), [
      'b',
      'a',
      'b',
    ]);
  });

  it('keeps within the memory of the host', () => {
    assert.deepEqual(opened([lane('a', { waiting: 4, memoryMb: 400 })]), ['a', 'a']);
  });

  it('ends the idle environment that was used longest ago when there is no room', () => {
    const lanes = [
      lane('a', { idle: [idle('a1', 10, false, true), idle('a2', 30, false, true)] }),
      lane('b', { idle: [idle('b1', 20, false, true)], busy: 1 }),
      lane('c', { waiting: 1 }),
    ];
    assert.deepEqual(plan(lanes, NOTHING, LIMITS, 40).decisions, [
      { kind: 'close', lane: 'a', id: 'a1', why: 'room' },
    ]);
  });

  it('does not end more while what ends already makes room', () => {
    const lanes = [lane('a', { idle: [idle('a1', 10, false, true)], busy: 2 }), lane('c', { waiting: 1 })];
    assert.deepEqual(plan(lanes, { count: 1, memoryMb: 128 }, LIMITS, 40).decisions, []);
  });

  it('lets nobody take the memory that is gathered for a large function', () => {
    const lanes = [
      lane('big', { waiting: 1, memoryMb: 1000 }),
      lane('small', { waiting: 1, waitsSinceMs: 5, busy: 1 }),
    ];
    assert.deepEqual(opened(lanes), []);
  });

  it('never takes a provisioned environment to make room', () => {
    const provisioned = { wanted: 4, live: 4, retryAtMs: 0 };
    const idles = ['1', '2', '3', '4'].map((id) => idle(id, 0, true, true));
    const lanes = [lane('a', { idle: idles, provisioned }), lane('b', { waiting: 1 })];
    assert.deepEqual(plan(lanes, NOTHING, LIMITS, 1).decisions, []);
  });

  it('asks the function with the most environments to give one up for one that has none', () => {
    const lanes = [lane('a', { busy: 3, waiting: 5 }), lane('b', { busy: 1 }), lane('c', { waiting: 1 })];
    assert.deepEqual([...plan(lanes, NOTHING, LIMITS, 0).yields], [['a', 1]]);
  });

  it('moves the last environment only after some time, so that two functions do not fight for it', () => {
    const lanes = [lane('a', { busy: 1, waiting: 5 }), lane('c', { waiting: 1 })];
    const limits = { ...LIMITS, maxEnvironments: 1 };
    const early = plan(lanes, NOTHING, limits, 50);
    assert.deepEqual([early.yields.size, early.nextAtMs], [0, 100]);
    assert.deepEqual([...plan(lanes, NOTHING, limits, 100).yields], [['a', 1]]);
  });

  it('freezes what rests, ends what nobody used for long, and says when it must look again', () => {
    const lanes = [lane('a', { idle: [idle('old', 0, false, true), idle('new', 599_980)] })];
    assert.deepEqual(plan(lanes, NOTHING, LIMITS, 600_000), {
      decisions: [{ kind: 'close', lane: 'a', id: 'old', why: 'idle' }],
      yields: new Map(),
      nextAtMs: 600_030,
    });
    assert.deepEqual(plan(lanes, NOTHING, LIMITS, 600_030).decisions.at(-1), {
      kind: 'freeze',
      lane: 'a',
      id: 'new',
    });
  });

  it('keeps provisioned environments however long they are idle, and ends the surplus', () => {
    const lanes = [
      lane('a', {
        idle: [idle('1', 0, true, true), idle('2', 0, true, true)],
        provisioned: { wanted: 1, live: 2, retryAtMs: 0 },
      }),
    ];
    assert.deepEqual(plan(lanes, NOTHING, LIMITS, 9e9).decisions, [
      { kind: 'close', lane: 'a', id: '1', why: 'surplus' },
    ]);
  });

  it('ends all that is stale and idle', () => {
    const lanes = [lane('a', { isStale: true, idle: [idle('1', 0, true), idle('2', 0)] })];
    assert.deepEqual(
      plan(lanes, NOTHING, LIMITS, 0).decisions.map((decision) => 'why' in decision && decision.why),
      ['stale', 'stale'],
    );
  });

  it('tries a failed provisioning again only when its time has come', () => {
    const lanes = [lane('a', { provisioned: { wanted: 1, live: 0, retryAtMs: 5_000 } })];
    const early = plan(lanes, NOTHING, LIMITS, 0);
    assert.deepEqual([early.decisions, early.nextAtMs], [[], 5_000]);
    assert.deepEqual(plan(lanes, NOTHING, LIMITS, 5_000).decisions, [
      { kind: 'open', lane: 'a', isProvisioned: true },
    ]);
  });

  it('never goes above its limits, closes nothing twice and nothing that it did not have', () => {
    fc.assert(
      fc.property(arbitraryLanes, arbitraryLimits, fc.nat(700_000), (lanes, limits, nowMs) => {
        const { decisions, yields } = plan(lanes, NOTHING, limits, nowMs);
        const opens = decisions.filter(({ kind }) => kind === 'open');
        const memoryOf = (key: string) => lanes.find((one) => one.key === key)?.memoryMb ?? NaN;
        const live = lanes.reduce((sum, { busy, opening, idle }) => sum + busy + opening + idle.length, 0);
        const usedMb = lanes.reduce(
          (sum, { busy, opening, idle, memoryMb }) => sum + (busy + opening + idle.length) * memoryMb,
          0,
        );
        const opening = lanes.reduce((sum, lane) => sum + lane.opening, 0);
        if (opens.length > 0) {
          assert.ok(live + opens.length <= limits.maxEnvironments);
          assert.ok(usedMb + opens.reduce((sum, { lane }) => sum + memoryOf(lane), 0) <= limits.maxMemoryMb);
          assert.ok(opening + opens.length <= limits.maxOpening);
        }
        const ended = decisions.flatMap((decision) => (decision.kind === 'close' ? [decision.id] : []));
        assert.equal(new Set(ended).size, ended.length);
        const known = new Set(lanes.flatMap(({ idle }) => idle.map(({ id }) => id)));
        assert.ok(ended.every((id) => known.has(id)));
        for (const [name, count] of yields) {
          const has = lanes.filter((lane) => lane.functionName === name);
          assert.ok(
            count <= has.reduce((sum, { busy, opening, idle }) => sum + busy + opening + idle.length, 0),
          );
        }
      }),
      { numRuns: 500 },
    );
  });
});

const arbitraryLimits = fc.record({
  maxEnvironments: fc.integer({ min: 1, max: 12 }),
  maxMemoryMb: fc.integer({ min: 1024, max: 4096 }),
  maxOpening: fc.integer({ min: 1, max: 6 }),
  idleMs: fc.integer({ min: 1_000, max: 600_000 }),
  freezeMs: fc.integer({ min: 1, max: 1_000 }),
  fairMs: fc.integer({ min: 1, max: 1_000 }),
});

const arbitraryLanes = fc
  .array(
    fc.record({
      functionName: fc.constantFrom('a', 'b', 'c'),
      memoryMb: fc.constantFrom(128, 256, 1024),
      isStale: fc.boolean(),
      waiting: fc.nat(5),
      busy: fc.nat(3),
      opening: fc.nat(2),
      idleSince: fc.array(fc.nat(700_000), { maxLength: 3 }),
      wanted: fc.nat(2),
    }),
    { maxLength: 6 },
  )
  .map((all) =>
    all.map(({ idleSince, wanted, ...fields }, index) =>
      lane(`${index}`, {
        ...fields,
        waitsSinceMs: fields.waiting === 0 ? undefined : index,
        // Who waits has nothing idle.
        idle: fields.waiting > 0 ? [] : idleSince.map((sinceMs, at) => idle(`${index}.${at}`, sinceMs)),
        provisioned: { wanted, live: 0, retryAtMs: 0 },
      }),
    ),
  );
