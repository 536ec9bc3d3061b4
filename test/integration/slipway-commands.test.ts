import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { checkoutRoot } from '../architecture/source-files.ts';
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

before(async () => {
  const ports = ['-p', '127.0.0.1::80', '-p', '127.0.0.1::53/udp', '--expose', '9000-9002'];
  await mustSlipway('network', 'create', '--label', 'a=b', 'net');
  await mustSlipway('run', '-d', '--name', 'web', ...ports, '-l', 'a=b', 'busybox', 'sleep', '600');
  await mustSlipway(
    'run',
    '-d',
    '--name',
    'job',
    '--network',
    'net',
    '-v',
    'data:/d',
    'busybox',
    'sleep',
    '600',
  );
  await slipway('run', '--name', 'done', 'busybox', 'sh', '-c', 'echo out; echo err >&2; exit 3');
});

const SAME_AS_DOCKER: readonly string[] = [
  'ps --no-trunc --format {{.ID}}\\t{{.Names}}\\t{{.Ports}}\\t{{.Image}}\\t{{.Command}}\\t{{.Networks}}\\t{{.Mounts}}',
  'ps -aq',
  'ps -a --filter status=exited --format {{.Names}}:{{.State}}',
  'container ls -a --format {{.Names}}:{{.Labels}}',
  'images',
  'images --digests --no-trunc',
  'image ls -q',
  'history busybox',
  'history --no-trunc --format {{.CreatedBy}} busybox',
  'port web',
  'top web -o pid,comm',
  'volume ls',
  'volume inspect data',
  'network ls',
  'network inspect net',
  'inspect web job',
  'inspect -s done',
  'inspect -f {{.Name}}-{{json\u00a0.Config.Labels}} web',
  'inspect --type volume data',
  'image inspect busybox',
  'container inspect web',
  'logs done',
  'logs -t --tail 1 done',
  'diff done',
  'wait done',
  'system df',
  'events --since 1h --until 0s --filter container=done --filter event=die',
  'events --since 1h --until 0s --filter container=done --filter event=start --format json',
  'exec web sh -c exit\u00a07',
  'exec -u nobody -w /etc web pwd',
];

test('what docker prints, slipway prints', async () => {
  for (const line of SAME_AS_DOCKER) {
    const args = line.split(' ').map((word) => word.replaceAll('\u00a0', ' '));
    const [theirs, ours] = [await engine.docker(...args), await slipway(...args)];
    assert.deepEqual(
      [ours.stdout, ours.stderr, ours.code],
      [theirs.stdout, theirs.stderr, theirs.code],
      line,
    );
  }
});

test('what fails says so on one line and ends with 1', async () => {
  const cases: readonly (readonly [line: string, message: RegExp, code?: number])[] = [
    ['logs nope', /^slipway: No such container: nope\n$/],
    ['rm web', /container is running/],
    ['rmi nope', /^slipway: No such image: nope:latest\n$/],
    ['inspect nope', /no such object: nope/],
    ['volume rm data', /volume is in use/],
    ['network rm net', /has active endpoints/],
    ['port web 99', /no public port '99'/],
    ['load -i nope', /^slipway: open nope: no such file or directory\n$/],
    ['pull localhost:1/nope', /^slipway: registry localhost:1, repository nope: .*ECONNREFUSED/],
    ['attach done', /cannot attach to a stopped container/],
    ['exec done true', /is not running/],
    ['kill done', /is not running/],
    ['ps --formt x', /unknown flag: --formt; did you mean --format\?\nSee 'slipway ps --help'/, 125],
    ['stpo web', /'stpo' is not a slipway command. Did you mean 'slipway stop'\?/],
    ['bootstrap', /Did you mean 'slipway image bootstrap'\?/],
    ['rename web', /"slipway rename" requires exactly 2 arguments/],
    ['-H unix:///nowhere.sock ps', /cannot reach the daemon at unix:\/\/\/nowhere.sock.*Start it with/],
    ['-H tcp://x ps', /cannot use the host "tcp:\/\/x": give unix:/],
  ];
  for (const [line, message, code = 1] of cases) {
    const result = await slipway(...line.split(' '));
    assert.match(result.stderr, message, line);
    assert.equal(result.code, code, line);
  }
});

test('a container goes through its life', async () => {
  await mustSlipway('create', '--name', 'life', 'busybox', 'sleep', '600');
  const steps: readonly (readonly [line: string, output: string, state: string])[] = [
    ['start life', 'life', 'running'],
    ['pause life', 'life', 'paused'],
    ['unpause life', 'life', 'running'],
    ['update --pids-limit 40 life', 'life', 'running'],
    ['restart -t 0 life', 'life', 'running'],
    ['stop -t 0 life', 'life', 'exited'],
    ['start life', 'life', 'running'],
    ['kill -s KILL life', 'life', 'exited'],
  ];
  for (const [line, output, state] of steps) {
    assert.equal(await mustSlipway(...line.split(' ')), output, line);
    if (line.startsWith('kill')) await mustSlipway('wait', 'life');
    assert.equal(await mustSlipway('inspect', '-f', '{{.State.Status}}', 'life'), state, line);
  }
  await mustSlipway('rename', 'life', 'past');
  assert.equal(await mustSlipway('rm', 'past'), 'past');
});

