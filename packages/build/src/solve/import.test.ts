import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError } from '@slipway/base';
import { readCacheConfig, writeCacheConfig } from '../cache/cache-config.ts';
import type { BuildResult, CacheImport, CacheMode } from '../solver.ts';
import {
  assertNothingUnderWay,
  busybox,
  copy,
  local,
  openSolverBench,
  run,
  type SolverBench,
} from '../testing.ts';

/** Two stages; the second takes one file of the first. */
function graph() {
  const made = run(copy(run(busybox(), 'echo tool > /tool'), local(), 'in', '/in'), 'cat /tool /in > /out');
  return run(copy(busybox(), made, 'out', '/out'), 'cat /out > /end');
}
const STEPS = [
  'RUN echo tool > /tool',
  'COPY in /in',
  'RUN cat /tool /in > /out',
  'COPY out /out',
  'RUN cat /out > /end',
];

/** What one builder gives away, and which of its blobs were asked for. */
async function offer(
  { store }: SolverBench,
  result: BuildResult,
  mode: CacheMode,
  openBlob: CacheImport['openBlob'] = ({ digest }) => store.content.open(digest),
): Promise<{ cache: CacheImport; fetched: string[] }> {
  const fetched: string[] = [];
  const { bytes, layers } = writeCacheConfig(await result.exportCache(mode), ({ blob }) => blob);
  const cache = readCacheConfig(bytes, layers, (blob, options) => {
    fetched.push(blob.digest);
    return openBlob(blob, options);
  });
  return { cache, fetched };
}

async function twoBenches(
  name: string,
  work: (one: SolverBench, two: SolverBench) => Promise<void>,
): Promise<void> {
  await using one = await openSolverBench(`${name}-one`);
  await using two = await openSolverBench(`${name}-two`);
  one.write('in', 'put\n');
  two.write('in', 'put\n');
  await work(one, two);
  await assertNothingUnderWay(two);
}

const solve = (bench: SolverBench, caches: CacheImport[], signal = new AbortController().signal) =>
  bench.solver.solve(graph(), {
    session: bench.session,
    signal,
    onEvent: (event) => void bench.events.push(event),
    cacheImports: caches,
  });

for (const mode of ['min', 'max'] as const) {
  test(`what another builder made is not made again, and only the result's layers come (${mode})`, () =>
    twoBenches(`import-${mode}`, async (one, two) => {
      const made = await one.solve(graph());
      const { cache, fetched } = await offer(one, made, mode);
      const taken = await solve(two, [cache]);
      assert.deepEqual(two.made(), ['context']);
      assert.deepEqual(
        taken.layers.map(({ diffId }) => diffId),
        made.layers.map(({ diffId }) => diffId),
      );
      assert.deepEqual(fetched.toSorted(), made.layers.map(({ blob }) => blob.digest).toSorted());
      assert.equal(await two.read(taken, 'cat end'), 'tool\nput\n');
      assert.equal(two.fetches.length, 0);
      // It is its own from now on, and can be given to a third.
      await solve(two, []);
      assert.deepEqual(two.made(), ['context']);
      const again = await taken.exportCache(mode);
      assert.equal(again.length, (await made.exportCache(mode)).length);
    }));
}

test('after a change only what depends on it is made, on layers that come for it', () =>
  twoBenches('import-changed', async (one, two) => {
    const { cache } = await offer(one, await one.solve(graph()), 'max');
    two.write('in', 'changed\n');
    const taken = await solve(two, [cache]);
    assert.deepEqual(two.made(), ['context', ...STEPS.slice(1)]);
    assert.equal(await two.read(taken, 'cat end'), 'tool\nchanged\n');
  }));

test('a stage that comes to the same files makes nothing again that takes them', () =>
  twoBenches('import-same', async (one) => {
    await one.solve(graph());
    one.made();
    // Another layer, the same file in it.
    const made = run(
      copy(run(busybox(), 'echo tool > /tool; touch /more'), local(), 'in', '/in'),
      'cat /tool /in > /out',
    );
    await one.solve(run(copy(busybox(), made, 'out', '/out'), 'cat /out > /end'));
    assert.deepEqual(one.made(), ['context', 'RUN echo tool > /tool; touch /more', 'COPY in /in', STEPS[2]]);
  }));

test('a layer that is not what it was said to be is refused, and nothing of it stays', () =>
  twoBenches('import-wrong', async (one, two) => {
    const made = await one.solve(graph());
    const { cache } = await offer(one, made, 'max', async function* ({ size }) {
      yield Buffer.alloc(size);
    });
    await assert.rejects(solve(two, [cache]), (error) => {
      assert.ok(isSlipwayError(error, 'DataLoss'), String(error));
      assert.match(error.message, /cannot be fetched: .*build again without --cache-from/);
      return true;
    });
    const kept = await Array.fromAsync(two.store.content.list());
    assert.ok(!kept.some(({ digest }) => digest === made.layers.at(-1)?.blob.digest));
    await solve(two, []);
    assert.ok(two.made().includes('RUN cat /out > /end'));
  }));

test('a build that is canceled stops what comes', () =>
  twoBenches('import-canceled', async (one, two) => {
    const stop = new AbortController();
    const { cache } = await offer(one, await one.solve(graph()), 'max', async function* (_, { signal }) {
      yield Buffer.from('a beginning');
      setImmediate(() => stop.abort(new Error('enough')));
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      signal.throwIfAborted();
    });
    await assert.rejects(solve(two, [cache], stop.signal), (error) => isSlipwayError(error, 'Canceled'));
  }));
