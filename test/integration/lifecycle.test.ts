import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, sleep } from './harness/command.ts';
import { useEngine } from './harness/suite.ts';

const engine = await useEngine();
const docker = engine.docker.bind(engine);
const mustDocker = engine.mustDocker.bind(engine);

const stateOf = async (name: string) => (await engine.inspect(name)).State;
const remove = (...names: readonly string[]) => mustDocker('rm', '-f', ...names);

test('create, start, wait, start again: states and times follow', async () => {
  const id = await mustDocker('create', '--name', 'life', 'busybox', 'sh', '-c', 'exit 4');
  assert.match(id, /^[0-9a-f]{64}$/);
  const created = await stateOf('life');
  assert.deepEqual(
    [created.Status, created.Running, created.StartedAt],
    ['created', false, '0001-01-01T00:00:00Z'],
  );
  assert.equal(await mustDocker('start', 'life'), 'life');
  assert.equal(await mustDocker('wait', 'life'), '4');
  const exited = await stateOf('life');
  assert.deepEqual([exited.Status, exited.ExitCode, exited.Pid], ['exited', 4, 0]);
  assert.ok(Date.parse(exited.FinishedAt) > Date.parse(created.StartedAt));
  await mustDocker('start', 'life');
  assert.equal(await mustDocker('wait', 'life'), '4');
  assert.ok(Date.parse((await stateOf('life')).StartedAt) > Date.parse(exited.StartedAt));
  await remove('life');
});

test('wait on a container that has ended answers at once, and on several each', async () => {
  await mustDocker('run', '--name', 'w1', 'busybox', 'sh', '-c', 'true');
  await docker('run', '--name', 'w2', 'busybox', 'sh', '-c', 'exit 7');
  assert.equal(await mustDocker('wait', 'w1', 'w2'), '0\n7');
  await remove('w1', 'w2');
});

test('stop sends the stop signal, waits, then kills; the code tells which', async () => {
  await mustDocker(
    'run',
    '-d',
    '--name',
    'polite',
    'busybox',
    'sh',
    '-c',
    'trap "exit 5" TERM; while :; do sleep 0.1; done',
  );
  await mustDocker(
    'run',
    '-d',
    '--name',
    'deaf',
    'busybox',
    'sh',
    '-c',
    'trap "" TERM; while :; do sleep 0.1; done',
  );
  await mustDocker(
    ...['run', '-d', '--name', 'own', '--stop-signal', 'USR1', 'busybox', 'sh', '-c'],
    'trap "exit 6" USR1; while :; do sleep 0.1; done',
  );
  await sleep(300);
  await mustDocker('stop', 'polite', 'own');
  assert.equal((await stateOf('polite')).ExitCode, 5);
  assert.equal((await stateOf('own')).ExitCode, 6);
  const startedAtMs = performance.now();
  await mustDocker('stop', '-t', '1', 'deaf');
  const tookMs = performance.now() - startedAtMs;
  assert.ok(tookMs > 900 && tookMs < 5_000, `${tookMs} ms`);
  assert.equal((await stateOf('deaf')).ExitCode, 137);
  await mustDocker('stop', 'deaf');
  await remove('polite', 'deaf', 'own');
});

test('kill sends any signal, and refuses a container that does not run', async () => {
  await mustDocker(
    'run',
    '-d',
    '--name',
    'killed',
    'busybox',
    'sh',
    '-c',
    'trap "echo hup" HUP; while :; do sleep 0.1; done',
  );
  await sleep(300);
  await mustDocker('kill', '-s', 'HUP', 'killed');
  await eventually('the signal is seen', async () => (await mustDocker('logs', 'killed')) === 'hup');
  await mustDocker('kill', '-s', '9', 'killed');
  assert.equal(await mustDocker('wait', 'killed'), '137');
  const again = await docker('kill', 'killed');
  assert.match(
    again.stderr,
    /[Cc]annot kill container: killed: .*is not running|Container \w+ is not running/,
  );
  const unknown = await docker('kill', '-s', 'NOSUCH', 'killed');
  assert.match(unknown.stderr, /[Ii]nvalid signal: NOSUCH/);
  await remove('killed');
});

