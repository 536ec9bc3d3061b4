import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isSlipwayError, silentLogger } from '@slipway/base';
import { VirtualClock } from '@slipway/base/testing';
import fc from 'fast-check';
import { FakeEnvironments, type FakeEnvironmentsOptions } from '../../environments/testing.ts';
import type { FunctionVersion } from '../../functions/index.ts';
import { MemoryCatalog, testSettings } from '../testing.ts';
import { Pool, type PoolSettings } from './pool.ts';

const SIGNAL = new AbortController().signal;

function setUp(settings: Partial<PoolSettings> = {}, fake: Partial<FakeEnvironmentsOptions> = {}) {
  const clock = new VirtualClock();
  const environments = new FakeEnvironments({ clock, ...fake });
  const catalog = new MemoryCatalog();
  const options = { environments, catalog, clock, logger: silentLogger, settings: testSettings(settings) };
  const pool = new Pool(options);
  /** Runs one invocation, as the service does. */
  const run = async (version: FunctionVersion, ms = 10) => {
    const lease = await pool.acquire(version, { signal: SIGNAL });
    await clock.sleep(ms);
    lease.release('usable');
    return lease;
  };
  const after = async <T>(promise: Promise<T>, ms: number): Promise<T> => {
    promise.catch(() => {});
    await clock.advance(ms);
    return await promise;
  };
  return { clock, environments, catalog, pool, run, after };
}

const reasonOf = (error: unknown): unknown =>
  isSlipwayError(error, 'ResourceExhausted') ? error.details?.['Reason'] : error;

