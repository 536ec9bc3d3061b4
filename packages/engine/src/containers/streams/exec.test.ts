import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { FrameDecoder } from '@slipway/api/docker';
import { attachedExec, type Container, type ExecConfig } from '../container.ts';
import { startContainer } from '../run/start.ts';
import { type ContainerBench, openContainerBench, TestConnection } from '../testing.ts';
import { attachContainer } from './attach.ts';
import { createExec, inspectExec, startExecAttached, startExecDetached } from './exec.ts';

const CONFIG = attachedExec(['true']);

const decode = (bytes: Buffer) => {
  const out = { stdin: '', stdout: '', stderr: '', system: '' };
  for (const { stream, bytes: part } of new FrameDecoder().push(bytes))
    out[stream] += Buffer.from(part).toString();
  return out;
};

describe('exec and attach', () => {
  let bench: ContainerBench;
  let sleeper: Container;
  before(async () => {
    bench = await openContainerBench('exec');
    sleeper = await bench.start(['sleep', '1000'], { config: { Env: ['A=1'], WorkingDir: '/tmp' } });
  });
  after(() => bench[Symbol.asyncDispose]());

  const run = async (given: Partial<ExecConfig>, input: readonly string[] = []) => {
    const exec = createExec(bench.context, sleeper, { ...CONFIG, ...given });
    const connection = new TestConnection(input);
    await startExecAttached(bench.context, sleeper, exec, { consoleSize: undefined }).serve(connection);
    return { exec, ...decode(connection.received) };
  };

  it("runs with the container's environment and folder, both streams apart, and tells its exit code", async () => {
    const { exec, stdout, stderr } = await run({
      args: ['sh', '-c', 'echo $A $B; pwd; echo no >&2; exit 3'],
      env: ['B=2'],
    });
    assert.equal(stdout, '1 2\n/tmp\n');
    assert.equal(stderr, 'no\n');
    assert.equal(exec.exitCode, 3);
    assert.equal((inspectExec(exec) as { Running: boolean }).Running, false);
  });

  it('hands stdin over and closes it when the client does', async () => {
    const { stdout } = await run({ args: ['cat'], attachStdin: true }, ['ab', 'cd\n']);
    assert.equal(stdout, 'abcd\n');
  });

  it('runs as another user, without capabilities', async () => {
    const { stdout } = await run({
      args: ['sh', '-c', 'id -u; grep CapEff /proc/self/status'],
      user: '1000:1000',
    });
    assert.match(stdout, /^1000\nCapEff:\s+0+\n$/);
  });

  it('tells in the stream, and by 127, that there is no such program', async () => {
    const { exec, stdout } = await run({ args: ['nothing-here'] });
    assert.match(stdout, /OCI runtime exec failed: .*"nothing-here": executable file not found in \$PATH/);
    assert.equal(exec.exitCode, 127);
  });

  it('is refused a second start, and when the container is gone', async () => {
    const { exec } = await run({});
    assert.throws(
      () => startExecAttached(bench.context, sleeper, exec, { consoleSize: undefined }),
      /has already run/,
    );
    const created = await bench.create(['true']);
    assert.throws(() => createExec(bench.context, created, CONFIG), /is not running/);
  });

  it('refuses a detached start of what cannot be executed', async () => {
    const exec = createExec(bench.context, sleeper, { ...CONFIG, args: ['/etc'] });
    await assert.rejects(
      startExecDetached(bench.context, sleeper, exec, { consoleSize: undefined }),
      /permission denied/,
    );
    assert.equal(exec.exitCode, 126);
  });

  it('attaches before the start and misses no byte of 2 MB, and replays the log afterwards', async () => {
    const container = await bench.create([
      'sh',
      '-c',
      'head -c 2000000 /dev/zero | tr "\\0" x; echo end >&2',
    ]);
    const connection = new TestConnection();
    const options = {
      stdin: false,
      stdout: true,
      stderr: true,
      stream: true,
      logs: false,
      detachKeys: undefined,
    };
    const served = attachContainer(bench.context, container, options).serve(connection);
    await startContainer(bench.context, container);
    assert.equal(await served, 'ended');
    const { stdout, stderr } = decode(connection.received);
    assert.equal(stdout.length, 2_000_000);
    assert.equal(stderr, 'end\n');
    const replay = new TestConnection();
    await attachContainer(bench.context, container, { ...options, stream: false, logs: true }).serve(replay);
    assert.equal(decode(replay.received).stdout.length, 2_000_000);
    assert.equal(container.state.status, 'exited');
  });

  it('gives stdin to a container attached before its start, and closes it with StdinOnce', async () => {
    const container = await bench.create(['cat'], { config: { OpenStdin: true, StdinOnce: true } });
    const connection = new TestConnection(['hello\n']);
    const options = {
      stdin: true,
      stdout: true,
      stderr: true,
      stream: true,
      logs: false,
      detachKeys: undefined,
    };
    const served = attachContainer(bench.context, container, options).serve(connection);
    await startContainer(bench.context, container);
    assert.equal(await served, 'ended');
    assert.equal(decode(connection.received).stdout, 'hello\n');
  });

  it("detaches at the keys and leaves a terminal's container running", async () => {
    const container = await bench.create(['cat'], { config: { OpenStdin: true, Tty: true } });
    const connection = new TestConnection(['x', '\x10\x11']);
    const options = {
      stdin: true,
      stdout: true,
      stderr: true,
      stream: true,
      logs: false,
      detachKeys: undefined,
    };
    const served = attachContainer(bench.context, container, options).serve(connection);
    await startContainer(bench.context, container);
    assert.equal(await served, 'detached');
    assert.equal(container.state.status, 'running');
  });
});