test('cp places files where docker places them, whatever their names', async () => {
  const here = join(engine.root, 'cp');
  mkdirSync(join(here, 'src/sub'), { recursive: true });
  writeFileSync(join(here, 'src/a|b &*[x]'), 'odd');
  writeFileSync(join(here, 'src/sub/two'), 'two');
  symlinkSync('src/sub/two', join(here, 'link'));
  const cp = (from: string, to: string, ...flags: readonly string[]) =>
    engine.run([SLIPWAY, 'cp', ...flags, from, to], { cwd: here });
  const read = (path: string) => mustSlipway('exec', 'web', 'cat', path);
  for (const [from, to] of [
    ['src', 'web:/new'],
    ['src', 'web:/tmp'],
    ['src/.', 'web:/contents'],
    ['src/a|b &*[x]', 'web:/tmp/renamed'],
  ] as const) {
    const result = await cp(from, to);
    assert.equal(result.code, 0, result.stderr);
  }
  assert.equal((await cp('link', 'web:/followed', '-L')).code, 0);
  assert.equal(await read('/new/a|b &*[x]'), 'odd');
  assert.equal(await read('/tmp/src/sub/two'), 'two');
  assert.equal(await read('/contents/sub/two'), 'two');
  assert.equal(await read('/tmp/renamed'), 'odd');
  assert.equal(await read('/followed'), 'two');

  assert.equal((await cp('web:/new/.', 'out')).code, 0);
  assert.equal(readFileSync(join(here, 'out/a|b &*[x]'), 'utf8'), 'odd');
  assert.equal((await cp('web:/new', 'out')).code, 0);
  assert.equal(readFileSync(join(here, 'out/new/sub/two'), 'utf8'), 'two');
  await mustSlipway('exec', 'web', 'chown', '7:8', '/followed');
  assert.equal((await cp('web:/followed', 'kept', '-a')).code, 0);
  assert.deepEqual([statSync(join(here, 'kept')).uid, statSync(join(here, 'kept')).gid], [7, 8]);

  for (const [from, to, message] of [
    ['src', 'web:/followed', /cannot copy a directory onto the file/],
    ['link', 'web:/absent/', /no such directory/],
    ['web:/absent', '.', /Could not find the file/],
    ['web:/new', 'link', /cannot copy a directory onto the file/],
    ['web:/followed', 'absent/x', /no such directory/],
    ['nope', 'web:/', /lstat .*nope: no such file or directory/],
  ] as const) {
    const result = await cp(from, to);
    assert.equal(result.code, 1, `${from} ${to}`);
    assert.match(result.stderr, message);
  }
  const archive = await engine.run(['sh', '-c', `${SLIPWAY} cp web:/new - | ${SLIPWAY} cp - web:/contents`]);
  assert.equal(archive.code, 0, archive.stderr);
  assert.equal(await read('/contents/new/sub/two'), 'two');
});

test('images are saved, loaded, exported, imported, tagged and removed', async () => {
  const archive = join(engine.root, 'busybox.tar');
  await mustSlipway('save', '-o', archive, 'busybox');
  assert.equal(await mustSlipway('load', '-i', archive), 'Loaded image: busybox:latest');
  await mustSlipway('export', '-o', join(engine.root, 'root.tar'), 'done');
  assert.match(
    await mustSlipway('import', '-c', 'CMD ["echo","imported"]', join(engine.root, 'root.tar'), 'imported:1'),
    /^sha256:[0-9a-f]{64}$/,
  );
  assert.equal(await mustSlipway('run', '--rm', 'imported:1'), 'imported');
  await mustSlipway('tag', 'imported:1', 'again:2');
  assert.equal(await mustSlipway('rmi', 'again:2'), 'Untagged: again:2');
  assert.match(await mustSlipway('rmi', 'imported:1'), /^Untagged: imported:1\nDeleted: sha256:/);
  assert.equal((await slipway('save', '-o', join(engine.root, 'none.tar'), 'nope')).code, 1);
  assert.ok(!existsSync(join(engine.root, 'none.tar')));
});

test('prune asks, and removes only after a yes', async () => {
  await mustSlipway('create', '--name', 'unused', 'busybox');
  const ask = (input: string) =>
    engine.run([SLIPWAY, 'container', 'prune', '--filter', 'label!=keep'], { input });
  assert.match((await ask('n\n')).stdout, /WARNING! .*\nAre you sure you want to continue\? \[y\/N\] $/);
  assert.equal((await slipway('inspect', 'unused')).code, 0);
  assert.match((await ask('y\n')).stdout, /Total reclaimed space: /);
  assert.equal((await slipway('inspect', 'unused')).code, 1);
  await mustSlipway('volume', 'create', 'spare');
  assert.match(await mustSlipway('volume', 'prune', '-af'), /spare/);
  await mustSlipway('network', 'create', 'spare');
  assert.match(await mustSlipway('network', 'prune', '-f'), /spare/);
});

test('stats follows on a terminal in place, and says it once with --no-stream', async () => {
  const once = await mustSlipway('stats', '--no-stream', '--format', '{{.Name}} {{.PIDs}}');
  assert.deepEqual(once.split('\n').sort(), ['job 1', 'web 1']);
  await using live = new Terminal([SLIPWAY, 'stats'], engine.env);
  await live.waitFor(/CONTAINER ID[\s\S]*web/);
  await mustSlipway('run', '-d', '--name', 'later', 'busybox', 'sleep', '600');
  await live.waitFor('later');
  await mustSlipway('rm', '-f', 'later');
  live.type('\u0003');
  assert.equal(await live.exited, 254);
});

test('colours are for terminals, and NO_COLOR takes them away', async () => {
  const bold = '\u001b[1m';
  assert.ok(!(await slipway('help', 'run')).stdout.includes(bold));
  await using coloured = new Terminal([SLIPWAY, 'help', 'run'], engine.env);
  await coloured.exited;
  assert.ok(coloured.output.includes(bold));
  await using plain = new Terminal([SLIPWAY, 'help', 'run'], { ...engine.env, NO_COLOR: '1' });
  await plain.exited;
  assert.ok(!plain.output.includes(bold));
});
