import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'node:test';
import { eventually, sleep } from './harness/command.ts';
import { Engine } from './harness/engine.ts';
import { busyboxArchive } from './harness/images.ts';
import { useEngine } from './harness/suite.ts';

const engine = await useEngine();
const { mustDocker } = { mustDocker: engine.mustDocker.bind(engine) };

const stateOf = async (name: string) => (await engine.inspect(name, 'container')).State;
const restartDaemon = async () => {
  await engine.kill();
  await engine.start();
};
/** A process that ended may still wait to be reaped by the machine's first one. */
const isAlive = (pid: number): boolean => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};
const freePort = 20_000 + (process.pid % 20_000);
const fetchPage = (port: number): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = '';
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write('GET /page HTTP/1.0\r\n\r\n'));
    socket.on('data', (bytes) => {
      text += bytes;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(text));
  });

test('a running container outlives kill -9 of the daemon: its log is whole, and it obeys the next daemon', async () => {
  const script = 'i=0; while :; do echo line $i; i=$((i+1)); usleep 2000; done';
  await mustDocker('run', '-d', '--name', 'counter', 'busybox', 'sh', '-c', script);
  const before = await engine.inspect('counter');
  for (let round = 0; round < 4; round++) {
    await sleep(150);
    await engine.kill();
    await sleep(150);
    await engine.start();
  }
  const after = await engine.inspect('counter');
  assert.deepEqual(
    [after.State.Status, after.State.Pid, after.State.StartedAt, after.RestartCount],
    ['running', before.State.Pid, before.State.StartedAt, 0],
  );
  assert.deepEqual(after.NetworkSettings, before.NetworkSettings);
  assert.match(await mustDocker('ps', '--format', '{{.Names}} {{.Status}}'), /^counter Up /);

  await using attached = engine.dockerInBackground('attach', '--sig-proxy=false', '--no-stdin', 'counter');
  await attached.waitForOutput(/line \d+\nline \d+\n/);
  await using following = engine.dockerInBackground('logs', '-f', '--tail', '1', 'counter');
  await following.waitForOutput(/line \d+\nline \d+\n/);
  assert.equal(await mustDocker('exec', 'counter', 'echo', 'hello'), 'hello');
  assert.match(await mustDocker('top', 'counter'), /usleep|line \$i/);
  assert.match(
    await mustDocker('stats', '--no-stream', '--format', '{{.Name}} {{.PIDs}}', 'counter'),
    /^counter [1-9]/,
  );

  assert.equal((await engine.docker('stop', '-t', '1', 'counter')).code, 0);
  assert.equal((await attached.result).code, 137);
  assert.equal((await following.result).code, 0);
  assert.equal((await stateOf('counter')).ExitCode, 137);
  const lines = (await mustDocker('logs', 'counter')).split('\n');
  assert.ok(lines.length > 200, `${lines.length} lines`);
  for (const [index, line] of lines.entries()) assert.equal(line, `line ${index}`);
  await mustDocker('start', 'counter');
  await mustDocker('rm', '-f', 'counter');
});