test('restart, pause and unpause', async () => {
  await mustDocker('run', '-d', '--name', 'restarted', 'busybox', 'sleep', '600');
  const first = await stateOf('restarted');
  await mustDocker('restart', '-t', '0', 'restarted');
  const second = await stateOf('restarted');
  assert.equal(second.Running, true);
  assert.notEqual(second.Pid, first.Pid);
  await mustDocker('pause', 'restarted');
  assert.deepEqual(
    [(await stateOf('restarted')).Status, (await stateOf('restarted')).Paused],
    ['paused', true],
  );
  assert.match((await docker('exec', 'restarted', 'true')).stderr, /is paused/);
  assert.match((await docker('pause', 'restarted')).stderr, /already paused/);
  await mustDocker('unpause', 'restarted');
  assert.equal((await stateOf('restarted')).Status, 'running');
  await mustDocker('pause', 'restarted');
  await mustDocker('rm', '-f', 'restarted');
});

test('rename, and names that are taken or bad', async () => {
  await mustDocker('create', '--name', 'before', 'busybox');
  await mustDocker('rename', 'before', 'after');
  assert.equal((await engine.inspect('after')).Name, '/after');
  assert.equal((await docker('inspect', 'before')).code, 1);
  const taken = await docker('create', '--name', 'after', 'busybox');
  assert.match(
    taken.stderr,
    /Conflict\. The container name "\/after" is already in use by container "?\w+"?\. You have to remove \(or rename\) that container to be able to reuse that name\./,
  );
  const bad = await docker('create', '--name', '-bad', 'busybox');
  assert.match(
    bad.stderr,
    /Invalid container name \(-bad\), only \[a-zA-Z0-9\]\[a-zA-Z0-9_\.-\] are allowed/,
  );
  await remove('after');
});

test('a running container is removed by force alone; a prefix of an id is enough', async () => {
  const id = await mustDocker('run', '-d', 'busybox', 'sleep', '600');
  const refused = await docker('rm', id.slice(0, 12));
  assert.match(
    refused.stderr,
    /cannot remove container "?\/?\w+"?: container is running|You cannot remove a running container/i,
  );
  await mustDocker('rm', '-f', id.slice(0, 6));
  assert.match((await docker('rm', id)).stderr, /No such container/);
});

test('restart policies: on-failure counts, always restarts, a stop by hand ends it', async () => {
  await mustDocker(
    'run',
    '-d',
    '--name',
    'failing',
    '--restart',
    'on-failure:2',
    'busybox',
    'sh',
    '-c',
    'exit 3',
  );
  await eventually(
    'it was restarted twice and given up',
    async () => {
      const { RestartCount, State } = await engine.inspect('failing');
      return RestartCount === 2 && State.Status === 'exited' && State.ExitCode === 3;
    },
    20_000,
  );
  await mustDocker(
    'run',
    '-d',
    '--name',
    'always',
    '--restart',
    'always',
    'busybox',
    'sh',
    '-c',
    'sleep 0.2',
  );
  await eventually(
    'it was restarted',
    async () => (await engine.inspect('always')).RestartCount >= 2,
    20_000,
  );
  await mustDocker('stop', '-t', '0', 'always');
  await sleep(1_500);
  assert.equal((await stateOf('always')).Status, 'exited');
  await mustDocker('run', '-d', '--name', 'fine', '--restart', 'on-failure', 'busybox', 'true');
  await sleep(500);
  assert.equal((await engine.inspect('fine')).RestartCount, 0);
  await remove('failing', 'always', 'fine');
});

test('events tell a life in order, with what clients match on', async () => {
  const since = String(Math.floor(Date.now() / 1000));
  await using live = engine.dockerInBackground(
    'events',
    '--filter',
    'type=container',
    '--format',
    '{{.Action}} {{.Actor.Attributes.name}}',
  );
  await sleep(500);
  await docker('run', '--rm', '--name', 'told', 'busybox', 'sh', '-c', 'exit 2');
  await live.waitForOutput('destroy told');
  const expected = ['create told', 'attach told', 'start told', 'die told', 'destroy told'];
  assert.deepEqual(
    live.stdout
      .trim()
      .split('\n')
      .filter((line) => line.endsWith('told')),
    expected,
  );
  const past = await mustDocker(
    ...[
      'events',
      '--since',
      since,
      '--until',
      String(Math.ceil(Date.now() / 1000) + 1),
      '--filter',
      'event=die',
    ],
    ...['--format', '{{json .}}'],
  );
  const die = JSON.parse(past.split('\n').at(-1) ?? '') as {
    status: string;
    timeNano: number;
    Actor: { Attributes: { exitCode: string } };
  };
  assert.equal(die.Actor.Attributes.exitCode, '2');
  assert.equal(die.status, 'die');
  assert.ok(Number(die.timeNano) > 1e18);
});

