import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isSlipwayError } from '@slipway/base';
import type { Vertex } from '../graph.ts';
import { busybox, copy, local, mkdir, openSolverBench, run, type SolverBench, scratch } from '../testing.ts';

let bench: SolverBench;
before(async () => {
  bench = await openSolverBench('files');
  bench.write('a.txt', 'a');
  bench.write('b.txt', 'b');
  bench.write('dir/c.txt', 'c');
  bench.write('dir/deep/d.md', 'd');
  bench.write('dir/deep/e.txt', 'e');
  mkdirSync(join(bench.context, 'dir/empty'));
  symlinkSync('c.txt', join(bench.context, 'dir/link'));
  symlinkSync('dir', join(bench.context, 'link-to-dir'));
  chmodSync(join(bench.context, 'a.txt'), 0o750);
  utimesSync(join(bench.context, 'a.txt'), 1000, 1000);
  execFileSync('tar', [
    '-C',
    bench.context,
    '--owner=7',
    '--group=8',
    '-cJf',
    join(bench.context, 'dir.tar.xz'),
    'dir',
  ]);
  execFileSync('gzip', ['-k', join(bench.context, 'a.txt')]);
});
after(() => bench[Symbol.asyncDispose]());

const FIND =
  "find . -mindepth 1 -not -path './bin*' -not -path './etc*' -not -path './tmp*' -printf '%P %y %m %U:%G\\n' | sort";
const list = async (vertex: Vertex, command = FIND) =>
  (await bench.read(await bench.solve(vertex), command)).trim().split('\n');

test("a file goes into a folder, or takes the destination's name, with its mode and time and owned by root", async () => {
  assert.deepEqual(await list(copy(scratch(), local(), 'a.txt', '/x/y')), ['x d 755 0:0', 'x/y f 750 0:0']);
  assert.deepEqual(await list(copy(scratch(), local(), 'a.txt', '/x/')), [
    'x d 755 0:0',
    'x/a.txt f 750 0:0',
  ]);
  assert.deepEqual(await list(copy(mkdir(scratch(), '/x'), local(), 'a.txt', '/x')), [
    'x d 755 0:0',
    'x/a.txt f 750 0:0',
  ]);
  assert.deepEqual(await list(copy(scratch(), local(), 'a.txt', '/x'), 'stat -c %Y x'), ['1000']);
});

test('of a folder what is in it is copied, links as links; a link to a folder named as the source is followed', async () => {
  const expected = ['c.txt', 'deep', 'deep/d.md', 'deep/e.txt', 'empty', 'link'];
  const names = 'find . -mindepth 1 -printf "%P\\n" | sort';
  assert.deepEqual(await list(copy(scratch(), local(), 'dir', '/'), names), expected);
  assert.deepEqual(await list(copy(scratch(), local(), 'link-to-dir/', '/'), names), expected);
  assert.deepEqual(await list(copy(scratch(), local(), 'dir', '/'), 'readlink link'), ['c.txt']);
});

test('wildcards, excludes and parents choose and place as docker does', async () => {
  const names = 'find . -type f -printf "%P\\n" | sort';
  assert.deepEqual(await list(copy(scratch(), local(), '*.txt', '/x/'), names), ['x/a.txt', 'x/b.txt']);
  assert.deepEqual(await list(copy(scratch(), local(), '[a-b].tx?', '/x/'), names), ['x/a.txt', 'x/b.txt']);
  const some = copy(scratch(), local(), 'dir', '/', { excludes: ['**/*.txt', '!deep/e.txt'] });
  assert.deepEqual(await list(some, names), ['deep/d.md', 'deep/e.txt']);
  const withParents = copy(scratch(), local(), 'dir/deep/*', '/x', { parents: true });
  assert.deepEqual(await list(withParents, names), ['x/dir/deep/d.md', 'x/dir/deep/e.txt']);
  const pivot = copy(scratch(), local(), './dir/./**/*.txt', '/x', { parents: true });
  assert.deepEqual(await list(pivot, names), ['x/c.txt', 'x/deep/e.txt']);
});

