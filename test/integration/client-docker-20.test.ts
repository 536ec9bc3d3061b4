import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { RunningCommand } from './harness/command.ts';
import { busyboxArchive } from './harness/images.ts';
import { peers, without } from './harness/peers.ts';
import { useEngine } from './harness/suite.ts';
import { Terminal } from './harness/terminal.ts';

const skip = without('oldDocker');
const engine = await useEngine();
const program = peers.oldDocker ?? 'docker';
const docker = (...args: readonly string[]) => engine.run([program, ...args]);
async function mustDocker(...args: readonly string[]): Promise<string> {
  const result = await docker(...args);
  assert.equal(result.code, 0, `docker ${args.join(' ')}: ${result.stderr}`);
  return result.text;
}

test('docker CLI 20.10: version, info, images', { skip }, async () => {
  assert.match(await mustDocker('version', '--format', '{{.Client.Version}}'), /^20\.10/);
  assert.match(await mustDocker('info', '--format', '{{.ServerVersion}}'), /./);
  assert.match(await mustDocker('images'), /^busybox\s+latest/m);
  assert.match(await mustDocker('load', '-i', await busyboxArchive()), /Loaded image: busybox:latest/);
});

test('docker CLI 20.10: run, exit codes, input, a terminal', { skip }, async () => {
  const result = await docker('run', '--rm', 'busybox', 'sh', '-c', 'echo out; echo err >&2; exit 3');
  assert.deepEqual([result.stdout, result.stderr, result.code], ['out\n', 'err\n', 3]);
  assert.equal((await docker('run', '--rm', 'busybox', 'nosuchcommand')).code, 127);
  const fed = await engine.run([program, 'run', '--rm', '-i', 'busybox', 'wc', '-c'], {
    input: 'x'.repeat(100_000),
  });
  assert.equal(fed.text, '100000');
  await using terminal = new Terminal([program, 'run', '--rm', '-it', 'busybox', 'sh'], engine.env);
  await terminal.waitFor('/ # ');
  terminal.type('exit 5\r');
  assert.equal(await terminal.exited, 5);
});

test('docker CLI 20.10: a whole life with exec, logs, cp, stats, top, inspect, stop', { skip }, async () => {
  await mustDocker('volume', 'create', 'old');
  await mustDocker(
    'run',
    '-d',
    '--name',
    'box',
    '-v',
    'old:/v',
    '-p',
    '127.0.0.1::80',
    'busybox',
    'sh',
    '-c',
    'echo up; exec sleep 600',
  );
  assert.equal(await mustDocker('exec', 'box', 'sh', '-c', 'echo inside'), 'inside');
  assert.equal((await docker('exec', 'box', 'sh', '-c', 'exit 4')).code, 4);
  assert.equal(await mustDocker('logs', 'box'), 'up');
  writeFileSync(join(engine.root, 'in'), 'copied');
  await mustDocker('cp', join(engine.root, 'in'), 'box:/v/in');
  await mustDocker('cp', 'box:/v/in', join(engine.root, 'out'));
  assert.equal(readFileSync(join(engine.root, 'out'), 'utf8'), 'copied');
  assert.match(await mustDocker('stats', '--no-stream'), /box/);
  assert.match(await mustDocker('top', 'box'), /sleep 600/);
  assert.match(await mustDocker('port', 'box'), /80\/tcp -> 127\.0\.0\.1:\d+/);
  assert.match(await mustDocker('ps'), /busybox\s+"sh -c 'echo up; exe/);
  assert.match(
    await mustDocker('inspect', '-f', '{{.State.Status}} {{.HostConfig.NetworkMode}}', 'box'),
    /^running (default|bridge)$/,
  );
  await mustDocker('restart', '-t', '0', 'box');
  await mustDocker('rename', 'box', 'renamed');
  await mustDocker('stop', '-t', '0', 'renamed');
  assert.equal(await mustDocker('wait', 'renamed'), '137');
  await mustDocker('rm', 'renamed');
  await mustDocker('volume', 'rm', 'old');
});

test('docker CLI 20.10: networks with names, events, df', { skip }, async () => {
  await using events = new RunningCommand([program, 'events', '--format', '{{.Type}} {{.Action}}'], {
    env: engine.env,
  });
  await mustDocker('network', 'create', 'oldnet');
  await mustDocker('run', '-d', '--name', 'srv', '--network', 'oldnet', 'busybox', 'sleep', '600');
  assert.match(
    await mustDocker('run', '--rm', '--network', 'oldnet', 'busybox', 'ping', '-c1', '-w3', 'srv'),
    / 0% packet loss/,
  );
  await mustDocker('rm', '-f', 'srv');
  await mustDocker('network', 'rm', 'oldnet');
  await events.waitForOutput('network destroy');
  assert.match(await mustDocker('system', 'df'), /Images\s+1/);
});