describe('Pool', () => {
  it('starts an environment for the first invocation and uses it again for the next', async () => {
    const { environments, catalog, run, after } = setUp();
    const version = catalog.put('f');
    const cold = await after(run(version), 100);
    const warm = await after(run(version), 100);
    assert.deepEqual([cold.isCold, warm.isCold, environments.opened], [true, false, 1]);
    assert.equal(cold.environment, warm.environment);
  });

  it('starts one for each of those that run at the same time', async () => {
    const { environments, catalog, run, after } = setUp({ maxOpening: 50 });
    const version = catalog.put('f');
    await after(Promise.all(Array.from({ length: 50 }, () => run(version, 1000))), 2000);
    assert.equal(environments.peak, 50);
  });

  it('gives an environment that becomes free to who waits longest', async () => {
    const { catalog, run, after } = setUp({ maxEnvironments: 1 });
    const version = catalog.put('f');
    const order: number[] = [];
    await after(Promise.all([1, 2, 3].map((n) => run(version).then(() => order.push(n)))), 200);
    assert.deepEqual(order, [1, 2, 3]);
  });

  it('knows what came after the last environment of a function ended', async () => {
    const { catalog, pool, clock, environments } = setUp();
    const version = catalog.put('f');
    const spent = pool.acquire(version, { signal: SIGNAL });
    await clock.advance(100);
    (await spent).release('spent');
    const next = pool.acquire(version, { signal: SIGNAL });
    await clock.advance(100);
    const lease = await next;
    assert.equal(pool.counts().busy, 1);
    lease.release('usable');
    await clock.advance(600_100);
    assert.equal(environments.alive.size, 0);
  });

  it('freezes what rests and scales to nothing when nobody comes', async () => {
    const { clock, environments, catalog, pool, run, after } = setUp();
    await after(run(catalog.put('f')), 100);
    await clock.advance(60);
    assert.deepEqual(
      [...environments.alive].map(({ isFrozen }) => isFrozen),
      [true],
    );
    await clock.advance(600_000);
    assert.equal(environments.alive.size, 0);
    assert.deepEqual(pool.counts(), { busy: 0, idle: 0, starting: 0, waiting: 0, provisioned: 0 });
  });

  it('refuses at once beyond the reserved concurrency, and with none reserved for all', async () => {
    const { catalog, pool, run, after } = setUp();
    const version = catalog.put('f');
    catalog.reserved.set('f', 1);
    const first = run(version, 500);
    const reserved = 'ReservedFunctionConcurrentInvocationLimitExceeded';
    await assert.rejects(pool.acquire(version, { signal: SIGNAL }), (error) => reasonOf(error) === reserved);
    await after(first, 1000);
    await after(run(version), 1000);
    catalog.reserved.set('f', 0);
    await assert.rejects(pool.acquire(version, { signal: SIGNAL }), (error) => reasonOf(error) === reserved);
  });

  it('refuses what has nothing reserved beyond what others left unreserved', async () => {
    const { catalog, pool, run, after } = setUp();
    catalog.accountConcurrency = 101;
    catalog.reserved.set('other', 100);
    const version = catalog.put('f');
    const first = run(version, 500);
    await assert.rejects(
      pool.acquire(version, { signal: SIGNAL }),
      (error) => reasonOf(error) === 'ConcurrentInvocationLimitExceeded',
    );
    await after(first, 1000);
  });

  it('lets a bounded number wait on a full host, for a bounded time', async () => {
    const { catalog, pool, run, after, clock } = setUp({
      maxEnvironments: 1,
      maxWaiting: 1,
      maxWaitMs: 5_000,
    });
    const version = catalog.put('f');
    const long = run(version, 60_000);
    await clock.advance(100);
    const waiting = run(version);
    await assert.rejects(
      pool.acquire(version, { signal: SIGNAL }),
      (error) => reasonOf(error) === 'CallerRateLimitExceeded',
    );
    await assert.rejects(
      after(waiting, 5_000),
      (error) => reasonOf(error) === 'ConcurrentInvocationLimitExceeded',
    );
    await after(long, 60_000);
  });

  it('refuses a function that needs more memory than the host gives', async () => {
    const { catalog, pool } = setUp({ maxMemoryMb: 512 });
    const version = catalog.put('f', { memoryMb: 1024 });
    await assert.rejects(pool.acquire(version, { signal: SIGNAL }), /1024 MB.*512 MB/);
    assert.equal(pool.inFlight('f'), 0);
  });

  it('takes an invocation whose caller went out of the queue', async () => {
    const { catalog, pool, run, after, clock } = setUp({ maxEnvironments: 1 });
    const version = catalog.put('f');
    const long = run(version, 1000);
    await clock.advance(100);
    const caller = new AbortController();
    const gone = pool.acquire(version, { signal: caller.signal });
    caller.abort(new Error('gone'));
    await assert.rejects(gone, /gone/);
    assert.deepEqual([pool.counts().waiting, pool.inFlight('f')], [0, 1]);
    await after(long, 1000);
  });

  it('lets running invocations end on the old code and starts the new one for the next', async () => {
    const { environments, catalog, run, clock, after } = setUp();
    const old = run(catalog.put('f'), 1000);
    const idle = run(catalog.resolve('f').version, 10);
    await clock.advance(200);
    const version = catalog.put('f');
    await clock.advance(0);
    assert.equal(environments.alive.size, 1, 'the idle one ends at once');
    const fresh = await after(run(version), 200);
    assert.equal(fresh.environment.version.revisionId, '2');
    await after(old, 1000);
    await idle;
    assert.deepEqual(
      [...environments.alive].map((one) => one.version.revisionId),
      ['2'],
    );
  });

  it('ends the environments of a deleted function', async () => {
    const { environments, catalog, run, clock, after } = setUp();
    await after(run(catalog.put('f')), 100);
    catalog.delete('f');
    await clock.advance(0);
    assert.equal(environments.alive.size, 0);
  });

  it('replaces an environment whose process ended while it rested', async () => {
    const { environments, catalog, run, clock, after } = setUp();
    const version = catalog.put('f');
    await after(run(version), 100);
    for (const environment of environments.alive) environment.crash();
    await clock.advance(0);
    const next = await after(run(version), 100);
    assert.deepEqual([next.isCold, environments.opened], [true, 2]);
  });

  it('answers an invocation with why its environment could not be started, and counts it out', async () => {
    const { catalog, pool, environments } = setUp();
    environments.open = () => Promise.reject(new Error('no image'));
    await assert.rejects(pool.acquire(catalog.put('f'), { signal: SIGNAL }), /no image/);
    assert.deepEqual([pool.inFlight('f'), pool.counts().starting], [0, 0]);
  });

  it('keeps provisioned environments, says so, and uses them first', async () => {
    const { environments, catalog, run, clock, after } = setUp();
    const version = catalog.put('f');
    catalog.provision([{ version, qualifier: 'live', count: 2 }]);
    await clock.advance(100);
    assert.deepEqual(catalog.statuses.at(0)?.status, 'IN_PROGRESS');
    assert.deepEqual(catalog.statuses.at(-1), {
      status: 'READY',
      allocated: 2,
      available: 2,
      reason: undefined,
    });
    const lease = await after(run(version), 100);
    assert.deepEqual([lease.isProvisioned, lease.isCold], [true, false]);
    await clock.advance(9_000_000);
    assert.equal(environments.alive.size, 2, 'they do not idle away');
    catalog.provision([]);
    catalog.put('other');
    await clock.advance(1_000_000);
    assert.equal(environments.alive.size, 0);
  });

  it('says that provisioning failed, and why, and tries again ever more seldom', async () => {
    const { environments, catalog, clock } = setUp({}, { failStart: () => 'Runtime exited' });
    catalog.provision([{ version: catalog.put('f'), qualifier: 'live', count: 1 }]);
    await clock.advance(10_000);
    assert.deepEqual(catalog.statuses.at(-1), {
      status: 'FAILED',
      allocated: 0,
      available: 0,
      reason: 'Runtime exited',
    });
    const tries = environments.opened;
    await clock.advance(3_600_000);
    assert.ok(environments.opened - tries < 30, `${environments.opened - tries} more tries in an hour`);
  });

  it('prepares runtimes that are in use, more of them after a burst, none when they are forgotten', async () => {
    const { environments, catalog, run, clock, after } = setUp();
    const version = catalog.put('f');
    await after(run(version), 100);
    assert.equal(environments.prepared.get('nodejs24.x'), 1);
    await after(Promise.all(Array.from({ length: 8 }, () => run(version))), 500);
    assert.equal(environments.prepared.get('nodejs24.x'), 4);
    await clock.advance(1_900_000);
    assert.equal(environments.prepared.get('nodejs24.x'), 0);
  });

  it('makes the next invocation a cold start when it is asked to', async () => {
    const { catalog, pool, run, after } = setUp();
    const version = catalog.put('f');
    const running = run(version, 1000);
    await after(run(version, 10), 100);
    await after(pool.retire('f'), 0);
    assert.deepEqual([pool.counts().busy, pool.counts().idle], [1, 0]);
    assert.equal((await after(run(version), 100)).isCold, true);
    await after(running, 1000);
    assert.equal(pool.counts('f').idle, 1, 'the one that ran is gone, too');
  });

  it('gives back everything that rests when it is asked to', async () => {
    const { catalog, pool, environments, run, after } = setUp();
    await after(Promise.all([run(catalog.put('f')), run(catalog.put('g'))]), 100);
    await after(pool.retire(), 0);
    assert.deepEqual([environments.alive.size, environments.prepared.get('nodejs24.x')], [0, 0]);
    assert.equal((await after(run(catalog.resolve('f').version), 100)).isCold, true);
  });

  it('debugs in an environment that nobody else gets', async () => {
    const { catalog, pool, environments, after } = setUp();
    const version = catalog.put('f');
    const lease = await after(pool.acquire(version, { debug: { port: 9229 }, signal: SIGNAL }), 100);
    lease.release('usable');
    await after(Promise.resolve(), 0);
    assert.equal(environments.alive.size, 0);
  });

  it('leaves nothing behind when it ends, whatever runs, waits or starts', async () => {
    const { catalog, pool, environments, run, clock } = setUp({ maxEnvironments: 2 });
    const version = catalog.put('f');
    const runs = [run(version, 9_999), run(version, 9_999), run(version, 9_999)];
    const settled = Promise.allSettled(runs);
    await clock.advance(30);
    const disposed = pool[Symbol.asyncDispose]();
    await clock.advance(10_000);
    await disposed;
    assert.ok((await settled).every(({ status }) => status === 'rejected'));
    assert.equal(environments.alive.size, 0);
    await assert.rejects(pool.acquire(version, { signal: SIGNAL }), /ending/);
  });
});