test('what ended while no daemon was there has its own exit code, its whole log and its time', async () => {
  const run = (name: string, script: string, ...flags: readonly string[]) =>
    mustDocker('run', '-d', '--name', name, ...flags, 'busybox', 'sh', '-c', script);
  await run('seven', 'sleep 1; echo the end; exit 7');
  await run('killed', 'sleep 1; kill -9 $$', '--init');
  await run('temporary', 'sleep 1', '--rm', '-v', '/kept');
  await run('faithful', 'sleep 1; exit 3', '--restart', 'always');
  await run(
    'retried',
    'test -e /seen && sleep 60; touch /seen; sleep 1; exit 3',
    '--restart',
    'on-failure:3',
  );
  await run('contented', 'sleep 1; exit 0', '--restart', 'on-failure');
  await run('stopped', 'sleep 60', '--restart', 'unless-stopped', '--stop-signal', 'KILL');
  await mustDocker('stop', 'stopped');
  await engine.kill();
  await sleep(2_500);
  await engine.start();

  const seven = await stateOf('seven');
  assert.deepEqual([seven.Status, seven.ExitCode], ['exited', 7]);
  assert.ok(Date.parse(seven.FinishedAt) - Date.parse(seven.StartedAt) < 2_000, JSON.stringify(seven));
  assert.equal(await mustDocker('logs', 'seven'), 'the end');
  assert.equal(await mustDocker('wait', 'seven'), '7');
  assert.equal((await stateOf('killed')).ExitCode, 137);
  assert.notEqual((await engine.docker('inspect', 'temporary')).code, 0, '--rm was not applied');
  assert.equal(await mustDocker('volume', 'ls', '-q'), '', 'the anonymous volume of --rm stays');
  await eventually('restart=always runs again', async () => (await stateOf('faithful')).Status === 'running');
  await eventually(
    'restart=on-failure runs again',
    async () => (await stateOf('retried')).Status === 'running',
  );
  assert.equal((await stateOf('contented')).Status, 'exited');
  assert.equal((await stateOf('stopped')).Status, 'exited');
  await mustDocker('rm', '-f', 'seven', 'killed', 'faithful', 'retried', 'contented', 'stopped');
});

test('a waiting client learns of the loss, and a new one waits for the same container', async () => {
  await mustDocker('run', '-d', '--name', 'waited', 'busybox', 'sh', '-c', 'sleep 2; exit 9');
  await using lost = engine.dockerInBackground('wait', 'waited');
  await sleep(300);
  await restartDaemon();
  assert.notEqual((await lost.result).code, 0);
  assert.equal(await mustDocker('wait', 'waited'), '9');
  await mustDocker('rm', 'waited');
});

test('published ports are reachable while no daemon is there, and after', async () => {
  const server = 'mkdir /www; echo served > /www/page; httpd -f -p 80 -h /www';
  const publish = ['-p', `127.0.0.1:${freePort}:80`, '-p', `${freePort + 1}:80`];
  await mustDocker('run', '-d', '--name', 'web', ...publish, 'busybox', 'sh', '-c', server);
  const isServed = async (port: number) =>
    (await fetchPage(port).catch((error) => String(error))).includes('served');
  await eventually('the page is served', () => isServed(freePort));
  await engine.kill();
  assert.equal(await isServed(freePort), true, 'not reachable on loopback while the daemon is away');
  await engine.start();
  assert.equal(await isServed(freePort), true);
  assert.equal(await isServed(freePort + 1), true);
  assert.match(await mustDocker('port', 'web'), new RegExp(`80/tcp -> 127.0.0.1:${freePort}`));
  const taken = await engine.docker('run', '--rm', '-p', `127.0.0.1:${freePort}:80`, 'busybox', 'true');
  assert.match(taken.stderr, /port is already allocated/);
  await mustDocker('rm', '-f', 'web');
  await mustDocker('run', '--rm', '-p', `127.0.0.1:${freePort}:80`, 'busybox', 'true');
});

test('names resolve again, also for those who run on, and addresses stay taken', async () => {
  await mustDocker('network', 'create', 'friends');
  for (const name of ['alice', 'bob']) {
    await mustDocker(
      'run',
      '-d',
      '--init',
      '--name',
      name,
      '--network',
      'friends',
      'busybox',
      'sleep',
      '300',
    );
  }
  await restartDaemon();
  assert.match(await mustDocker('exec', 'alice', 'ping', '-c', '1', 'bob'), /1 packets received/);
  await mustDocker(
    'run',
    '-d',
    '--init',
    '--name',
    'carol',
    '--network',
    'friends',
    'busybox',
    'sleep',
    '300',
  );
  assert.match(await mustDocker('exec', 'bob', 'ping', '-c', '1', 'carol'), /1 packets received/);
  const addresses = await Promise.all(
    ['alice', 'bob', 'carol'].map(
      async (name) => (await engine.inspect(name)).NetworkSettings.Networks.friends.IPAddress,
    ),
  );
  assert.equal(new Set(addresses).size, 3, addresses.join(' '));
  const members = (await engine.inspect('friends', 'network')).Containers;
  assert.equal(Object.keys(members).length, 3);
  const inUse = await engine.docker('network', 'rm', 'friends');
  assert.match(inUse.stderr, /has active endpoints/);
  await mustDocker('rm', '-f', 'alice', 'bob', 'carol');
  await mustDocker('network', 'rm', 'friends');
});