test('health checks turn a container healthy and unhealthy', async () => {
  const check = ['--health-interval', '300ms', '--health-retries', '1', '--health-timeout', '5s'];
  await mustDocker(
    'run',
    '-d',
    '--name',
    'checked',
    ...check,
    '--health-cmd',
    'test ! -e /sick',
    'busybox',
    'sleep',
    '600',
  );
  await eventually('healthy', async () => (await stateOf('checked')).Health?.Status === 'healthy', 20_000);
  await mustDocker('exec', 'checked', 'touch', '/sick');
  await eventually(
    'unhealthy',
    async () => (await stateOf('checked')).Health?.Status === 'unhealthy',
    20_000,
  );
  assert.match(
    await mustDocker('ps', '--filter', 'name=checked', '--format', '{{.Status}}'),
    /\(unhealthy\)/,
  );
  await remove('checked');
});

test('ps: columns, filters and formats', async () => {
  await mustDocker(
    'run',
    '-d',
    '--name',
    'up',
    '-l',
    'team=a',
    '-p',
    '127.0.0.1:0:80',
    'busybox',
    'sleep',
    '600',
  );
  await docker('run', '--name', 'down', '-l', 'team=b', 'busybox', 'sh', '-c', 'exit 3');
  await mustDocker('create', '--name', 'new', 'busybox');
  const names = async (...filters: readonly string[]) =>
    (
      await mustDocker(
        'ps',
        '-a',
        '--format',
        '{{.Names}}',
        ...filters.flatMap((filter) => ['--filter', filter]),
      )
    )
      .split('\n')
      .filter(Boolean)
      .sort();
  assert.deepEqual(await names(), ['down', 'new', 'up']);
  assert.equal(await mustDocker('ps', '--format', '{{.Names}}'), 'up');
  assert.deepEqual(await names('status=exited'), ['down']);
  assert.deepEqual(await names('status=created', 'status=running'), ['new', 'up']);
  assert.deepEqual(await names('exited=3'), ['down']);
  assert.deepEqual(await names('label=team'), ['down', 'up']);
  assert.deepEqual(await names('label=team=a'), ['up']);
  assert.deepEqual(await names('name=^/up$'), ['up']);
  assert.deepEqual(await names('ancestor=busybox'), ['down', 'new', 'up']);
  assert.deepEqual(await names('before=new'), ['down', 'up']);
  assert.deepEqual(await names('since=up'), ['down', 'new']);
  assert.deepEqual(await names('publish=80'), []);
  assert.deepEqual(await names('network=bridge'), ['down', 'new', 'up']);
  assert.match((await docker('ps', '--filter', 'nonsense=1')).stderr, /[Ii]nvalid filter/);
  const line = await mustDocker(
    'ps',
    '-a',
    '--filter',
    'name=up',
    '--format',
    '{{.Image}}|{{.Command}}|{{.Status}}|{{.Ports}}|{{.Networks}}',
  );
  assert.match(line, /^busybox\|"sleep 600"\|Up .*\|127\.0\.0\.1:\d+->80\/tcp\|bridge$/);
  assert.match(
    await mustDocker('ps', '-a', '--filter', 'name=down', '--format', '{{.Status}}'),
    /^Exited \(3\) /,
  );
  assert.equal(await mustDocker('ps', '-a', '--filter', 'name=new', '--format', '{{.Status}}'), 'Created');
  assert.equal((await mustDocker('ps', '-lq')).length, 12);
  assert.match(await mustDocker('ps', '-as', '--filter', 'name=up', '--format', '{{.Size}}'), /B \(virtual /);
  await remove('up', 'down', 'new');
});

test('container prune takes the stopped ones, and says what it freed', async () => {
  await mustDocker('run', '--name', 'p1', 'busybox', 'true');
  await mustDocker('run', '-d', '--name', 'p2', 'busybox', 'sleep', '600');
  const text = await mustDocker('container', 'prune', '-f');
  assert.match(text, /Deleted Containers:\n[0-9a-f]{64}\n[\s\S]*Total reclaimed space:/);
  assert.equal(await mustDocker('ps', '-a', '--format', '{{.Names}}'), 'p2');
  await remove('p2');
});

test('many starts and removals of one name never meet a leftover', async () => {
  for (let round = 0; round < 15; round++) {
    await mustDocker('run', '-d', '--name', 'again', 'busybox', 'sleep', '600');
    await mustDocker('rm', '-f', 'again');
  }
});
