import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sleep } from './harness/command.ts';
import { useEngine } from './harness/suite.ts';

const engine = await useEngine();
const mustDocker = engine.mustDocker.bind(engine);

test('logs keep both streams apart, and survive the end', async () => {
  await engine.docker('run', '--name', 'both', 'busybox', 'sh', '-c', 'echo one; echo two >&2; printf three');
  const logs = await engine.docker('logs', 'both');
  assert.deepEqual([logs.stdout, logs.stderr], ['one\nthree', 'two\n']);
  await mustDocker('rm', 'both');
});

test('tail, timestamps, since and until choose lines', async () => {
  await mustDocker(
    'run',
    '--name',
    'lines',
    'busybox',
    'sh',
    '-c',
    'echo a; sleep 1.2; echo b; sleep 1.2; echo c',
  );
  assert.equal(await mustDocker('logs', '--tail', '2', 'lines'), 'b\nc');
  assert.equal(await mustDocker('logs', '--tail', '0', 'lines'), '');
  assert.equal(await mustDocker('logs', '-n', 'all', 'lines'), 'a\nb\nc');
  const stamped = (await mustDocker('logs', '-t', 'lines')).split('\n');
  for (const line of stamped) assert.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z [abc]$/);
  const [, second = ''] = stamped;
  const at = second.split(' ')[0] ?? '';
  assert.equal(await mustDocker('logs', '--since', at, 'lines'), 'b\nc');
  assert.equal(await mustDocker('logs', '--until', at, 'lines'), 'a\nb');
  assert.equal(await mustDocker('logs', '--since', at, '--until', at, 'lines'), 'b');
  assert.equal(await mustDocker('logs', '--since', '1h', 'lines'), 'a\nb\nc');
  assert.equal(await mustDocker('logs', '--until', '1h', 'lines'), '');
  await mustDocker('rm', 'lines');
});

test('follow shows what is there, then what comes, and ends with the container', async () => {
  await mustDocker(
    'run',
    '-d',
    '--name',
    'live',
    'busybox',
    'sh',
    '-c',
    'echo first; sleep 1; echo second; sleep 0.5; echo third',
  );
  await using follow = engine.dockerInBackground('logs', '-f', 'live');
  await follow.waitForOutput('second');
  const result = await follow.result;
  assert.deepEqual([result.stdout, result.code], ['first\nsecond\nthird\n', 0]);
  await mustDocker('rm', 'live');
});

test('follow from a tail', async () => {
  await mustDocker('run', '-d', '--name', 'tailed', 'busybox', 'sh', '-c', 'seq 1 1000; sleep 1; echo last');
  await sleep(400);
  const result = await engine.docker('logs', '-f', '--tail', '2', 'tailed');
  assert.equal(result.text, '999\n1000\nlast');
  await mustDocker('rm', 'tailed');
});

test('a line longer than a log record is one line again', async () => {
  const length = 100_000;
  await mustDocker(
    'run',
    '--name',
    'long',
    'busybox',
    'sh',
    '-c',
    `head -c ${length} /dev/zero | tr '\\0' x; echo; echo end`,
  );
  assert.equal(await mustDocker('logs', 'long'), `${'x'.repeat(length)}\nend`);
  await mustDocker('rm', 'long');
});

test('bytes that are no UTF-8 text come back, a terminal log too', async () => {
  await mustDocker('run', '--name', 'tty', '-t', 'busybox', 'sh', '-c', 'echo a; echo b >&2');
  assert.equal((await engine.docker('logs', 'tty')).stdout, 'a\r\nb\r\n');
  await mustDocker('rm', 'tty');
});

test('rotation bounds the log, and what is kept is the end of it', async () => {
  await mustDocker(
    ...['run', '--name', 'rotated', '--log-opt', 'max-size=20k', '--log-opt', 'max-file=3'],
    ...['busybox', 'seq', '1', '5000'],
  );
  const lines = (await mustDocker('logs', 'rotated')).split('\n').map(Number);
  assert.equal(lines.at(-1), 5_000);
  assert.ok(lines.length < 5_000 && lines.length > 100, `${lines.length} lines`);
  assert.deepEqual(
    lines,
    Array.from({ length: lines.length }, (_, index) => 5_001 - lines.length + index),
  );
  assert.equal(await mustDocker('logs', '--tail', '3', 'rotated'), '4998\n4999\n5000');
  await mustDocker('rm', 'rotated');
});

test('logs of several runs of one container follow one another', async () => {
  await mustDocker('create', '--name', 'twice', 'busybox', 'echo', 'run');
  await mustDocker('start', '-a', 'twice');
  await mustDocker('start', '-a', 'twice');
  assert.equal(await mustDocker('logs', 'twice'), 'run\nrun');
  await mustDocker('rm', 'twice');
});

test('log driver none keeps nothing and says so', async () => {
  const run = await engine.docker(
    'run',
    '--name',
    'unlogged',
    '--log-driver',
    'none',
    'busybox',
    'echo',
    'shown',
  );
  assert.equal(run.text, 'shown');
  const logs = await engine.docker('logs', 'unlogged');
  assert.equal(logs.code, 1);
  assert.match(logs.stderr, /configured logging driver does not support reading/);
  await mustDocker('rm', 'unlogged');
});
