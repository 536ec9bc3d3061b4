import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { computeDigest, type Digest, hostPlatform } from '@slipway/oci';
import type { Operation, Vertex } from '../graph.ts';
import { busybox, copy, openSolverBench, run, scratch } from '../testing.ts';

const { createServer } = process.getBuiltinModule('node:http');

const source = (operation: Operation, title: string): Vertex => ({
  operation,
  inputs: [],
  title,
  ignoreCache: false,
  platform: hostPlatform(),
});

const http = (url: string, checksum?: Digest): Vertex =>
  source({ kind: 'http', url, checksum, fileName: 'file' }, 'http');

test('a download is asked for again only by its tag, not at all with its checksum, and refused with another', async (t) => {
  await using bench = await openSolverBench('http');
  const asked: (string | undefined)[] = [];
  let content = 'one';
  const server = createServer((request, response) => {
    asked.push(request.headers['if-none-match']);
    if (request.url === '/missing') return void response.writeHead(404).end();
    const etag = `"${content}"`;
    if (request.headers['if-none-match'] === etag) return void response.writeHead(304).end();
    response.writeHead(200, { etag, 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT' }).end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/file`;
  const graph = (checksum?: Digest) => copy(scratch(), http(url, checksum), '/file', '/got');

  const first = await bench.solve(graph());
  assert.equal(await bench.read(first, 'cat got; stat -c " %a %Y" got'), 'one 600 1767225600\n');
  await bench.solve(graph());
  assert.deepEqual(asked, [undefined, '"one"']);
  assert.deepEqual(
    bench.made().filter((title) => title !== 'http'),
    ['COPY /file /got'],
  );
  await bench.solve(graph(computeDigest('one')));
  assert.equal(asked.length, 2);
  content = 'two';
  assert.equal(await bench.read(await bench.solve(graph()), 'cat got'), 'two');
  await assert.rejects(bench.solve(graph(computeDigest('three'))), /digest mismatch/);
  await assert.rejects(
    bench.solve(copy(scratch(), http(url.replace('/file', '/missing')), '/', '/')),
    /status 404/,
  );
});

test('a git ref is checked out, its subdirectory too, and what is known is not fetched', async (t) => {
  await using bench = await openSolverBench('git');
  const work = join(bench.root, 'work');
  mkdirSync(join(work, 'sub'), { recursive: true });
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=x', '-c', 'user.email=x@x', ...args], {
      cwd: work,
      encoding: 'utf8',
    });
  git('init', '--quiet', '--initial-branch=main');
  writeFileSync(join(work, 'sub/file'), 'committed');
  git('add', '.');
  git('commit', '--quiet', '-m', 'first');
  git('tag', '-a', 'v1', '-m', 'v1');
  const commit = git('rev-parse', 'HEAD').trim();
  execFileSync('git', ['clone', '--quiet', '--bare', work, join(bench.root, 'served.git')]);
  execFileSync('git', ['update-server-info'], { cwd: join(bench.root, 'served.git') });
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://x').pathname;
    asked.push(path);
    try {
      response.end(readFileSync(join(bench.root, path)));
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/served.git`;
  const checkout = (ref: string | undefined, subdirectory?: string, more = {}) =>
    source({ kind: 'git', url, ref, subdirectory, checksum: undefined, keepGitDir: false, ...more }, 'git');

  const bySubdirectory = copy(scratch(), checkout('main', 'sub'), '/', '/');
  assert.equal(await bench.read(await bench.solve(bySubdirectory), 'ls -A; cat file'), 'file\ncommitted');
  const count = asked.length;
  await bench.solve(copy(scratch(), checkout(commit), '/sub', '/other/'));
  assert.equal(asked.length, count, 'a commit that is here was asked for');
  const byTag = await bench.solve(checkout('v1', undefined, { keepGitDir: true }));
  assert.equal(await bench.read(byTag, 'ls -A'), '.git\nsub\n');
  await assert.rejects(bench.solve(checkout('no-such')), /does not contain ref no-such/);
  await assert.rejects(
    bench.solve(checkout('main', undefined, { checksum: 'ffff' })),
    /expected checksum to match ffff/,
  );
  await assert.rejects(bench.solve(checkout('--upload-pack=touch /tmp/h12-pwned')), /no git URL or ref/);
  const mounted = run(
    busybox(),
    'cat /src/sub/file',
    {
      mounts: [{ type: 'bind', input: 1, source: '', target: '/src', readonly: true }],
    },
    [checkout('main')],
  );
  await bench.solve(mounted);
  assert.equal(bench.output(), 'committed');
});
