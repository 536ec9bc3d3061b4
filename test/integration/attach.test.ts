import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { eventually, sleep } from './harness/command.ts';
import { useEngine } from './harness/suite.ts';

const engine = await useEngine();
const mustDocker = engine.mustDocker.bind(engine);

test('run -it is a terminal: prompt, echo, exit code', async () => {
  await using terminal = engine.dockerOnTerminal('run', '--rm', '-it', 'busybox', 'sh');
  await terminal.waitFor('/ # ');
  terminal.type('tty; exit 6\r');
  await terminal.waitFor('/dev/pts/0');
  assert.equal(await terminal.exited, 6);
});

test('the terminal has the size of the clients, and follows it', async () => {
  await using terminal = engine.dockerOnTerminal('run', '--rm', '-it', 'busybox', 'sh');
  await terminal.waitFor('/ # ');
  terminal.resize(33, 111);
  await sleep(400);
  terminal.type('stty size\r');
  await terminal.waitFor('33 111');
  terminal.resize(44, 99);
  await sleep(400);
  terminal.type('stty size; exit\r');
  await terminal.waitFor('44 99');
  assert.equal(await terminal.exited, 0);
});

test('the detach keys leave the container running, and attach takes it up again', async () => {
  {
    await using terminal = engine.dockerOnTerminal('run', '-it', '--name', 'left', 'busybox', 'sh');
    await terminal.waitFor('/ # ');
    terminal.type('\x10\x11');
    assert.equal(await terminal.exited, 0);
  }
  assert.equal((await engine.inspect('left')).State.Running, true);
  await using terminal = engine.dockerOnTerminal('attach', '--detach-keys', 'ctrl-x,x', 'left');
  await sleep(500);
  terminal.type('echo here$((1+1))\r');
  await terminal.waitFor('here2');
  terminal.type('\x18x');
  await terminal.exited;
  assert.equal((await engine.inspect('left')).State.Running, true);
  await mustDocker('rm', '-f', 'left');
});

test('ctrl-c reaches the program in the terminal', async () => {
  await using terminal = engine.dockerOnTerminal(
    'run',
    '--rm',
    '-it',
    'busybox',
    'sh',
    '-c',
    'trap "exit 42" INT; echo ready; while :; do sleep 0.1; done',
  );
  await terminal.waitFor('ready');
  terminal.type('\x03');
  assert.equal(await terminal.exited, 42);
});

test('attach without a terminal sees both streams and proxies signals', async () => {
  await mustDocker(
    ...['run', '-d', '--name', 'streams', 'busybox', 'sh', '-c'],
    'trap "echo bye; exit 3" TERM; while :; do echo out; echo err >&2; sleep 0.1; done',
  );
  await using attached = engine.dockerInBackground('attach', 'streams');
  await attached.waitForOutput('out');
  attached.child.kill('SIGTERM');
  const result = await attached.result;
  assert.equal(result.code, 3);
  assert.match(result.stdout, /bye/);
  assert.match(result.stderr, /err/);
  await mustDocker('rm', 'streams');
});

test('two clients attached at once both see everything', async () => {
  await mustDocker('run', '-d', '-i', '--name', 'shared', 'busybox', 'cat');
  await using first = engine.dockerInBackground('attach', 'shared');
  await using second = engine.dockerInBackground('attach', '--no-stdin', 'shared');
  await sleep(500);
  first.write('hello\n');
  await first.waitForOutput('hello');
  await second.waitForOutput('hello');
  // Input that was opened for many is not closed by one.
  first.endInput();
  await sleep(300);
  assert.equal((await engine.inspect('shared')).State.Running, true);
  await mustDocker('kill', 'shared');
  assert.equal((await second.result).stdout, 'hello\n');
  await mustDocker('rm', 'shared');
});

test('attach refuses a container that does not run', async () => {
  await mustDocker('create', '--name', 'still', 'busybox');
  const refused = await engine.docker('attach', 'still');
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /[Yy]ou cannot attach to a stopped container, start it first/);
  await mustDocker('rm', 'still');
});

test('start -ai gives input and the code', async () => {
  await mustDocker('create', '-i', '--name', 'fed', 'busybox', 'sh', '-c', 'cat; exit 8');
  const result = await engine.dockerWith({ input: 'some input\n' }, 'start', '-ai', 'fed');
  assert.deepEqual([result.stdout, result.code], ['some input\n', 8]);
  await mustDocker('rm', 'fed');
});

test('a client that reads slowly stops nobody, and loses nothing', async () => {
  await using slow = engine.dockerInBackground('run', '--rm', 'busybox', 'sh', '-c', 'seq 1 300000');
  slow.child.stdout.pause();
  await sleep(1_000);
  assert.equal((await engine.docker('run', '--rm', 'busybox', 'echo', 'meanwhile')).text, 'meanwhile');
  slow.child.stdout.resume();
  const result = await slow.result;
  assert.equal(result.stdout.length, 1_988_895);
});

test('a client that goes away leaves the container running', async () => {
  const client = engine.dockerInBackground(
    'run',
    '--name',
    'orphan',
    'busybox',
    'sh',
    '-c',
    'while :; do echo tick; sleep 0.1; done',
  );
  await client.waitForOutput('tick');
  await client[Symbol.asyncDispose]();
  const linesBefore = (await mustDocker('logs', 'orphan')).length;
  await eventually('it goes on', async () => (await mustDocker('logs', 'orphan')).length > linesBefore);
  await mustDocker('rm', '-f', 'orphan');
});

test('a client that was killed leaves nothing in the daemon, though its container is silent and runs on', async () => {
  const descriptors = () => readdirSync(`/proc/${engine.pid}/fd`).length;
  await mustDocker('run', '-di', '--name', 'silent', 'busybox', 'sleep', '6000');
  const kinds = [
    ['attach', 'silent'],
    ['attach', '--no-stdin', 'silent'],
    ['exec', 'silent', 'sleep', '6000'],
    ['logs', '-f', 'silent'],
  ];
  const before = descriptors();
  for (const words of kinds) {
    const clients = Array.from({ length: 16 }, () => engine.dockerInBackground(...words));
    await eventually(`${words.join(' ')}: they are there`, () => descriptors() >= before + clients.length);
    await sleep(500);
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
    await eventually(`${words.join(' ')}: they are gone`, () => descriptors() <= before, 15_000);
  }
  assert.equal((await engine.inspect('silent')).State.Running, true);
  await mustDocker('rm', '-f', 'silent');
});
