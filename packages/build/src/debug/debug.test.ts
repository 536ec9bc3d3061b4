import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError } from '@slipway/base';
import type { BuildMount } from '../graph.ts';
import { assertNothingUnderWay, busybox, local, openSolverBench, run, type SolverBench } from '../testing.ts';
import { FailedStepError } from './failed-steps.ts';

/** Runs a command in a failed step; answers what it wrote and its exit code. */
async function debug(
  bench: SolverBench,
  id: string,
  command: string,
  secrets: ReadonlyMap<string, Buffer> = new Map(),
): Promise<[string, number]> {
  let text = '';
  await using session = await bench.solver.debug(id, {
    args: ['/bin/sh', '-c', command],
    terminal: false,
    stdin: false,
    secrets,
    attach: {
      write: ({ bytes }) => {
        text += Buffer.from(bytes).toString();
      },
      end: () => {},
    },
    signal: new AbortController().signal,
  });
  const exitCode = await session.exited;
  return [text, exitCode];
}

const failing = (bench: SolverBench, vertex: Parameters<SolverBench['solve']>[0]): Promise<string> =>
  bench.solve(vertex).then(
    () => assert.fail('it did not fail'),
    (error: unknown) => (error instanceof FailedStepError ? error.stepId : Promise.reject(error)),
  );

test('a failed step can be looked into: its files, user, variables, folder and mounts', async () => {
  await using bench = await openSolverBench('debug');
  bench.write('sent', 'by the client');
  bench.secrets.set('token', Buffer.from('of the build'));
  const stage = run(busybox(), 'echo of a stage > /made');
  const secret = {
    type: 'secret',
    id: 'token',
    required: true,
    env: undefined,
    mode: 0o444,
    uid: 0,
    gid: 0,
  } as const;
  const mounts: BuildMount[] = [
    { type: 'bind', input: 1, source: '', target: '/context', readonly: true },
    { type: 'bind', input: 2, source: 'made', target: '/stage', readonly: true },
    { ...secret, target: '/token', readonly: true },
  ];
  const base = run(busybox(), 'mkdir /work; busybox chown 1000 /work');
  const options = { env: ['A=1'], cwd: '/work', user: 'app', mounts };
  const step = run(base, 'echo half > done; cat /token > read; exit 9', options, [local(), stage]);
  const id = await failing(bench, step);
  await assertNothingUnderWay(bench, 1);
  const look = 'cat done /context/sent /stage; echo; echo $A; id -u; stat -c %n .; cat /token';
  const [text, exitCode] = await debug(bench, id, look);
  assert.match(text, /^half\nby the clientof a stage\n\n1\n1000\n\.\ncat: can't open '\/token'/);
  assert.equal(exitCode, 1);
  assert.deepEqual(await debug(bench, id, 'cat /token', new Map([['token', Buffer.from('given again')]])), [
    'given again',
    0,
  ]);
  assert.deepEqual(await debug(bench, id, 'echo more >> done; exit 5'), ['', 5]);
  assert.deepEqual(await debug(bench, id, 'cat done'), ['half\nmore\n', 0], 'what is done there stays there');
  const [info] = await bench.solver.listFailedSteps();
  assert.deepEqual([info?.id, info?.isOpen, info?.lastExitCode], [id, false, 0]);
  await assertNothingUnderWay(bench, 1);
  await bench.solver.removeFailedStep(id);
  await assert.rejects(debug(bench, id, 'true'), (error) => isSlipwayError(error, 'NotFound'));
  await assertNothingUnderWay(bench);
});

test('of failed steps the last four are kept, and pruning takes all that nobody is in', async () => {
  await using bench = await openSolverBench('debug-kept');
  const ids: string[] = [];
  for (const number of [1, 2, 3, 4, 5, 6])
    ids.push(await failing(bench, run(busybox(), `echo ${number} > /n; exit 1`)));
  const kept = (await bench.solver.listFailedSteps()).map(({ id }) => id);
  assert.deepEqual(kept, ids.slice(2).reverse());
  await assertNothingUnderWay(bench, 4);
  const newest = ids.at(-1) as string;
  const session = await bench.solver.debug(newest, {
    args: ['sleep', '1000'],
    terminal: false,
    stdin: false,
    secrets: new Map(),
    attach: { write: () => {}, end: () => {} },
    signal: new AbortController().signal,
  });
  await assert.rejects(debug(bench, newest, 'true'), (error) => isSlipwayError(error, 'Conflict'));
  const removed = (await bench.solver.prune({ all: true })).removed.map(({ id }) => id);
  assert.deepEqual(removed.filter((id) => ids.includes(id)).sort(), ids.slice(2, -1).sort());
  await session[Symbol.asyncDispose]();
  await bench.solver.prune({ all: true });
  await assertNothingUnderWay(bench);
});
