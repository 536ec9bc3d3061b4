import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkoutRoot } from '../architecture/source-files.ts';
import { eventually, RunningCommand } from './harness/command.ts';
import { useEngine } from './harness/suite.ts';
import { Terminal } from './harness/terminal.ts';

const engine = await useEngine();
const SLIPWAY = join(checkoutRoot, 'script/slipway');
const slipway = (...args: readonly string[]) => engine.slipway(...args);
const mustSlipway = async (...args: readonly string[]) => {
  const result = await slipway(...args);
  assert.equal(result.code, 0, `slipway ${args.join(' ')}: ${result.stderr}`);
  return result.text;
};
const onTerminal = (...args: readonly string[]) => new Terminal([SLIPWAY, ...args], engine.env);
const sh = (script: string, ...flags: readonly string[]) =>
  slipway('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);

test('run ends as its container does, and tells its own failures apart', async () => {
  const cases: readonly (readonly [code: number, stderr: RegExp, ...args: string[]])[] = [
    [3, /^$/, 'busybox', 'sh', '-c', 'exit 3'],
    [137, /^$/, '--init', 'busybox', 'sh', '-c', 'kill -9 $$'],
    [127, /^slipway: .*"nosuch": executable file not found in \$PATH/, 'busybox', 'nosuch'],
    [126, /^slipway: .*"\/etc": permission denied/, 'busybox', '/etc'],
    [125, /registry localhost:1, repository nosuchimage: .*ECONNREFUSED/, 'localhost:1/nosuchimage'],
    [125, /^slipway: unknown flag: --nme; did you mean --name\?/, '--nme', 'busybox'],
    [125, /^slipway: invalid port "x"/, '-p', 'x', 'busybox'],
    [125, /^slipway: invalid mount "foo"/, '--mount', 'foo', 'busybox'],
    [125, /^slipway: cannot attach to "foo"/, '-a', 'foo', 'busybox'],
    [125, /^slipway: network nope not found/, '--network', 'nope', 'busybox'],
    [125, /cannot specify both --restart and --rm/, '--restart', 'always', 'busybox'],
  ];
  for (const [code, stderr, ...args] of cases) {
    const result = await slipway('run', '--rm', ...args);
    assert.equal(result.code, code, `${args.join(' ')}: ${result.stderr}`);
    assert.match(result.stderr, stderr);
  }
  assert.equal(await mustSlipway('ps', '-aq'), '');
});

test('the flags of run reach the container', async () => {
  const file = join(engine.root, 'env');
  writeFileSync(file, '# comment\nA=1\nFROM_HERE\n');
  mkdirSync(join(engine.root, 'mnt'));
  writeFileSync(join(engine.root, 'mnt/f'), 'bound');
  const cases: readonly (readonly [script: string, output: RegExp, ...flags: string[]])[] = [
    ['echo $A$B', /^12$/, '--env-file', file, '-e', 'B=2'],
    ['id -u; id -g; id -G', /^5\n6\n6 9$/, '-u', '5:6', '--group-add', '9'],
    ['pwd; hostname; touch /x', /^\/srv\nbox$/, '-w', '/srv', '-h', 'box', '--read-only=false'],
    ['touch /x 2>&1', /Read-only file system/, '--read-only'],
    ['cat /m/f; touch /m/x 2>&1', /^bound.*Read-only/, '-v', `${engine.root}/mnt:/m:ro`],
    ['cat /m/f', /^bound$/, '--mount', `type=bind,src=${engine.root}/mnt,dst=/m`],
    ['df -k /t | tail -1', /\b2048\b/, '--tmpfs', '/t:size=2m'],
    ['df -k /dev/shm | tail -1', /\b3072\b/, '--shm-size', '3m'],
    [
      'cat /etc/hosts /etc/resolv.conf',
      /1\.2\.3\.4\s+a\b[\s\S]*9\.9\.9\.9/,
      '--add-host=a:1.2.3.4',
      '--dns=9.9.9.9',
    ],
    ['ulimit -n; cat /proc/1/comm', /^99\n(tini|docker-init)/, '--ulimit', 'nofile=99:100', '--init'],
    ['grep CapEff /proc/self/status', /0{16}$/, '--cap-drop', 'ALL'],
    ['ls /sys/class/net', /^lo$/, '--network', 'none'],
  ];
  for (const [script, output, ...flags] of cases) {
    const result = await sh(`${script}; true`, ...flags);
    assert.match(result.text, output, `${flags.join(' ')}: ${result.stderr}`);
  }
  await mustSlipway(
    ...[
      'create',
      '--name',
      'limited',
      '-m',
      '32m',
      '--memory-swap',
      '64m',
      '--cpus',
      '0.5',
      '--pids-limit',
      '50',
    ],
    ...['--restart', 'on-failure:2', '--stop-signal', 'INT', '--label', 'a=b', 'busybox'],
  );
  const { HostConfig: host, Config: config } = await engine.inspect('limited');
  assert.deepEqual(
    [host.Memory, host.MemorySwap, host.NanoCpus, host.PidsLimit, host.RestartPolicy.MaximumRetryCount],
    [32 << 20, 64 << 20, 5e8, 50, 2],
  );
  assert.deepEqual([config.StopSignal, config.Labels.a], ['INT', 'b']);
  await mustSlipway('rm', 'limited');
});

test('standard input reaches run and exec, and its end too', async () => {
  const script = join(checkoutRoot, 'script/slipway');
  const sorted = await engine.run([script, 'run', '--rm', '-i', 'busybox', 'sort'], { input: 'b\na\n' });
  assert.equal(sorted.stdout, 'a\nb\n');
  await mustSlipway('run', '-d', '--name', 'reader', 'busybox', 'sleep', '600');
  const counted = await engine.run([script, 'exec', '-i', 'reader', 'wc', '-c'], {
    input: 'x'.repeat(100_000),
  });
  assert.equal(counted.text, '100000');
  assert.equal((await slipway('exec', 'reader', 'nosuch')).code, 127);
  assert.equal((await slipway('exec', 'reader', 'sh', '-c', 'exit 9')).code, 9);
  assert.equal(
    await mustSlipway('exec', '-w', '/etc', '-e', 'A=1', 'reader', 'sh', '-c', 'echo $PWD$A'),
    '/etc1',
  );
  await mustSlipway('rm', '-f', 'reader');
});

test('--cidfile is written once, and never over another', async () => {
  const cidfile = join(engine.root, 'cid');
  await mustSlipway('run', '--rm', '--cidfile', cidfile, 'busybox', 'true');
  assert.match(readFileSync(cidfile, 'utf8'), /^[0-9a-f]{64}$/);
  assert.equal((await slipway('run', '--rm', '--cidfile', cidfile, 'busybox', 'true')).code, 125);
});

test('signals go to the container', async () => {
  await using command = new RunningCommand(
    [
      SLIPWAY,
      'run',
      '--rm',
      'busybox',
      'sh',
      '-c',
      'trap "echo got; exit 9" INT; echo up; while :; do sleep 0.1; done',
    ],
    { env: engine.env },
  );
  await command.waitForOutput('up');
  command.child.kill('SIGINT');
  const result = await command.result;
  assert.deepEqual([result.code, result.text], [9, 'up\ngot']);
});

test('a terminal has its size before the first byte, follows it, and survives a detach', async () => {
  const run = `run --rm -it --name sized busybox sh -c 'stty size; read x; stty size'`;
  await using first = new Terminal(['sh', '-c', `stty rows 33 cols 101; exec ${SLIPWAY} ${run}`], engine.env);
  await first.waitFor('33 101');
  first.resize(20, 50);
  const size = () => slipway('exec', 'sized', 'sh', '-c', 'stty size </dev/pts/0');
  await eventually('the new size', async () => (await size()).text === '20 50');
  first.type('\r');
  await first.waitFor('20 50');
  assert.equal(await first.exited, 0);

  await using second = onTerminal('run', '-it', '--name', 'left', 'busybox', 'sh');
  await second.waitFor('# ');
  second.type('\u0010\u0011');
  assert.equal(await second.exited, 0);
  assert.equal(
    (await mustSlipway('ps', '-q', '--filter', 'name=left', '--no-trunc', '--filter', 'status=running')) !==
      '',
    true,
  );
  await using third = onTerminal('attach', 'left');
  await eventually('the prompt', () => {
    third.type('echo X$((1+1))\r');
    return third.output.includes('X2');
  });
  third.type('exit 5\r');
  assert.equal(await third.exited, 5);
  await using fourth = onTerminal('start', '-ai', 'left');
  await fourth.waitFor('# ');
  fourth.type('exit 4\r');
  assert.equal(await fourth.exited, 4);
  await mustSlipway('rm', 'left');
});

test('a terminal is as it was after a run that was killed', async () => {
  const pidfile = join(engine.root, 'pid');
  const run = `sh -c 'echo $$ > ${pidfile}; exec ${SLIPWAY} run --rm -it --name raw busybox sh'`;
  await using shell = new Terminal(['sh', '-c', `${run}; stty -a; echo done`], engine.env);
  await shell.waitFor('# ');
  process.kill(Number(readFileSync(pidfile, 'utf8')), 'SIGTERM');
  await shell.waitFor('done');
  assert.match(shell.output, / icanon /);
  await slipway('kill', 'raw');
  await eventually('the removal', async () => (await slipway('inspect', 'raw')).code === 1);
});