test('owners are looked up in the image and given to the folders made too; modes are octal or symbolic', async () => {
  const owned = copy(busybox(), local(), 'a.txt', '/new/a', {
    owner: { user: 'app', group: 'staff' },
    mode: 'g-x,o=r',
  });
  assert.deepEqual(await list(owned), ['new d 755 1000:50', 'new/a f 744 1000:50']);
  const byName = copy(busybox(), local(), 'a.txt', '/a', {
    owner: { user: 'app', group: undefined },
    mode: '0640',
  });
  assert.deepEqual(await list(byName), ['a f 640 1000:1001']);
  const byNumber = copy(busybox(), local(), 'a.txt', '/a', { owner: { user: '77', group: undefined } });
  assert.deepEqual(await list(byNumber), ['a f 750 77:77']);
  const unknown = copy(busybox(), local(), 'a.txt', '/a', {
    owner: { user: 'nobody-here', group: undefined },
  });
  await assert.rejects(bench.solve(unknown), /unable to find user nobody-here/);
});

test('from an image owners, hard links, devices and attributes come along', async () => {
  const stage = run(
    busybox(),
    'mkdir /s && touch /s/a && ln /s/a /s/b && chown 5:6 /s/a && mkfifo /s/p && chmod 4755 /s/a'.replaceAll(
      /\b(ln|chown|mkfifo|chmod)\b/g,
      'busybox $1',
    ),
  );
  const lines = await list(
    copy(scratch(), stage, '/s', '/'),
    "find . -mindepth 1 -printf '%P %y %m %U:%G %n\\n' | sort",
  );
  assert.deepEqual(lines, ['a f 4755 5:6 2', 'b f 4755 5:6 2', 'p p 644 0:0 1']);
});

test('ADD unpacks archives of any compression as they say, and copies what is compressed and no archive', async () => {
  const unpacked = copy(scratch(), local(), 'dir.tar.xz', '/x', { unpack: true });
  assert.deepEqual(
    (await list(unpacked)).filter((line) => line.includes('c.txt')),
    ['x/dir/c.txt f 644 7:8'],
  );
  const packed = copy(scratch(), local(), 'a.txt.gz', '/x/', { unpack: true });
  assert.deepEqual(await list(packed), ['x d 755 0:0', 'x/a.txt.gz f 750 0:0']);
});

test('a here-document is a file; a folder never becomes a file, nor a file a folder', async () => {
  const inline = copy(scratch(), scratch(), '', '/x/run.sh', {
    from: { content: 'echo hi\n', fileName: 'EOF' },
  });
  assert.deepEqual(await list(inline), ['x d 755 0:0', 'x/run.sh f 644 0:0']);
  const overFolder = copy(mkdir(scratch(), '/x/a.txt'), local(), 'a.txt', '/x/');
  await assert.rejects(bench.solve(overFolder), (error) => isSlipwayError(error, 'InvalidArgument'));
  const overFile = copy(copy(scratch(), local(), 'a.txt', '/x'), local(), 'dir', '/x/');
  await assert.rejects(bench.solve(overFile), /cannot copy to non-directory: \/x/);
  await assert.rejects(bench.solve(copy(scratch(), local(), 'nothing', '/')), /"\/nothing": not found/);
});

test('links of the image lead copies within it, and never out of it', async () => {
  const linked = run(
    busybox(),
    'mkdir /real; busybox ln -s /real /inner; busybox ln -s ../../../../../../tmp /outer',
  );
  const inside = copy(copy(linked, local(), 'a.txt', '/inner/'), local(), 'b.txt', '/outer/escaped-h12');
  assert.deepEqual(
    (await list(inside)).filter((line) => line.includes('.txt')),
    ['real/a.txt f 750 0:0'],
  );
  assert.deepEqual(await list(inside, 'ls tmp'), ['escaped-h12']);
});

test('WORKDIR of a folder that is there makes no layer; the same copies with SOURCE_DATE_EPOCH make the same one', async () => {
  const result = await bench.solve(mkdir(busybox(), '/tmp'));
  assert.equal(result.layers.length, 1);
  const at = (ignoreCache: boolean) => ({
    ...copy(busybox(), local(), 'a.txt', '/made/a'),
    sourceDateEpochS: 5000,
    ignoreCache,
  });
  const first = await bench.solve(at(false));
  const second = await bench.solve(at(true));
  assert.equal(second.layers[1]?.diffId, first.layers[1]?.diffId);
  assert.notEqual(
    (await bench.solve({ ...at(true), sourceDateEpochS: undefined })).layers[1]?.diffId,
    first.layers[1]?.diffId,
  );
});
