import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, sleep } from './harness/command.ts';
import { useEngine } from './harness/suite.ts';

const engine = await useEngine();
const { mustDocker } = { mustDocker: engine.mustDocker.bind(engine) };

const stateOf = async (name: string) => (await engine.inspect(name, 'container')).State;
const parentOf = (pid: number): number =>
  Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
const isAlive = (pid: number): boolean => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

/** Processes of this engine by a part of their command line. */
function findProcesses(matches: (commandLine: string, pid: number) => boolean): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return matches(readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '), pid);
      } catch {
        return false;
      }
    });
}

test('when a shim is killed its container is ended, waiters hear of it, and it can be started again', async () => {
  await mustDocker('run', '-d', '--init', '--name', 'shimless', 'busybox', 'sleep', '300');
  const { Pid } = await stateOf('shimless');
  await using waiting = engine.dockerInBackground('wait', 'shimless');
  await using attached = engine.dockerInBackground('attach', '--no-stdin', 'shimless');
  await using following = engine.dockerInBackground('logs', '-f', 'shimless');
  await sleep(200);
  process.kill(parentOf(Pid), 'SIGKILL');
  assert.equal((await waiting.result).text, '137');
  assert.equal((await attached.result).code, 137);
  assert.equal((await following.result).code, 0);
  await eventually('its process is gone', () => !isAlive(Pid));
  assert.equal((await stateOf('shimless')).Status, 'exited');
  await mustDocker('start', 'shimless');
  assert.equal(await mustDocker('exec', 'shimless', 'echo', 'again'), 'again');
  await mustDocker('rm', '-f', 'shimless');
});

test('a restart policy holds for a container whose shim was killed', async () => {
  await mustDocker(
    'run',
    '-d',
    '--init',
    '--restart',
    'always',
    '--name',
    'steady',
    'busybox',
    'sleep',
    '300',
  );
  const { Pid } = await stateOf('steady');
  process.kill(parentOf(Pid), 'SIGKILL');
  await eventually('it runs again', async () => {
    const state = await stateOf('steady');
    return state.Status === 'running' && state.Pid !== Pid;
  });
  await mustDocker('rm', '-f', 'steady');
});

test('the process that starts shims is started again when it was killed', async () => {
  const [launcher] = findProcesses(
    (line, pid) => line.includes('slipway-shim launch') && parentOf(pid) === engine.pid,
  );
  assert.ok(launcher !== undefined);
  process.kill(launcher, 'SIGKILL');
  await sleep(100);
  assert.equal(await mustDocker('run', '--rm', 'busybox', 'echo', 'on'), 'on');
  assert.match(engine.log, /launcher ended/);
});

test('a runtime that is killed while it starts a container fails that start alone, and leaves nothing', async () => {
  for (let round = 0; round < 12; round++) {
    const starting = engine.docker('run', '--rm', '--name', `hit-${round}`, 'busybox', 'sleep', '0.3');
    let isOver = false;
    void starting.finally(() => (isOver = true));
    let hit = false;
    while (!isOver && !hit) {
      for (const pid of findProcesses(
        (line) => /crun|runc/.test(line) && line.includes(`${engine.runRoot}/r/`),
      )) {
        try {
          process.kill(pid, 'SIGKILL');
          hit = true;
        } catch {
          // It was quicker.
        }
      }
      await sleep(0);
    }
    const result = await starting;
    if (result.code !== 0) assert.notEqual(result.stderr.trim(), '', 'no word of why');
  }
  assert.equal(await mustDocker('ps', '-aq'), '');
  assert.equal(await mustDocker('run', '--rm', 'busybox', 'echo', 'on'), 'on');
});

test('a program that is killed from outside ends its container with 137', async () => {
  await mustDocker('run', '-d', '--name', 'target', 'busybox', 'sleep', '300');
  const { Pid } = await stateOf('target');
  process.kill(Pid, 'SIGKILL');
  assert.equal(await mustDocker('wait', 'target'), '137');
  assert.equal((await stateOf('target')).OOMKilled, false);
  await mustDocker('rm', 'target');
});

test('a runtime that is no runtime is a clear error', async () => {
  const answer = await engine.docker('run', '--rm', '--runtime', 'nosuch', 'busybox', 'true');
  assert.equal(answer.code, 125);
  assert.match(answer.stderr, /unknown or invalid runtime name: nosuch/);
});

test('a missing writable layer is a clear error that names it, and the container can be removed', async () => {
  const id = await mustDocker('create', '--name', 'hollow', 'busybox', 'true');
  const { UpperDir } = (await engine.inspect(id)).GraphDriver.Data;
  const folder = join(UpperDir, '..');
  await engine.run(['rm', '-rf', folder]);
  const answer = await engine.docker('start', '-a', 'hollow');
  assert.notEqual(answer.code, 0);
  assert.ok(answer.stderr.includes(`its layer ${UpperDir} is missing`), answer.stderr);
  await mustDocker('rm', 'hollow');
});

test('a foreign file where a folder should be does not keep the daemon from starting', async () => {
  await engine.stop();
  writeFileSync(join(engine.dataRoot, 'containers/a-file'), 'x');
  await engine.start();
  assert.equal(await mustDocker('run', '--rm', 'busybox', 'echo', 'on'), 'on');
});
