import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Container } from '../container.ts';
import { containerStats } from '../observe/stats.ts';
import { topContainer } from '../observe/top.ts';
import { formatLogs, openLogs, parseLogTime } from '../streams/logs.ts';
import { type ContainerBench, openContainerBench } from '../testing.ts';
import { readArchive, statPath, writeArchive } from './archive.ts';
import { changesOf } from './changes.ts';
import { exportContainer } from './export.ts';

describe('cp, export, diff, stats and top', () => {
  let bench: ContainerBench;
  let running: Container;
  before(async () => {
    bench = await openContainerBench('archive');
    running = await bench.start([
      'sh',
      '-c',
      'mkdir -p /data/d; echo hi > /data/d/f; ln -s /data/d /data/l; ln -s / /data/up; rm /bin/yes; sleep 1000',
    ]);
    while (!existsSync(`/proc/${running.task?.pid}/root/data/up`)) await bench.context.clock.sleep(5);
    await bench.context.clock.sleep(50);
  });
  after(() => bench[Symbol.asyncDispose]());

  const names = async (body: AsyncIterable<Uint8Array>) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk);
    return execFileSync('tar', ['-tPf', '-'], { input: Buffer.concat(chunks) })
      .toString()
      .trim()
      .split('\n');
  };
  const list = async (container: Container, path: string) =>
    (await names((await readArchive(bench.context, container, path)).body)).sort();

  const makeTar = (make: (folder: string) => void, member = '.') => {
    const folder = execFileSync('mktemp', ['-d', join(bench.root, 'tar-XXXXXX')])
      .toString()
      .trim();
    make(folder);
    return execFileSync('tar', ['-C', folder, '-cPf', '-', member]);
  };
  const once = async function* (bytes: Uint8Array) {
    yield bytes;
  };
  const put = (container: Container, path: string, tar: Uint8Array, noOverwriteDirNonDir = true) =>
    writeArchive(bench.context, container, path, once(tar), { noOverwriteDirNonDir, copyUidGid: false });

  it('names the entries as docker does, for a folder, what is in it, and the root', async () => {
    assert.deepEqual(await list(running, '/data/d'), ['d/', 'd/f']);
    assert.deepEqual(await list(running, '/data/d/.'), ['./', './f']);
    assert.deepEqual(await list(running, '/data/l/'), ['l/', 'l/f']);
    assert.deepEqual(await list(running, '/data/l'), ['l']);
    assert.ok((await list(await bench.create(['true']), '/')).includes('/bin/busybox'));
  });

  it("tells what a path is in Go's mode bits, and where a link leads", async () => {
    const stat = await statPath(bench.context, running, '/data/l');
    assert.equal(stat.name, 'l');
    assert.equal(stat.linkTarget, '/data/d');
    assert.equal(stat.mode, 2 ** 27 + 0o777);
    assert.equal((await statPath(bench.context, running, '/data/d')).mode, 2 ** 31 + 0o755);
    await assert.rejects(
      statPath(bench.context, running, '/nope'),
      /Could not find the file \/nope in container/,
    );
  });

  it('unpacks into running and stopped containers, through their links and never out of them', async () => {
    const tar = makeTar((folder) => {
      mkdirSync(join(folder, 'sub'));
      writeFileSync(join(folder, 'sub/file'), 'content', { mode: 0o640 });
    });
    await put(running, '/data/l', tar);
    assert.equal(readFileSync(`/proc/${running.task?.pid}/root/data/d/sub/file`, 'utf8'), 'content');
    const stopped = await bench.create(['true']);
    await put(stopped, '/tmp', tar);
    assert.deepEqual(await list(stopped, '/tmp/sub'), ['sub/', 'sub/file']);
    const outward = makeTar((folder) => {
      symlinkSync('/../../../../..', join(folder, 'out'));
    }, 'out');
    await put(stopped, '/tmp', outward);
    const through = execFileSync('sh', [
      '-c',
      `cd ${bench.root} && mkdir -p t && echo x > t/x && tar -cPf - --transform='s,^t/x,out/../${bench.root.slice(1)}/escaped,' t/x`,
    ]);
    await put(stopped, '/tmp', through);
    assert.equal(existsSync(join(bench.root, 'escaped')), false);
  });

  it('refuses a folder over a file, a missing folder, a file to unpack into, a read-only root', async () => {
    const tar = makeTar((folder) => mkdirSync(join(folder, 'f')));
    await assert.rejects(put(running, '/data/d', tar), /cannot overwrite non-directory/);
    await assert.rejects(put(running, '/nope', tar), /Could not find the file/);
    await assert.rejects(put(running, '/data/d/f', tar), /extraction point is not a directory/);
    const readOnly = await bench.create(['true'], { host: { ReadonlyRootfs: true } });
    await assert.rejects(put(readOnly, '/tmp', tar), /container rootfs is marked read-only/);
  });

  it('exports all files of the root file system and tells what was changed in it', async () => {
    const exported = await names(await exportContainer(bench.context, running));
    assert.ok(exported.includes('bin/busybox') && exported.includes('data/d/f'));
    const changes = await changesOf(bench.context, running);
    assert.deepEqual(
      changes.find(({ Path }) => Path === '/bin/yes'),
      { Path: '/bin/yes', Kind: 2 },
    );
    assert.deepEqual(
      changes.find(({ Path }) => Path === '/data/d/f'),
      { Path: '/data/d/f', Kind: 1 },
    );
    assert.deepEqual(
      changes.find(({ Path }) => Path === '/data'),
      { Path: '/data', Kind: 0 },
    );
  });

  it('lists processes and counts what they use', async () => {
    const { Titles, Processes } = await topContainer(running, '');
    assert.equal(Titles[1], 'PID');
    assert.match(Processes[0]?.at(-1) ?? '', /sleep 1000/);
    await assert.rejects(topContainer(running, '-o user'), /Couldn't find PID field/);
    const { signal } = new AbortController();
    for await (const stats of containerStats(
      bench.context,
      running,
      { stream: false, oneShot: true },
      { signal },
    )) {
      const { memory_stats, cpu_stats } = stats as {
        memory_stats: { usage: number };
        cpu_stats: { online_cpus: number };
      };
      assert.ok(memory_stats.usage > 0 && cpu_stats.online_cpus > 0);
    }
  });

  it('reads the log with times, the last lines, and follows to the end', async () => {
    const container = await bench.start(
      ['sh', '-c', 'echo one; sleep 0.2; echo two; sleep 0.2; echo three'],
      { config: { Tty: true } },
    );
    const both = { stdout: true, stderr: true };
    const read = async (options: object, format = { timestamps: false, details: false }) => {
      const entries = await openLogs(bench.context, container, { ...both, follow: false, ...options }, {});
      let text = '';
      for await (const chunk of formatLogs(container, entries, format)) text += Buffer.from(chunk).toString();
      return text;
    };
    assert.equal(await read({ follow: true }), 'one\r\ntwo\r\nthree\r\n');
    assert.equal(await read({ tail: 1 }), 'three\r\n');
    assert.match(
      await read({ tail: 1 }, { timestamps: true, details: false }),
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z three\r\n$/,
    );
    await assert.rejects(
      () => openLogs(bench.context, container, { stdout: false, stderr: false, follow: false }, {}),
      /at least one stream/,
    );
    assert.equal(parseLogTime('since', '12.5'), 12_500_000_000n);
    assert.throws(() => parseLogTime('since', 'yesterday'), /invalid value for "since"/);
  });
});
