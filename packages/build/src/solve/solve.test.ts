import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isSlipwayError, systemClock } from '@slipway/base';
import {
  assertNothingUnderWay,
  busybox,
  copy,
  linked,
  local,
  mkdir,
  openSolverBench,
  run,
  scratch,
} from '../testing.ts';
import { vertexDigest } from '../vertex-digest.ts';

test('a RUN makes a layer of what it wrote, and of nothing else', async () => {
  await using bench = await openSolverBench('run');
  const result = await bench.solve(run(busybox(), 'echo hi; echo made > /made; rm /etc/group'));
  assert.equal(bench.output(), 'hi\n');
  const blob = result.layers.at(-1)?.blob.digest as never;
  const names = execFileSync('tar', ['-t'], {
    input: await bench.store.content.read(blob),
    encoding: 'utf8',
  });
  assert.deepEqual(names.trim().split('\n'), ['etc/', 'etc/.wh.group', 'made']);
  assert.equal(await bench.read(result, 'cat made'), 'made\n');
  await assertNothingUnderWay(bench);
});

test("a failing RUN tells its exit code in docker's words and leaves what it wrote", async () => {
  await using bench = await openSolverBench('fail');
  await assert.rejects(bench.solve(run(busybox(), 'echo why >&2; exit 7')), (error) => {
    assert.ok(isSlipwayError(error, 'Internal'));
    assert.equal(error.reason, 'BUILD_STEP_FAILED');
    assert.equal(
      error.message,
      'process "/bin/sh -c echo why >&2; exit 7" did not complete successfully: exit code: 7',
    );
    return true;
  });
  assert.equal(bench.output(), 'why\n');
  await assertNothingUnderWay(bench, 1);
  const [failed] = await bench.solver.listFailedSteps();
  await bench.solver.removeFailedStep(failed?.id as string);
  await assertNothingUnderWay(bench);
});

test('what is known is not run again, nor its image opened, also by the next process', async () => {
  await using bench = await openSolverBench('cached');
  const graph = () => run(mkdir(run(busybox(), 'echo 1 > /one'), '/work'), 'echo 2 > /two');
  const first = await bench.solve(graph());
  assert.deepEqual(bench.made(), ['RUN echo 1 > /one', 'WORKDIR /work', 'RUN echo 2 > /two']);
  const again = await bench.solve(graph());
  assert.deepEqual(bench.made(), []);
  assert.deepEqual(again.layers, first.layers);
  const later = await bench.solve(graph(), { solver: await bench.reopen() });
  assert.deepEqual(later.layers, first.layers);
  assert.deepEqual(bench.made(), []);
  assert.equal(bench.fetches.length, 1);
});

test('COPY is cached by what the copied files are, not by their times or by other files', async () => {
  await using bench = await openSolverBench('content');
  const graph = () => run(copy(busybox(), local(), 'src/', '/src/'), 'cat /src/a > /out');
  bench.write('src/a', 'one');
  bench.write('other', '1');
  await bench.solve(graph());
  bench.made();
  utimesSync(join(bench.context, 'src/a'), 1, 1);
  bench.write('other', '2');
  await bench.solve(graph());
  assert.deepEqual(bench.made(), ['context']);
  bench.write('src/a', 'two');
  const changed = await bench.solve(graph());
  assert.deepEqual(bench.made(), ['context', 'COPY src/ /src/', 'RUN cat /src/a > /out']);
  assert.equal(await bench.read(changed, 'cat out'), 'two');
});

test('COPY --from is cached by the files taken, though the stage was made again', async () => {
  await using bench = await openSolverBench('from');
  const graph = (note: string) =>
    copy(scratch(), run(busybox(), `echo same > /same; echo ${note} > /note`), '/same', '/');
  const first = await bench.solve(graph('a'));
  bench.made();
  const second = await bench.solve(graph('b'));
  assert.deepEqual(bench.made(), ['RUN echo same > /same; echo b > /note']);
  assert.equal(second.layers[0]?.chainId, first.layers[0]?.chainId);
  assert.equal(second.layers[0]?.madeBy, vertexDigest(graph('b')), "the layer is told as another build's");
});

