import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, version } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { eventually, runCommand } from './harness/command.ts';
import { loadRuntimes } from './harness/functions.ts';
import { peers, without } from './harness/peers.ts';
import { onDockerd, useEngine } from './harness/suite.ts';

const skip = without('runsc') || (onDockerd && 'it is about Slipway');

describe('gVisor as another runtime', { skip }, async () => {
  if (skip !== false) return;
  const engine = await useEngine({ flags: ['--runtime', `runsc=${peers.runsc}`] });
  const gvisor = ['--runtime', 'runsc'];

  test('a container runs on a kernel of its own, with the bridge network and its exit code', async () => {
    const ran = await engine.docker(
      'run',
      '--rm',
      ...gvisor,
      'busybox',
      'sh',
      '-c',
      'dmesg; ip addr; exit 7',
    );
    assert.match(ran.stdout, /Starting gVisor/);
    assert.match(ran.stdout, /inet 1\d+\.\d+\.\d+\.\d+\/\d+ scope global dynamic/);
    assert.equal(ran.code, 7, ran.stderr);
  });

  test('names of other containers resolve, published ports lead to it', async () => {
    await engine.mustDocker('network', 'create', 'private');
    const serve = 'while :; do echo hello | nc -l -p 80; done';
    await engine.mustDocker(
      ...['run', '-d', '--name', 'server', '--network', 'private', '-p', '127.0.0.1::80', ...gvisor],
      ...['busybox', 'sh', '-c', serve],
    );
    const ask = [
      'run',
      '--rm',
      ...gvisor,
      '--network',
      'private',
      'busybox',
      'nc',
      '-w',
      '2',
      'server',
      '80',
    ];
    await eventually(
      'the server answers by its name',
      async () => (await engine.docker(...ask)).stdout === 'hello\n',
    );
    const address = await engine.mustDocker('port', 'server', '80');
    await eventually(
      'the server answers on its published port',
      async () =>
        (await runCommand(['busybox', 'nc', '-w', '2', ...address.split(':')])).stdout === 'hello\n',
    );
    await engine.mustDocker('rm', '-f', 'server');
    await engine.mustDocker('network', 'rm', 'private');
  });

  test('a function runs on a kernel of its own, cold and warm', async () => {
    await loadRuntimes(engine, ['python3.11']);
    const folder = join(engine.root, 'kernel');
    await mkdir(folder);
    const code = 'import os\ndef handler(event, context):\n    return os.uname().version\n';
    await writeFile(join(folder, 'app.py'), code);
    const deploy = ['fn', 'deploy', '--runtime', 'python3.11', '--handler', 'app.handler', '--timeout', '20'];
    const deployed = await engine.slipway(...deploy, '--isolation', 'runsc', folder);
    assert.equal(deployed.code, 0, deployed.stderr);
    for (const how of ['cold start', 'warm']) {
      const { code, stdout, stderr } = await engine.slipway('fn', 'invoke', 'kernel');
      assert.equal(code, 0, stderr);
      assert.notEqual(JSON.parse(stdout), version());
      assert.match(stderr, new RegExp(how));
    }
    assert.equal((await engine.slipway('fn', 'rm', 'kernel')).code, 0);
    await engine.api({ method: 'DELETE', path: '/slipway/functions/environments' });
  });

  test('exec, logs, cp, diff, pause and stop do what they do elsewhere, also after a restart of the daemon', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'slt-runsc-'));
    const main = 'trap "echo bye; exit 3" TERM; echo out; echo err >&2; while :; do sleep 0.1; done';
    await engine.mustDocker(
      'run',
      '-d',
      '--name',
      'main',
      '-v',
      '/kept',
      ...gvisor,
      'busybox',
      'sh',
      '-c',
      main,
    );
    try {
      assert.equal((await engine.docker('exec', 'main', 'sh', '-c', 'exit 9')).code, 9);
      await engine.mustDocker('exec', 'main', 'sh', '-c', 'echo inside > /w; echo volume > /kept/v');
      await writeFile(join(folder, 'copied'), 'from the host');
      await engine.mustDocker('cp', join(folder, 'copied'), 'main:/etc/copied');
      assert.equal(await engine.mustDocker('exec', 'main', 'cat', '/etc/copied'), 'from the host');
      assert.match(await engine.mustDocker('cp', 'main:/kept/v', '-'), /volume/);
      assert.match(await engine.mustDocker('diff', 'main'), /A \/w/);
      assert.equal(await engine.mustDocker('exec', '--user', 'daemon', 'main', 'id', '-u'), '1');
      await engine.mustDocker('pause', 'main');
      await engine.mustDocker('unpause', 'main');
      await engine.kill();
      await engine.start();
      assert.equal(await engine.mustDocker('exec', 'main', 'echo', 'adopted'), 'adopted');
      await engine.mustDocker('stop', 'main');
      assert.equal(await engine.mustDocker('inspect', '-f', '{{.State.ExitCode}}', 'main'), '3');
      const logs = await engine.docker('logs', 'main');
      assert.deepEqual([logs.stdout, logs.stderr], ['out\nbye\n', 'err\n']);
      await engine.mustDocker('start', 'main');
      assert.equal(await engine.mustDocker('exec', 'main', 'cat', '/w'), 'inside');
    } finally {
      await engine.mustDocker('rm', '-f', '-v', 'main');
      await rm(folder, { recursive: true });
    }
  });

  test('a program that is not there is 127, taking too much memory 137', async () => {
    assert.equal((await engine.docker('run', '--rm', ...gvisor, 'busybox', 'no-such')).code, 127);
    const hungry = ['run', '--rm', '-m', '60m', ...gvisor, 'busybox', 'tail', '/dev/zero'];
    assert.equal((await engine.docker(...hungry)).code, 137);
  });
});
