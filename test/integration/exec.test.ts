import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { eventually, sleep } from './harness/command.ts';
import { useEngine } from './harness/suite.ts';
import type { Terminal } from './harness/terminal.ts';

const engine = await useEngine();
const { docker, mustDocker } = {
  docker: engine.docker.bind(engine),
  mustDocker: engine.mustDocker.bind(engine),
};

before(() =>
  mustDocker('run', '-d', '--name', 'box', '-e', 'FROM=run', '-w', '/srv', 'busybox', 'sleep', '6000'),
);

test('exec gives streams and the code', async () => {
  const result = await docker('exec', 'box', 'sh', '-c', 'echo out; echo err >&2; exit 9');
  assert.deepEqual([result.stdout, result.stderr, result.code], ['out\n', 'err\n', 9]);
});

test('exec has the containers environment and folder, or its own', async () => {
  assert.equal(await mustDocker('exec', 'box', 'sh', '-c', 'echo $FROM; pwd; id -u'), 'run\n/srv\n0');
  assert.equal(
    await mustDocker(
      'exec',
      '-e',
      'FROM=exec',
      '-w',
      '/tmp',
      '-u',
      'some',
      'box',
      'sh',
      '-c',
      'echo $FROM; pwd; id -un; echo $HOME',
    ),
    'exec\n/tmp\nsome\n/home/some',
  );
});

test('exec takes input', async () => {
  const input = 'y'.repeat(200_000);
  const result = await engine.dockerWith({ input }, 'exec', '-i', 'box', 'wc', '-c');
  assert.equal(result.text, '200000');
});

test('exec -it is a terminal with a size', async () => {
  await using terminal: Terminal = engine.dockerOnTerminal('exec', '-it', 'box', 'sh');
  await terminal.waitFor('# ');
  terminal.resize(20, 77);
  await sleep(400);
  terminal.type('stty size; exit 4\r');
  await terminal.waitFor('20 77');
  assert.equal(await terminal.exited, 4);
});

test('exec -d goes on by itself', async () => {
  await mustDocker('exec', '-d', 'box', 'sh', '-c', 'sleep 0.3; echo done > /tmp/done');
  await eventually('it ran', async () => (await docker('exec', 'box', 'cat', '/tmp/done')).text === 'done');
});

test('exec of what is not there ends with 127, of what cannot run with 126', async () => {
  const absent = await docker('exec', 'box', 'nosuchcommand');
  assert.ok(absent.code === 127 || absent.code === 126, `code ${absent.code}: ${absent.stderr}`);
  assert.match(absent.stderr + absent.stdout, /exec failed.*nosuchcommand.*not found in \$PATH/);
  const forbidden = await docker('exec', 'box', '/etc/passwd');
  assert.equal(forbidden.code, 126, forbidden.stderr);
  assert.match(forbidden.stderr + forbidden.stdout, /permission denied/i);
});

test('exec in a container that does not run is refused', async () => {
  await mustDocker('create', '--name', 'off', 'busybox');
  const refused = await docker('exec', 'off', 'true');
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /[Cc]ontainer \w+ is not running/);
  await mustDocker('rm', 'off');
});

test('thirty at once all answer their own', async () => {
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, index) => mustDocker('exec', 'box', 'echo', `answer ${index}`)),
  );
  assert.deepEqual(
    answers,
    Array.from({ length: 30 }, (_, index) => `answer ${index}`),
  );
});

test('a short exec never loses its output', async () => {
  for (let round = 0; round < 25; round++) {
    assert.equal(await mustDocker('exec', 'box', 'echo', String(round)), String(round));
  }
});

test('inspect names an exec until it has ended', async () => {
  const named = async () => Number(await mustDocker('inspect', '-f', '{{len .ExecIDs}}', 'box'));
  const others = await named();
  const script = 'echo up; until [ -e /tmp/end ]; do sleep 0.1; done';
  await using running = engine.dockerInBackground('exec', 'box', 'sh', '-c', script);
  await running.waitForOutput('up');
  assert.equal(await named(), others + 1);
  await mustDocker('exec', 'box', 'touch', '/tmp/end');
  assert.equal((await running.result).code, 0);
  assert.equal(await named(), others);
});

test('privileged exec has what the container lacks', async () => {
  const caps = (...flags: readonly string[]) =>
    mustDocker('exec', ...flags, 'box', 'sh', '-c', 'grep CapEff /proc/self/status | cut -f2');
  assert.equal(await caps(), '00000000a80425fb');
  const privileged = await caps('--privileged').catch(() => 'refused by the host');
  assert.notEqual(privileged, '00000000a80425fb');
});

test('an exec that runs when the container ends, ends with it', async () => {
  await mustDocker('run', '-d', '--name', 'ending', 'busybox', 'sleep', '600');
  await using running = engine.dockerInBackground('exec', 'ending', 'sh', '-c', 'echo up; sleep 600');
  await running.waitForOutput('up');
  await mustDocker('rm', '-f', 'ending');
  assert.equal((await running.result).code, 137);
});
