import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { hostPath, isSlipwayError } from '@slipway/base';
import { openLog } from './logs/read-log.ts';
import { buildSpec } from './spec/build-spec.ts';
import { minimalOptions } from './spec/minimal.ts';
import type { OciProcess } from './spec/oci-spec.ts';
import { type Bench, Collector, isSomethingLeft, openBench } from './testing.ts';

const all = { stdout: true, stderr: true };

async function logText(bench: Bench, id: string): Promise<string> {
  let text = '';
  for await (const entry of await openLog(join(bench.bundle(id), 'log') as never, all))
    text += Buffer.from(entry.bytes);
  return text;
}

async function until(what: string, check: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (await check()) return;
    await sleep(20);
  }
  assert.fail(`waited in vain for ${what}`);
}

const execProcess = (args: string[], terminal = false): OciProcess => ({
  ...buildSpec(minimalOptions({ id: 'x', rootfsPath: '/', args, cgroupsPath: '/x', terminal })).process,
});

for (const runtime of ['crun', 'runc']) {
  describe(`a container under ${runtime}`, () => {
    let bench: Bench;
    before(async () => {
      bench = await openBench(runtime);
    });
    after(() => bench.close());

    test('its output reaches the sink and the log, and its exit code is told', async () => {
      const result = await bench.run('out', ['sh', '-c', 'echo one; echo two >&2; exit 7'], { runtime });
      assert.deepEqual([result.exitCode, result.stdout, result.stderr], [7, 'one\n', 'two\n']);
      assert.deepEqual((await logText(bench, 'out')).split('\n').sort(), ['', 'one', 'two']);
      const record = JSON.parse(readFileSync(join(bench.bundle('out'), 'exit.json'), 'utf8'));
      assert.equal(record.exitCode, 7);
    });

    test('a death by signal is 128 and its number', async () => {
      const result = await bench.run('sig', ['sh', '-c', 'kill -TERM $$; sleep 5'], {
        runtime,
        spec: { namespaces: hostPid },
      });
      assert.equal(result.exitCode, 143);
    });

    test('folders are grafted into it while it runs, read-only, several laid over each other', async () => {
      const [a, b] = [join(bench.root, `graft-a-${runtime}`), join(bench.root, `graft-b-${runtime}`)];
      for (const folder of [a, b]) {
        mkdirSync(folder);
        writeFileSync(join(folder, 'both'), folder);
      }
      writeFileSync(join(b, 'below'), 'b');
      const sink = new Collector();
      const script = 'read line; cat /tmp/both /tmp/below; touch /tmp/x || echo refused';
      const task = await bench.start('graft', ['sh', '-c', script], { runtime, stdin: true, attach: [sink] });
      await task.graft({ mounts: [{ target: '/tmp', sources: [hostPath(a), hostPath(b)] }] });
      await assert.rejects(
        task.graft({ mounts: [{ target: '/tmp', sources: [hostPath(join(bench.root, 'not-there'))] }] }),
        /cannot bind/,
      );
      await task.writeStdin(Buffer.from('go\n'));
      await task.exited;
      assert.equal(sink.stdout, `${a}brefused\n`);
      await task.delete();
    });

    test('what was written before a flush is delivered when it resolves', async () => {
      const sink = new Collector();
      const script = 'while read line; do echo "got $line"; : > /tmp/done; done';
      const task = await bench.start('flush', ['sh', '-c', script], { runtime, stdin: true, attach: [sink] });
      for (let round = 1; round <= 20; round++) {
        const done = `${task.root}/tmp/done`;
        await task.writeStdin(Buffer.from(`${round}\n`));
        await until('the line to be written', () => existsSync(done));
        await task.flush();
        assert.ok(sink.stdout.endsWith(`got ${round}\n`));
        rmSync(done);
      }
      await task.closeStdin();
      await task.exited;
      await task.flush();
      await task.delete();
    });

    test('its limits change at once, and its peak of memory is told, also at its end', async () => {
      const script = 'read line; head -c 20000000 /dev/zero | tail -c 19000000 > /dev/null; read line';
      const task = await bench.start('limits', ['sh', '-c', script], { runtime, stdin: true });
      task.limit({ memoryBytes: 64 << 20, cpu: { quotaUs: 10_000, periodUs: 20_000 } });
      assert.equal((await task.metrics()).memory.limitBytes, 64 << 20);
      {
        using peak = task.memoryPeak();
        peak.reset();
        await task.writeStdin(Buffer.from('go\n'));
        await until('it to use memory', () => peak.readBytes() > 15e6);
      }
      task.limit({ memoryBytes: 128 << 20, cpu: 'max' });
      assert.equal((await task.metrics()).memory.limitBytes, 128 << 20);
      await task.closeStdin();
      const { memoryPeakBytes = 0 } = await task.exited;
      assert.ok(memoryPeakBytes > 15e6 && memoryPeakBytes < 64 << 20, `the peak was ${memoryPeakBytes}`);
      await task.delete();
    });

    test('a program that is not there, or cannot be executed, is told apart', async () => {
      await assert.rejects(bench.start('nope', ['nope'], { runtime }), (error) => {
        assert.ok(isSlipwayError(error, 'NotFound'), String(error));
        assert.equal(error.reason, 'EXEC_NOT_FOUND');
        return true;
      });
      await assert.rejects(bench.start('nopath', ['/bin/nope'], { runtime }), { reason: 'EXEC_NOT_FOUND' });
      writeFileSync(join(bench.root, 'layer/plain'), 'text', { mode: 0o644 });
      await assert.rejects(bench.start('plain', ['/plain'], { runtime }), { reason: 'EXEC_NOT_EXECUTABLE' });
      await assert.rejects(bench.start('folder', ['/etc'], { runtime }), (error) =>
        isSlipwayError(error, 'PermissionDenied', 'NotFound'),
      );
    });

    test('stdin arrives whole, and its end', async () => {
      const output = new Collector();
      const task = await bench.start('stdin', ['cat'], { runtime, stdin: true, attach: [output] });
      const bytes = Buffer.alloc(1_000_000, 'abcdefghi\n');
      await task.writeStdin(bytes);
      await task.closeStdin();
      assert.equal((await task.exited).exitCode, 0);
      assert.equal(output.stdout.length, bytes.length);
      await task.delete();
    });

    test('a terminal has the size it was given, and echoes', async () => {
      const output = new Collector();
      const task = await bench.start('tty', ['sh'], {
        runtime,
        stdin: true,
        attach: [output],
        spec: { terminal: true },
      });
      await task.resize({ rows: 33, columns: 101 });
      await task.writeStdin(Buffer.from('stty size; exit 4\n'));
      assert.equal((await task.exited).exitCode, 4);
      assert.match(output.stdout, /33 101/);
      await task.delete();
    });

    test('an exec has streams and an exit code of its own', async () => {
      const task = await bench.start('exec', ['sleep', '100'], { runtime });
      const output = new Collector();
      const process = await task.exec({
        execId: 'e',
        process: execProcess(['sh', '-c', 'cat; echo err >&2; exit 9']),
        stdin: true,
        attach: [output],
      });
      await process.writeStdin(Buffer.from('hello'));
      await process.closeStdin();
      assert.equal((await process.exited).exitCode, 9);
      assert.deepEqual([output.stdout, output.stderr], ['hello', 'err\n']);
      await assert.rejects(
        task.exec({ execId: 'f', process: execProcess(['nope']), stdin: false, attach: [] }),
        { reason: 'EXEC_NOT_FOUND' },
      );
      const terminal = new Collector();
      const shell = await task.exec({
        execId: 'g',
        process: execProcess(['tty'], true),
        stdin: false,
        attach: [terminal],
      });
      assert.equal((await shell.exited).exitCode, 0);
      assert.match(terminal.stdout, /\/dev\//);
      assert.match(readFileSync(`/proc/${task.pid}/status`, 'utf8'), /^Seccomp:\s*2$/m);
      await task.signal(9);
      assert.equal((await task.exited).exitCode, 137);
      await assert.rejects(task.signal(9), { code: 'NotFound' });
      await task.delete();
    });

    test('pause, resume, update, pids and metrics work on it', async () => {
      const task = await bench.start('ctl', ['sleep', '100'], { runtime });
      await task.pause();
      await task.resume();
      await task.update({ memory: { limit: 64 * 1024 * 1024 } });
      const metrics = await task.metrics();
      assert.equal(metrics.memory.limitBytes, 64 * 1024 * 1024);
      assert.ok(metrics.cpu.usageNs > 0);
      assert.deepEqual(await task.pids(), [task.pid]);
      await task.signalAll(9);
      assert.equal((await task.exited).exitCode, 137);
      await task.delete();
    });

    test('an out-of-memory kill is told, and told live', async () => {
      const spec = { resources: { memoryBytes: 8 * 1024 * 1024, memorySwapBytes: 8 * 1024 * 1024 } };
      const task = await bench.start(
        'oom',
        ['sh', '-c', 'head -c 100m /dev/zero | tail; sleep 0.2; echo still here'],
        { runtime, spec },
      );
      let ooms = 0;
      task.onOom(() => {
        ooms += 1;
      });
      const exit = await task.exited;
      assert.equal(exit.oomKilled, true);
      assert.ok(ooms >= 1);
      await task.delete();
    });
  });
}

const own = { kind: 'new' } as const;
const hostPid = {
  pid: { kind: 'host' },
  ipc: own,
  uts: own,
  network: own,
  cgroup: { kind: 'host' },
  user: { kind: 'host' },
} as const;

describe('the shim', () => {
  let bench: Bench;
  before(async () => {
    bench = await openBench('shim');
  });
  after(() => bench.close());

  test('loses nothing of a large output, also when the reader is slow', async () => {
    let size = 0;
    const slow = {
      write: async ({ bytes }: { bytes: Uint8Array }) => {
        size += bytes.byteLength;
        await new Promise((resolve) => setImmediate(resolve));
      },
      end: () => {},
    };
    const task = await bench.start('large', ['sh', '-c', 'yes 0123456789 | head -c 6000000'], {
      attach: [slow],
    });
    await task.exited;
    assert.equal(size, 6_000_000);
    await task.delete();
    assert.equal((await logText(bench, 'large')).length, 6_000_000);
  });

  test('loses no byte of a hundred short runs', async () => {
    for (let round = 0; round < 25; round++) {
      const ids = [0, 1, 2, 3].map((n) => `q${round}-${n}`);
      const results = await Promise.all(ids.map((id) => bench.run(id, ['echo', id])));
      assert.deepEqual(
        results.map(({ stdout }) => stdout),
        ids.map((id) => `${id}\n`),
      );
    }
  });

  test('undoes a sandbox that is given up, and shows its files before', async () => {
    const sandbox = await bench.open('box');
    assert.ok(existsSync(join(sandbox.rootfs, 'bin/busybox')));
    writeFileSync(join(sandbox.rootfs, 'made'), 'x');
    await sandbox[Symbol.asyncDispose]();
    assert.ok(existsSync(join(bench.bundle('box'), 'upper/made')));
    assert.ok(!existsSync(join(bench.bundle('box'), 'rootfs/bin')));
  });

  test('binds volumes into a sandbox, never outside of its root', async () => {
    const bundle = bench.bundle('binds');
    for (const folder of ['upper', 'work', 'volume']) mkdirSync(join(bundle, folder), { recursive: true });
    symlinkSync('/../../../../../../tmp', join(bundle, 'upper/link'));
    writeFileSync(join(bundle, 'volume/data'), 'x');
    const rootfs = {
      lower: [join(bench.root, 'layer')],
      upper: join(bundle, 'upper'),
      work: join(bundle, 'work'),
    };
    const source = hostPath(join(bundle, 'volume'));
    const binds = [
      { source, target: '/new/place' },
      { source, target: '/link/inside' },
      { source: hostPath(join(source, 'data')), target: '/etc/file' },
    ];
    await using sandbox = await bench.runtime.open({ id: 'binds', bundle, rootfs, binds }, {});
    for (const path of ['new/place/data', 'tmp/inside/data', 'etc/file']) {
      assert.equal(readFileSync(join(sandbox.rootfs, path), 'utf8'), 'x');
    }
    assert.ok(!existsSync('/tmp/inside'));
  });

  test('names the layer that is missing', async () => {
    const bundle = bench.bundle('broken');
    await bench.open('broken').then((sandbox) => sandbox[Symbol.asyncDispose]());
    const rootfs = { lower: ['/nowhere/at/all'], upper: join(bundle, 'upper'), work: join(bundle, 'work') };
    await assert.rejects(
      bench.runtime.open({ id: 'broken', bundle, rootfs }, {}),
      /its layer \/nowhere\/at\/all is missing/,
    );
  });

  test('mounts more layers than fit in a page', async () => {
    const long = 'x'.repeat(200);
    const lower = Array.from({ length: 40 }, (_, n) => join(bench.root, `${n}${long}`));
    for (const [n, path] of lower.entries()) {
      mkdirSync(path);
      writeFileSync(join(path, `file${n}`), '');
    }
    const bundle = bench.bundle('many');
    for (const folder of ['upper', 'work']) mkdirSync(join(bundle, folder), { recursive: true });
    const rootfs = { lower, upper: join(bundle, 'upper'), work: join(bundle, 'work') };
    await using sandbox = await bench.runtime.open({ id: 'many', bundle, rootfs }, {});
    assert.equal(readdirSync(sandbox.rootfs).length, 40);
  });

  test('does not wait for a grandchild that keeps the pipe', async () => {
    const task = await bench.start('holder', ['sleep', '100']);
    const output = new Collector();
    const process = await task.exec({
      execId: 'h',
      process: execProcess(['sh', '-c', 'sleep 50 & echo done']),
      stdin: false,
      attach: [output],
    });
    const began = performance.now();
    assert.equal((await process.exited).exitCode, 0);
    assert.ok(performance.now() - began < 3000);
    assert.equal(output.stdout, 'done\n');
    await task.signal(9);
    await task.exited;
    await task.delete();
  });

  test('rotates the log, and a follower sees every line once', async () => {
    const id = 'rotate';
    const task = await bench.start(
      id,
      ['sh', '-c', 'i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done'],
      { log: { maxSizeBytes: 20_000, maxFiles: 100 } },
    );
    const lines: string[] = [];
    const follow = task.exited.then(() => {});
    for await (const { bytes } of await openLog(join(bench.bundle(id), 'log') as never, { ...all, follow }))
      lines.push(String(bytes).trim());
    await task.delete();
    assert.deepEqual(
      lines,
      Array.from({ length: 3000 }, (_, n) => `line ${n}`),
    );
    assert.ok(existsSync(join(bench.bundle(id), 'log.5')));
    const tail: string[] = [];
    for await (const { bytes } of await openLog(join(bench.bundle(id), 'log') as never, {
      ...all,
      tail: 700,
    }))
      tail.push(String(bytes).trim());
    assert.deepEqual([tail.length, tail[0], tail.at(-1)], [700, 'line 2300', 'line 2999']);
  });

  test('cuts lines at 16 KiB and keeps what is not UTF-8 out of the JSON', async () => {
    await bench.run('partial', [
      'sh',
      '-c',
      "head -c 20000 /dev/zero | tr '\\0' a; printf '\\377<&>\\001\"'",
    ]);
    const records = readFileSync(join(bench.bundle('partial'), 'log'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      records.map(({ log }) => log.length),
      [16384, 20000 - 16384 + 6],
    );
    assert.ok(records[1].log.endsWith('\ufffd<&>\u0001"'));
  });

  test('a container is adopted after its daemon was killed, and no line is lost', async () => {
    const helper = startHelper(
      bench.root,
      'adopted',
      'i=0; while [ $i -lt 60 ]; do echo line $i; i=$((i+1)); sleep 0.02; done; exit 5',
    );
    await until(
      'a line',
      async () =>
        existsSync(join(bench.bundle('adopted'), 'log')) &&
        (await logText(bench, 'adopted')).includes('line 5\n'),
    );
    helper.kill('SIGKILL');
    const adopted = await bench.runtime.adopt({ id: 'adopted', bundle: bench.bundle('adopted') });
    assert.ok(adopted !== undefined && 'task' in adopted);
    assert.ok(adopted.task.pid > 0 && adopted.task.startedAtNs > 0n);
    assert.equal((await adopted.task.exited).exitCode, 5);
    await adopted.task.delete();
    assert.equal(
      await logText(bench, 'adopted'),
      Array.from({ length: 60 }, (_, n) => `line ${n}\n`).join(''),
    );
  });

  test('a container that ended while no daemon was there is known by its record', async () => {
    const helper = startHelper(bench.root, 'meanwhile', 'echo begun; sleep 0.4; echo ended; exit 6');
    await until(
      'a line',
      async () =>
        existsSync(join(bench.bundle('meanwhile'), 'log')) &&
        (await logText(bench, 'meanwhile')).includes('begun'),
    );
    helper.kill('SIGKILL');
    await until('the record', () => existsSync(join(bench.bundle('meanwhile'), 'exit.json')));
    const adopted = await bench.runtime.adopt({ id: 'meanwhile', bundle: bench.bundle('meanwhile') });
    const exit =
      adopted === undefined ? undefined : 'exit' in adopted ? adopted.exit : await adopted.task.exited;
    assert.equal(exit?.exitCode, 6);
    assert.equal(await logText(bench, 'meanwhile'), 'begun\nended\n');
  });

  test('a container whose shim was killed is killed too', async () => {
    const task = await bench.start('orphan', ['sleep', '100']);
    const parent = () =>
      Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${task.pid}/status`, 'utf8'))?.[1]);
    // crun leaves a helper behind that is the parent for a moment more, and may go while it is looked at.
    const isShim = () => {
      try {
        return readFileSync(`/proc/${parent()}/comm`, 'utf8') === 'slipway-shim\n';
      } catch {
        return false;
      }
    };
    await until('the shim to be the parent', isShim);
    const shim = parent();
    process.kill(shim, 'SIGKILL');
    assert.equal((await task.exited).exitCode, 137);
    await task.delete();
    // Its zombie waits for the machine's init.
    const dead = () =>
      !existsSync(`/proc/${task.pid}`) ||
      /State:\s*[ZX]/.test(readFileSync(`/proc/${task.pid}/status`, 'utf8'));
    await until('its death', dead);
    assert.equal(await bench.runtime.adopt({ id: 'unknown', bundle: bench.bundle('unknown') }), undefined);
  });

  test('a daemon killed at any moment of a start leaves nothing that a sweep does not find', async () => {
    for (const afterMs of [0, 2, 5, 8, 12, 20]) {
      const id = `sudden-${afterMs}`;
      const helper = startHelper(bench.root, id, 'sleep 100');
      await until('the helper', () => existsSync(join(bench.root, `${id}.begins`)));
      await sleep(afterMs);
      const exited = once(helper, 'exit');
      helper.kill('SIGKILL');
      await exited;
      await bench.runtime.sweep(new Set());
      await until('a clean place', () => !isSomethingLeft(bench.root));
    }
  });
});

/** A process of its own that starts a container, as the daemon does, and then only waits. */
function startHelper(root: string, id: string, script: string): ChildProcess {
  const code = `
    const { writeFileSync } = await import('node:fs');
    const { openBench } = await import(${JSON.stringify(join(import.meta.dirname, 'testing.ts'))});
    const bench = await openBench('helper', ${JSON.stringify(root)});
    writeFileSync(${JSON.stringify(join(root, `${id}.begins`))}, '');
    const task = await bench.start(${JSON.stringify(id)}, ['sh', '-c', ${JSON.stringify(script)}]);
    await task.exited;`;
  return spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: 'inherit' });
}