test('what is linked keeps its layer and its cache on another base, and hides nothing of it', async () => {
  await using bench = await openSolverBench('linked');
  bench.write('dir/a', 'a');
  bench.write('dir/deep/b', 'b');
  const graph = (base: string) =>
    linked(run(busybox(), `mkdir -p /app; echo ${base} > /app/base`), local(), 'dir', '/app/');
  const first = await bench.solve(graph('one'));
  // Side by side: the copy does not wait for the base.
  assert.deepEqual(bench.made().sort(), [
    'COPY dir /app/',
    'RUN mkdir -p /app; echo one > /app/base',
    'context',
  ]);
  const second = await bench.solve(graph('two'));
  assert.deepEqual(bench.made().sort(), ['RUN mkdir -p /app; echo two > /app/base', 'context']);
  assert.equal(second.layers[2]?.blob.digest, first.layers[2]?.blob.digest);
  assert.notEqual(second.layers[2]?.chainId, first.layers[2]?.chainId);
  assert.equal(await bench.read(first, 'cat app/base app/a app/deep/b'), 'one\nab');
  assert.equal(await bench.read(second, 'cat app/base app/a app/deep/b'), 'two\nab');
  const names = execFileSync('tar', ['-t'], {
    input: await bench.store.content.read(second.layers[2]?.blob.digest as never),
    encoding: 'utf8',
  });
  assert.deepEqual(names.trim().split('\n'), ['app/', 'app/a', 'app/deep/', 'app/deep/b']);
  const inode = () => bench.read(second, 'stat -c %i app/a');
  const before = await inode();
  await bench.solve(run(graph('two'), 'echo changed > /app/a'));
  assert.equal(await bench.read(first, 'cat app/a'), 'a', 'a step above wrote into a shared file');
  assert.equal(await inode(), before);
  assert.equal(second.layers[2]?.madeBy, vertexDigest(graph('two').inputs[1] as never));
  await assertNothingUnderWay(bench);
});

test('stages that do not need each other run side by side, and the same step once', async () => {
  await using bench = await openSolverBench('parallel');
  const shared = () => run(busybox(), 'sleep 0.2; echo shared > /shared');
  // Each waits for the other's sign, so that one after another would never end.
  const cache = (readonly = false) => ({
    type: 'cache' as const,
    id: 'meet',
    target: '/meet',
    sharing: 'shared' as const,
    input: undefined,
    source: '',
    mode: 0o755,
    uid: 0,
    gid: 0,
    readonly,
  });
  const meet = (mine: string, theirs: string) =>
    run(shared(), `echo > /meet/${mine}; while [ ! -e /meet/${theirs} ]; do sleep 0.02; done`, {
      mounts: [cache()],
    });
  const graph = copy(copy(scratch(), meet('a', 'b'), '/shared', '/a'), meet('b', 'a'), '/shared', '/b');
  const [one, two] = await Promise.all([bench.solve(graph), bench.solve(graph)]);
  assert.deepEqual(one.layers, two.layers);
  assert.equal(await bench.read(one, 'cat a b'), 'shared\nshared\n');
  assert.equal(
    (await bench.solver.listCache()).filter(({ description }) => description.includes('sleep 0.2')).length,
    1,
  );
});

test('a build that is given up leaves no process, mount or snapshot; who shares its step goes on', async () => {
  await using bench = await openSolverBench('cancel');
  const graph = () => run(busybox(), 'echo begun; sleep 1; echo > /done');
  const giveUp = new AbortController();
  const shared = [bench.solve(graph(), { signal: giveUp.signal }), bench.solve(graph())];
  while (!bench.output().includes('begun')) await systemClock.sleep(5);
  giveUp.abort();
  await assert.rejects(shared[0] as Promise<unknown>, (error) => isSlipwayError(error, 'Canceled'));
  await shared[1];
  assert.equal(bench.output().match(/begun/g)?.length, 2, 'each hears of it, and it ran once');
  const alone = new AbortController();
  const given = bench.solve(run(busybox(), 'echo again; sleep 1000'), { signal: alone.signal });
  while (!bench.output().includes('again')) await systemClock.sleep(5);
  alone.abort();
  await assert.rejects(given, (error) => isSlipwayError(error, 'Canceled'));
  await assertNothingUnderWay(bench);
  assert.ok(!execFileSync('ps', ['ax'], { encoding: 'utf8' }).includes('sleep 1000'));
});

test("a build that comes while another reads the client's files has its own, which begin as theirs", async () => {
  await using bench = await openSolverBench('twice');
  bench.write('file', 'one');
  const first = bench.solve(run(copy(busybox(), local(), 'file', '/'), 'echo begun; sleep 1; cat /file'));
  while (!bench.output().includes('begun')) await systemClock.sleep(5);
  bench.write('file', 'two');
  const second = await bench.solve(copy(busybox(), local(), 'file', '/'));
  assert.equal(await bench.read(second, 'cat file'), 'two');
  assert.equal(await bench.read(await first, 'cat file'), 'one');
  assert.match(bench.output(), /begun\none/);
  assert.equal(readdirSync(join(bench.root, 'data/build/folders')).length, 1);
});

test('a secret is read by its step, and is nowhere on the disk', async () => {
  await using bench = await openSolverBench('secret');
  bench.secrets.set('token', Buffer.from('hunter2-very-secret'));
  const secret = {
    type: 'secret' as const,
    id: 'token',
    required: true,
    mode: 0o400,
    uid: 0,
    gid: 0,
    readonly: true,
  };
  const result = await bench.solve(
    run(busybox(), '[ "$(cat /run/secrets/token)" = "$TOKEN" ] && stat -c %a /run/secrets/token', {
      mounts: [{ ...secret, target: '/run/secrets/token', env: 'TOKEN' }],
    }),
  );
  assert.equal(bench.output(), '400\n');
  assert.equal(result.layers.length, 2);
  assert.deepEqual(filesWith(join(bench.root, 'data'), 'hunter2-very-secret'), []);
  assert.equal(await bench.read(result, 'ls -A'), 'bin\netc\ntmp\n');
  await assert.rejects(
    bench.solve(
      run(busybox(), 'true', { mounts: [{ ...secret, id: 'none', target: '/x', env: undefined }] }),
    ),
    /secret none: not found/,
  );
});

