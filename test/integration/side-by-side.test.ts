import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { checkoutRoot } from '../architecture/source-files.ts';
import { type CommandResult, eventually, mustRun, runCommand } from './harness/command.ts';
import { Engine } from './harness/engine.ts';
import { busyboxArchive } from './harness/images.ts';
import { useEngine } from './harness/suite.ts';

const spare = mkdtempSync(join(tmpdir(), 'slipway-end-'));
after(() => rmSync(spare, { recursive: true, force: true }));

const first = await useEngine();
const second = await useEngine();

const FIRST_PORT = 20_000 + (process.pid % 20_000);
const SECOND_PORT = FIRST_PORT + 1;

const fetchPage = (port: number): Promise<string> =>
  new Promise((resolve) => {
    let text = '';
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write('GET /page HTTP/1.0\r\n\r\n'));
    socket.on('data', (bytes) => {
      text += bytes;
    });
    socket.on('error', (error) => resolve(String(error)));
    socket.on('close', () => resolve(text));
  });

/** A server that says whose it is on port 80, and a neighbour that can name it, on a network of their own. */
async function serve(engine: Engine, says: string, hostPort: number): Promise<void> {
  const server = `mkdir /www; echo ${says} > /www/page; httpd -f -p 80 -h /www`;
  await engine.mustDocker('network', 'create', 'friends');
  const place = ['--init', '--network', 'friends'];
  const publish = ['-p', `127.0.0.1:${hostPort}:80`];
  await engine.mustDocker('run', '-d', ...place, '--name', 'web', ...publish, 'busybox', 'sh', '-c', server);
  await engine.mustDocker('run', '-d', ...place, '--name', 'neighbour', 'busybox', 'sleep', '300');
  await eventually(`the page of ${says}`, async () => (await fetchPage(hostPort)).includes(says));
}

/** That everything of `serve` works, from the host and from beside it. */
async function assertServes(engine: Engine, says: string, hostPort: number): Promise<void> {
  assert.match(await fetchPage(hostPort), new RegExp(says));
  assert.equal(await engine.mustDocker('exec', 'neighbour', 'wget', '-qO-', 'http://web/page'), says);
  assert.equal((await engine.inspect('web')).State.Status, 'running');
}

/** Everything of an engine that another one could harm: its processes, rules, links and records. */
async function lookAt(engine: Engine): Promise<unknown> {
  const rules = await mustRun(['nft', 'list', 'table', 'ip', `slipway_${engine.bridgeName}`]);
  const links = (await mustRun(['ip', '-o', 'link', 'show', 'type', 'bridge'])).stdout;
  const addresses = await mustRun(['ip', '-o', '-4', 'addr', 'show', 'dev', engine.bridgeName]);
  return {
    pid: engine.pid,
    isRunning: engine.isRunning,
    rules: rules.stdout,
    bridge: links.split('\n').filter((line) => line.includes(`${engine.bridgeName}:`)),
    addresses: addresses.stdout,
    containers: await engine.mustDocker(
      'ps',
      '-a',
      '--no-trunc',
      '--format',
      '{{.ID}} {{.Names}} {{.State}}',
    ),
    pids: (await engine.inspect('web')).State.Pid,
    networks: await engine.mustDocker('network', 'ls', '--no-trunc', '-q'),
    images: await engine.mustDocker('images', '-q'),
  };
}

test('networks that two daemons make at the same moment do not overlap', async () => {
  const names = ['one', 'two', 'three', 'four'];
  const subnets = await Promise.all(
    [first, second].flatMap((engine) =>
      names.map(async (name) => {
        await engine.mustDocker('network', 'create', name);
        return (await engine.inspect(name, 'network')).IPAM.Config[0].Subnet as string;
      }),
    ),
  );
  for (const engine of [first, second]) await engine.mustDocker('network', 'rm', ...names);
  assert.equal(new Set(subnets).size, subnets.length, `networks overlap: ${subnets.join(' ')}`);
});

test('two daemons run the same names and container ports at once, and each lists only its own', async () => {
  await Promise.all([serve(first, 'first', FIRST_PORT), serve(second, 'second', SECOND_PORT)]);
  await assertServes(first, 'first', FIRST_PORT);
  await assertServes(second, 'second', SECOND_PORT);

  await first.mustDocker('run', '-d', '--init', '--name', 'only-first', 'busybox', 'sleep', '300');
  await first.mustDocker('volume', 'create', 'only-first');
  await first.mustDocker('network', 'create', 'only-first');
  const listed = async (engine: Engine) => [
    await engine.mustDocker('ps', '-a', '--format', '{{.Names}}'),
    await engine.mustDocker('volume', 'ls', '-q'),
    await engine.mustDocker('network', 'ls', '--format', '{{.Name}}'),
  ];
  for (const text of await listed(first)) assert.match(text, /^only-first$/m);
  for (const text of await listed(second)) assert.doesNotMatch(text, /only-first/);
  assert.notEqual((await second.docker('inspect', 'only-first')).code, 0);

  const subnets = await Promise.all(
    [first, second].flatMap((engine) =>
      ['bridge', 'friends'].map(
        async (name) => (await engine.inspect(name, 'network')).IPAM.Config[0].Subnet,
      ),
    ),
  );
  assert.equal(new Set(subnets).size, subnets.length, `networks overlap: ${subnets.join(' ')}`);
});