describe('Pool under whatever load', () => {
  const arrivals = fc.array(
    fc.record({
      atMs: fc.nat(3_000),
      name: fc.constantFrom('a', 'b', 'c', 'd'),
      ms: fc.integer({ min: 1, max: 400 }),
    }),
    { minLength: 1, maxLength: 60 },
  );

  it('stays within its bounds, starves nobody, and returns to nothing', async () => {
    await fc.assert(
      fc.asyncProperty(
        arrivals,
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 3 }),
        async (all, max, opening) => {
          const { clock, environments, catalog, pool, run } = setUp({
            maxEnvironments: max,
            maxOpening: opening,
            maxWaitMs: 1e9,
          });
          for (const name of 'abcd') catalog.put(name);
          catalog.reserved.set('a', 2);
          let outcomes: unknown[] | undefined;
          const runs = all.map(async ({ atMs, name, ms }) => {
            await clock.sleep(atMs);
            return await run(catalog.resolve(name).version, ms).then(() => 'ran', reasonOf);
          });
          void Promise.all(runs).then((ended) => {
            outcomes = ended;
          });
          // The longest that all of it can take one after another, with a start and a fair wait for each.
          await clock.advance(3_000 + all.reduce((sum, { ms }) => sum + ms + 150, 0));
          assert.ok(outcomes !== undefined, 'somebody starves');
          for (const [index, outcome] of outcomes.entries()) {
            const isReserved = outcome === 'ReservedFunctionConcurrentInvocationLimitExceeded';
            assert.ok(outcome === 'ran' || (isReserved && all[index]?.name === 'a'), String(outcome));
          }
          assert.ok(environments.peak <= max, `${environments.peak} environments of ${max}`);
          await clock.advance(700_000);
          assert.equal(environments.alive.size, 0);
          assert.deepEqual(pool.counts(), { busy: 0, idle: 0, starting: 0, waiting: 0, provisioned: 0 });
          await pool[Symbol.asyncDispose]();
        },
      ),
      { numRuns: 40 },
    );
  });

  it('serves a function that comes late while another one has the whole host and never rests', async () => {
    const { clock, catalog, run } = setUp({ maxEnvironments: 3 });
    const [greedy, late] = [catalog.put('greedy'), catalog.put('late')];
    let isOn = true;
    const loop = async () => {
      while (isOn) await run(greedy, 20);
    };
    const loops = Array.from({ length: 12 }, loop);
    await clock.advance(2_000);
    let servedAtMs: number | undefined;
    const startedAtMs = clock.nowMs();
    const served = run(late).then(() => {
      servedAtMs = clock.nowMs();
    });
    await clock.advance(500);
    isOn = false;
    await clock.advance(2_000);
    await Promise.all([served, ...loops]);
    assert.ok(servedAtMs !== undefined && servedAtMs - startedAtMs <= 200, `${servedAtMs} - ${startedAtMs}`);
  });
});