test("files that a context's links lead to on the host are not read", async () => {
  await using bench = await openSolverBench('escape');
  writeFileSync(join(bench.root, 'host-secret'), 'host');
  symlinkSync(join(bench.root, 'host-secret'), join(bench.context, 'absolute'));
  symlinkSync('../host-secret', join(bench.context, 'relative'));
  symlinkSync(bench.root, join(bench.context, 'folder'));
  for (const source of ['absolute', 'relative', 'folder/host-secret', 'folder/*', '../host-secret']) {
    await assert.rejects(bench.solve(copy(busybox(), local(), source, '/x')), /not found/, source);
  }
  const mount = { type: 'bind' as const, input: 1, source: 'absolute', target: '/x', readonly: true };
  await assert.rejects(bench.solve(run(busybox(), 'cat /x', { mounts: [mount] }, [local()])), /not found/);
});

test('bind mounts show files of the context and of stages; what is written to them goes', async () => {
  await using bench = await openSolverBench('bind');
  bench.write('sub/file', 'from the context');
  const stage = run(busybox(), 'mkdir -p /deep/er; echo from the stage > /deep/er/file');
  const bind = (input: number, source: string, target: string, readonly: boolean) => ({
    type: 'bind' as const,
    input,
    source,
    target,
    readonly,
  });
  const result = await bench
    .solve(
      run(
        busybox(),
        'cat /c/sub/file /s/er/file /all/deep/er/file; echo new > /rw/file; cat /rw/file; echo > /c/x',
        {
          mounts: [
            bind(1, '', '/c', true),
            bind(2, '/deep', '/s', true),
            bind(2, '', '/all', true),
            bind(1, 'sub', '/rw', false),
          ],
        },
        [local(), stage],
      ),
    )
    .catch((error: Error) => error);
  assert.match(bench.output(), /^from the context.*from the stage\nfrom the stage\nnew\n/s);
  assert.match(String(result), /exit code: 1/, 'a read-only mount was written to');
  assert.equal(readFileSync(join(bench.context, 'sub/file'), 'utf8'), 'from the context');
});

test('what is pruned is made again; what is in use, and what is kept, is not pruned', async () => {
  await using bench = await openSolverBench('prune');
  const graph = run(busybox(), 'echo x > /x');
  await using _lease = (await bench.solve(graph)).lease;
  const [record] = await bench.solver.listCache();
  assert.equal(record?.description, 'RUN echo x > /x');
  assert.equal((await bench.solver.prune({ all: true, unusedForMs: 3_600_000 })).removed.length, 0);
  bench.made();
  const { removed, freedBytes } = await bench.solver.prune({ all: true });
  assert.deepEqual(
    removed.map(({ id }) => id),
    [record?.id],
  );
  assert.ok(freedBytes > 0);
  assert.deepEqual(bench.solver.roots(), { blobs: [], snapshots: [] });
  await bench.solve(graph);
  assert.deepEqual(bench.made(), ['RUN echo x > /x']);
});

test('kill -9 in the middle of a step loses none that was finished, and leaves nothing', async () => {
  const testing = join(import.meta.dirname, '../testing.ts');
  const child = spawn(process.execPath, [
    '--input-type=module',
    '-e',
    `import { openSolverBench, run, busybox } from '${testing}';
     const bench = await openSolverBench('crash');
     bench.secrets.set('s', Buffer.from('in the air'));
     const mount = { type: 'secret', id: 's', required: true, target: '/s', env: undefined, mode: 0o400, uid: 0, gid: 0, readonly: true };
     bench.events.push = (event) => event.kind === 'log' && console.log(bench.root);
     await bench.solve(run(run(busybox(), 'echo 1 > /one'), 'echo begun; sleep 1234', { mounts: [mount] }));`,
  ]);
  let root = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    root = String(chunk).trim();
    break;
  }
  child.kill('SIGKILL');
  await using bench = await openSolverBench('crash', root);
  await assertNothingUnderWay(bench);
  assert.ok(!execFileSync('ps', ['ax'], { encoding: 'utf8' }).includes('sleep 1234'));
  const result = await bench.solve(run(run(busybox(), 'echo 1 > /one'), 'echo 2 > /two'));
  assert.deepEqual(bench.made(), ['RUN echo 2 > /two']);
  assert.equal(await bench.read(result, 'cat one two'), '1\n2\n');
});

function filesWith(folder: string, words: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => statSync(path).size > 0 && readFileSync(path).includes(words));
}