test('many containers start and end with both daemons at the same time', async () => {
  const runs = [first, second].flatMap((engine) =>
    Array.from({ length: 6 }, (_, index) => engine.mustDocker('run', '--rm', 'busybox', 'echo', `${index}`)),
  );
  const said = await Promise.all(runs);
  assert.deepEqual(said, [...'012345012345']);
});

test('a host port that the other daemon has published is refused, and stays with the other', async () => {
  const name = ['--name', 'late', '-p', `127.0.0.1:${FIRST_PORT}:80`];
  const refused = await second.docker('run', '-d', ...name, 'busybox', 'sleep', '300');
  assert.equal(refused.code, 125);
  assert.match(refused.stderr, new RegExp(`${FIRST_PORT}.*(address already in use|already allocated)`));
  await second.mustDocker('rm', '-f', 'late');
  await assertServes(first, 'first', FIRST_PORT);
});

test('a daemon that stops, starts again or is killed leaves ports and names of the other working', async () => {
  assert.equal(await second.stop(), 0);
  await assertServes(first, 'first', FIRST_PORT);
  assert.match(await fetchPage(SECOND_PORT), /second/, 'what the stopped daemon left running is not served');
  await second.start();
  await assertServes(second, 'second', SECOND_PORT);
  await second.kill();
  await assertServes(first, 'first', FIRST_PORT);
  await second.start();
  await assertServes(second, 'second', SECOND_PORT);
});

/** One more daemon that should not be able to start; the settings that are not given are its own. */
function startThird(tag: string, settings: Readonly<Record<string, string>>): Promise<CommandResult> {
  const own = {
    '--data-root': join(spare, tag, 'data'),
    '--run-root': join(spare, tag, 'run'),
    '--socket': join(spare, tag, 's.sock'),
    '--bridge': `${first.bridgeName.slice(0, 10)}x${tag.slice(0, 4)}`,
    '--cgroup-parent': `${first.cgroupParent}-${tag}`,
  };
  const flags = Object.entries({ ...own, ...settings }).flat();
  return runCommand([join(checkoutRoot, 'script/slipwayd'), ...flags], { timeoutMs: 10_000 });
}

const contested = [
  {
    what: 'data root',
    tag: 'data',
    settings: { '--data-root': first.dataRoot },
    names: [`pid ${first.pid}`, first.dataRoot],
  },
  {
    what: 'run root',
    tag: 'run',
    settings: { '--run-root': first.runRoot },
    names: [`pid ${first.pid}`, first.runRoot],
  },
  { what: 'socket', tag: 'sock', settings: { '--socket': first.socketPath }, names: [first.socketPath] },
  {
    what: 'bridge',
    tag: 'brid',
    settings: { '--bridge': first.bridgeName },
    names: [first.bridgeName, first.runRoot],
  },
] as const;

for (const { what, tag, settings, names } of contested) {
  test(`a second daemon on the same ${what} is refused by name, and harms nothing`, async () => {
    const before = await lookAt(first);
    const refused = await startThird(tag, settings);
    assert.equal(refused.code, 1, refused.stderr);
    const complaint =
      refused.stderr.split('\n').find((line) => line.startsWith('slipwayd: cannot start: ')) ?? '';
    for (const name of names) assert.ok(complaint.includes(name), `no ${name} in: ${refused.stderr}`);
    assert.doesNotMatch(refused.stderr, /^\s+at /m, 'a stack trace instead of a message');
    assert.deepEqual(await lookAt(first), before);
    await assertServes(first, 'first', FIRST_PORT);
    assert.equal(await first.mustDocker('run', '--rm', 'busybox', 'echo', 'on'), 'on');
  });
}

test('a bridge stays with the daemon that is away while its containers run', async () => {
  await second.stop();
  const refused = await startThird('away', { '--bridge': second.bridgeName });
  assert.equal(refused.code, 1, refused.stderr);
  assert.ok(refused.stderr.includes(second.runRoot), refused.stderr);
  assert.match(await fetchPage(SECOND_PORT), /second/);
  await second.start();
  await assertServes(second, 'second', SECOND_PORT);
});

test('a daemon that could not start leaves no rules and no links of its own', async () => {
  const bridge = `${first.bridgeName.slice(0, 10)}xsock`;
  const table = await runCommand(['nft', 'list', 'table', 'ip', `slipway_${bridge}`]);
  assert.notEqual(table.code, 0, table.stdout);
  assert.notEqual((await runCommand(['ip', 'link', 'show', bridge])).code, 0);
});

test('when one daemon and all of it is gone, the other works on', async () => {
  await using third = await Engine.start();
  await third.mustDocker('load', '-i', await busyboxArchive());
  await third.mustDocker('run', '--rm', 'busybox', 'true');
  await third.stop();
  await assertServes(first, 'first', FIRST_PORT);
  await assertServes(second, 'second', SECOND_PORT);
});

test('when somebody deletes the rules of one daemon, its containers still end, and the other serves on', async () => {
  await mustRun(['nft', 'delete', 'table', 'ip', `slipway_${second.bridgeName}`]);
  await second.mustDocker('rm', '-f', 'web');
  await assertServes(first, 'first', FIRST_PORT);
});
