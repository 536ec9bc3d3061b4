import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError, systemClock } from '@slipway/base';
import type { BuildMount } from '../graph.ts';
import { busybox, copy, openSolverBench, run, scratch } from '../testing.ts';

type CacheMount = Extract<BuildMount, { type: 'cache' }>;

const cache = (more: Partial<CacheMount> = {}): CacheMount => ({
  type: 'cache',
  id: 'one',
  target: '/cache',
  sharing: 'shared',
  input: undefined,
  source: '',
  mode: 0o755,
  uid: 0,
  gid: 0,
  readonly: false,
  ...more,
});

test('a cache mount outlives its step and is in no layer; it begins as told, with the owner it is given', async () => {
  await using bench = await openSolverBench('cache');
  const stage = run(busybox(), 'mkdir /begin; echo 1 > /begin/n; busybox chown 5:5 /begin/n');
  const mount = cache({ input: 1, source: '/begin', uid: 7, gid: 8, mode: 0o750 });
  await bench.solve(
    run(busybox(), 'stat -c "%u:%g %a" /cache; cat /cache/n; echo 2 > /cache/n', { mounts: [mount] }, [
      stage,
    ]),
  );
  assert.equal(bench.output(), '7:8 750\n1\n');
  const later = await bench.solve(run(busybox(), 'cat /cache/n', { mounts: [mount] }, [stage]));
  assert.match(bench.output(), /2\n$/);
  assert.equal(await bench.read(later, 'ls -A'), 'bin\netc\ntmp\n');
  const listed = (await bench.solver.listCache()).filter(({ type }) => type === 'exec.cachemount');
  assert.equal(listed.length, 1);
});

test('locked is used by one after another, private by each for itself', async () => {
  await using bench = await openSolverBench('sharing');
  // With both at once in the folder, one finds the other's mark.
  const alone = (name: string, sharing: CacheMount['sharing']) =>
    run(
      busybox(),
      `[ ! -e /cache/mark ] || exit 9; touch /cache/mark; sleep 0.2; rm /cache/mark; echo > /${name}`,
      {
        mounts: [cache({ sharing, id: sharing })],
      },
    );
  const both = (sharing: CacheMount['sharing']) =>
    copy(copy(scratch(), alone('a', sharing), '/a', '/'), alone('b', sharing), '/b', '/');
  await bench.solve(both('locked'));
  await bench.solve(both('private'));
  const folders = (await bench.solver.listCache()).filter(({ type }) => type === 'exec.cachemount');
  assert.deepEqual(folders.map(({ description }) => /"(.*)"/.exec(description)?.[1]).sort(), [
    'locked',
    'private',
    'private',
  ]);
});

test('a build that waits for a locked cache can be given up, and locks of two caches are never taken crosswise', async () => {
  await using bench = await openSolverBench('locks');
  const locked = (...ids: string[]) => ids.map((id) => cache({ id, target: `/${id}`, sharing: 'locked' }));
  const holding = bench.solve(run(busybox(), 'echo held; sleep 1', { mounts: locked('a') }));
  while (!bench.output().includes('held')) await systemClock.sleep(5);
  const giveUp = new AbortController();
  const waiting = bench.solve(run(busybox(), 'echo never', { mounts: locked('a') }), {
    signal: giveUp.signal,
  });
  await systemClock.sleep(100);
  giveUp.abort();
  await assert.rejects(waiting, (error) => isSlipwayError(error, 'Canceled'));
  assert.ok(!bench.made().includes('RUN echo held; sleep 1'), 'it waited for the lock');
  await holding;
  await Promise.all([
    bench.solve(run(busybox(), 'sleep 0.1; echo 1', { mounts: locked('a', 'b') })),
    bench.solve(run(busybox(), 'sleep 0.1; echo 2', { mounts: locked('b', 'a') })),
  ]);
});