test('a paused container, one with a terminal and one with input are taken up as they are', async () => {
  await mustDocker('run', '-d', '--init', '--name', 'frozen', 'busybox', 'sleep', '300');
  await mustDocker('pause', 'frozen');
  await mustDocker('run', '-dit', '--name', 'shell', 'busybox', 'sh');
  await mustDocker('run', '-di', '--name', 'cat', 'busybox', 'cat');
  await restartDaemon();
  assert.equal((await stateOf('frozen')).Status, 'paused');
  await mustDocker('unpause', 'frozen');
  await using echo = engine.dockerInBackground('attach', 'cat');
  echo.write('to and fro\n');
  await echo.waitForOutput('to and fro\n');
  await using terminal = engine.dockerOnTerminal('attach', 'shell');
  terminal.type('echo $((6*7))\n');
  await terminal.waitFor('42');
  terminal.type('exit 5\n');
  assert.equal(await terminal.exited, 5);
  await mustDocker('rm', '-f', 'frozen', 'shell', 'cat');
});

test('the health of a container is watched on', async () => {
  const check = ['--health-cmd', 'test -e /well', '--health-interval', '200ms', '--health-retries', '1'];
  await mustDocker('run', '-d', '--init', '--name', 'patient', ...check, 'busybox', 'sleep', '300');
  await eventually('unhealthy', async () => (await stateOf('patient')).Health.Status === 'unhealthy');
  await restartDaemon();
  await mustDocker('exec', 'patient', 'touch', '/well');
  await eventually('healthy', async () => (await stateOf('patient')).Health.Status === 'healthy');
  await mustDocker('rm', '-f', 'patient');
});

test('SIGTERM leaves containers running; --stop-containers ends them', async () => {
  await mustDocker('run', '-d', '--init', '--name', 'kept', 'busybox', 'sleep', '300');
  const { Pid } = await stateOf('kept');
  assert.equal(await engine.stop(), 0);
  assert.ok(isAlive(Pid));
  await engine.start();
  assert.equal((await stateOf('kept')).Pid, Pid);
  await mustDocker('rm', '-f', 'kept');

  await using other = await Engine.start({ flags: ['--stop-containers'] });
  await other.mustDocker('load', '-i', await busyboxArchive());
  const policy = ['--restart', 'unless-stopped'];
  await other.mustDocker('run', '-d', '--init', '--name', 'ended', 'busybox', 'sleep', '300');
  await other.mustDocker('run', '-d', '--init', '--name', 'back', ...policy, 'busybox', 'sleep', '300');
  const pid: number = (await other.inspect('ended')).State.Pid;
  assert.equal(await other.stop(), 0);
  assert.equal(isAlive(pid), false);
  await other.start();
  assert.equal((await other.inspect('ended')).State.ExitCode, 143);
  await eventually(
    'what the daemon stopped, and not the user, runs again',
    async () => (await other.inspect('back')).State.Status === 'running',
  );
  await other.mustDocker('rm', '-f', 'ended', 'back');
});

test('an exit that came while the machine was off is not invented', async () => {
  await mustDocker('run', '-d', '--init', '--name', 'lost', 'busybox', 'sleep', '300');
  const { Pid } = await stateOf('lost');
  await engine.kill();
  const shim = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${Pid}/status`, 'utf8'))?.[1]);
  process.kill(shim, 'SIGKILL');
  await engine.start();
  const state = await stateOf('lost');
  assert.equal(state.Status, 'exited');
  assert.notEqual(state.ExitCode, 0);
  assert.equal(isAlive(Pid), false, 'a container without a shim runs on');
  await mustDocker('start', 'lost');
  await mustDocker('rm', '-f', 'lost');
});
