import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import Docker from 'dockerode';
import { eventually } from './harness/command.ts';
import { peers, without } from './harness/peers.ts';
import { onDockerd, useEngine } from './harness/suite.ts';

const engine = await useEngine();
const docker = new Docker({ socketPath: engine.socketPath });
const mustDocker = engine.mustDocker.bind(engine);

interface OldImage {
  readonly Author: string;
  readonly Comment: string;
  readonly Config: Record<string, unknown>;
  readonly Container: string;
  readonly ContainerConfig: Record<string, unknown>;
  readonly RootFS: { readonly Layers: readonly string[] };
}

/** An image as docker 20.10 tells it. */
const oldImage = async (name: string) =>
  (await engine.api({ path: `/v1.41/images/${name}/json` })).json as OldImage;

/** The names in an image's uppermost layer. That a folder hides what is below it need not be said where nothing is. */
async function topLayer(image: string): Promise<string[]> {
  const folder = join(engine.root, 'saved', image);
  mkdirSync(folder, { recursive: true });
  await mustDocker('save', '-o', join(folder, 'image.tar'), image);
  execFileSync('tar', ['-xf', join(folder, 'image.tar'), '-C', folder]);
  const [{ Layers }] = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as [
    { Layers: string[] },
  ];
  const names = execFileSync('tar', ['-tf', join(folder, Layers.at(-1) as string)], { encoding: 'utf8' });
  return names
    .split('\n')
    .filter((name) => name !== '' && !name.endsWith('.wh..wh..opq'))
    .sort();
}

/** The CLI gives variables in any order. */
const sorted = (config: Record<string, unknown>) => ({ ...config, Env: (config.Env as string[]).toSorted() });

test('what a container wrote and removed becomes a layer; how it runs, author and comment are kept', async () => {
  const written =
    'rm /bin/vi; mkdir -p /new/deep; echo kept > /new/deep/file; echo no > /volume/file; chown 5:6 /new';
  await mustDocker(
    ...['run', '--name', 'writer', '-h', 'inside', '-e', 'A=1', '-e', 'B=2', '-l', 'from=run', '-w', '/tmp'],
    ...[
      '-u',
      '0',
      '-v',
      '/volume',
      '--expose',
      '80',
      '--stop-signal',
      'SIGINT',
      'busybox',
      'sh',
      '-c',
      written,
    ],
  );
  const message = ['-a', 'Ada <ada@example.org>', '-m', 'as it was'];
  const id = await mustDocker('commit', ...message, 'writer', 'written:1');
  assert.match(id, /^sha256:[0-9a-f]{64}$/);
  assert.deepEqual(await topLayer('written:1'), [
    'bin/',
    'bin/.wh.vi',
    'new/',
    'new/deep/',
    'new/deep/file',
    'volume/',
  ]);
  const image = await oldImage('written:1');
  const container = (await mustDocker('ps', '-aq', '--no-trunc', '-f', 'name=writer')).trim();
  assert.equal(image.Author, 'Ada <ada@example.org>');
  assert.equal(image.Comment, 'as it was');
  assert.equal(image.Container, container);
  assert.equal(image.RootFS.Layers.length, 2);
  const config = {
    Hostname: 'inside',
    Domainname: '',
    User: '0',
    AttachStdin: false,
    AttachStdout: true,
    AttachStderr: true,
    ExposedPorts: { '80/tcp': {} },
    Tty: false,
    OpenStdin: false,
    StdinOnce: false,
    Env: ['A=1', 'B=2', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
    Cmd: ['sh', '-c', written],
    Image: 'busybox',
    Volumes: { '/volume': {} },
    WorkingDir: '/tmp',
    Entrypoint: null,
    OnBuild: null,
    Labels: { from: 'run' },
    StopSignal: 'SIGINT',
  };
  assert.deepEqual(sorted(image.Config), config);
  assert.deepEqual(sorted(image.ContainerConfig), config);
  const history = await mustDocker(
    'history',
    '--no-trunc',
    '--format',
    '{{.CreatedBy}}|{{.Comment}}',
    'written:1',
  );
  assert.equal(history.split('\n')[0], `sh -c ${written}|as it was`);
  const look = 'cat /new/deep/file; stat -c %u:%g /new; ls /bin/vi; ls -A /volume; echo $A; pwd';
  const seen = await engine.docker('run', '--rm', 'written:1', 'sh', '-c', look);
  assert.equal(seen.stdout, 'kept\n5:6\n1\n/tmp\n');
  assert.match(seen.stderr, /\/bin\/vi: No such file/);
  await mustDocker('rm', '-v', 'writer');
  await mustDocker('rmi', 'written:1');
});

test('changes are Dockerfile instructions over what the container has', async () => {
  await mustDocker('create', '--name', 'plain', '-e', 'A=1', '-l', 'x=1', 'busybox', 'sh', '-c', 'echo run');
  const changes = [
    'ENTRYPOINT ["echo", "entry"]',
    'ENV B=2 C="$A and more"',
    'EXPOSE 8080 53/udp',
    'LABEL x=2 y="two words"',
    'USER 1000:1000',
    'VOLUME ["/data"]',
    'WORKDIR /srv',
    // Only docker's own builder knew it in 20.10.
    ...(onDockerd ? [] : ['STOPSIGNAL SIGQUIT']),
    'ONBUILD RUN true',
    'HEALTHCHECK --interval=5s CMD true',
  ];
  await mustDocker('commit', ...changes.flatMap((change) => ['-c', change]), 'plain', 'changed:1');
  const { Config, RootFS } = await oldImage('changed:1');
  assert.equal(RootFS.Layers.length, 1, 'an empty layer is none');
  assert.deepEqual(
    { Cmd: Config.Cmd, Entrypoint: Config.Entrypoint, User: Config.User, WorkingDir: Config.WorkingDir },
    { Cmd: null, Entrypoint: ['echo', 'entry'], User: '1000:1000', WorkingDir: '/srv' },
  );
  const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  assert.deepEqual(Config.Env, ['A=1', path, 'B=2', 'C=1 and more']);
  assert.deepEqual(Config.ExposedPorts, { '8080/tcp': {}, '53/udp': {} });
  assert.deepEqual(Config.Labels, { x: '2', y: 'two words' });
  assert.deepEqual(Config.Volumes, { '/data': {} });
  if (!onDockerd) assert.equal(Config.StopSignal, 'SIGQUIT');
  assert.deepEqual(Config.OnBuild, ['RUN true']);
  assert.deepEqual(Config.Healthcheck, { Test: ['CMD-SHELL', 'true'], Interval: 5_000_000_000 });
  assert.equal(await mustDocker('run', '--rm', 'changed:1', 'more'), 'entry more');
  await mustDocker('commit', '-c', 'CMD echo only the command', 'plain', 'changed:2');
  assert.equal(await mustDocker('run', '--rm', 'changed:2'), 'only the command');
  for (const [change, expected] of [
    ['RUN true', /run is not a valid change command/i],
    ['EXPOSE nonsense', /nonsense/],
  ] as const) {
    const refused = await engine.docker('commit', '-c', change, 'plain', 'changed:3');
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, expected);
  }
  assert.match(
    (await engine.docker('commit', 'plain', 'Not/Valid')).stderr,
    /invalid reference format|must be lowercase/,
  );
  assert.match((await engine.docker('commit', 'nosuch', 'changed:3')).stderr, /No such container: nosuch/);
  assert.equal((await engine.api({ path: '/v1.41/images/changed:3/json' })).status, 404);
  await mustDocker('rm', 'plain');
  await mustDocker('rmi', 'changed:1', 'changed:2');
});

test('a container that runs is frozen meanwhile, unless it is not to be', async () => {
  await using live = engine.dockerInBackground(
    ...['events', '--filter', 'type=container', '--format'],
    '{{.Actor.Attributes.name}} {{.Action}} {{.Actor.Attributes.comment}} {{.Actor.Attributes.imageRef}}',
  );
  await eventually('events are told', async () => {
    await mustDocker('rm', '-f', await mustDocker('create', '--name', 'heard', 'busybox'));
    return live.stdout.includes('heard');
  });
  await mustDocker('run', '-d', '--name', 'runs', 'busybox', 'sh', '-c', 'echo > /here; exec sleep 600');
  await mustDocker('commit', 'runs', 'frozen:1');
  await mustDocker('commit', '--pause=false', '-m', 'going on', 'runs', 'frozen:2');
  assert.equal(await mustDocker('inspect', '-f', '{{.State.Status}}', 'runs'), 'running');
  assert.deepEqual(await topLayer('frozen:1'), ['here']);
  await mustDocker('pause', 'runs');
  await mustDocker('commit', 'runs', 'frozen:3');
  assert.equal(
    await mustDocker('inspect', '-f', '{{.State.Status}}', 'runs'),
    'paused',
    'who froze it thaws it',
  );
  await mustDocker('rm', '-f', 'runs');
  await live.waitForOutput('runs destroy');
  const told = live.stdout.split('\n').filter((line) => /^runs (pause|unpause|commit)/.test(line));
  assert.deepEqual(
    told.map((line) => line.replaceAll('<no value>', '').trim().replace(/ +/g, ' ')),
    [
      'runs pause',
      'runs commit frozen:1',
      'runs unpause',
      'runs commit going on frozen:2',
      'runs pause',
      'runs commit frozen:3',
    ],
  );
  await mustDocker('rmi', 'frozen:1', 'frozen:2', 'frozen:3');
});

test("dockerode: a configuration in the body takes the container's place, which fills it in", async () => {
  const container = await docker.createContainer({
    Image: 'busybox',
    Cmd: ['echo', 'old'],
    Env: ['A=1', 'B=2'],
    Labels: { kept: 'yes', other: 'old' },
    Hostname: 'box',
  });
  const answer = (await container.commit({
    repo: 'from-body',
    tag: '1',
    author: 'Grace',
    comment: 'by dockerode',
    changes: 'ENV D=4',
    pause: false,
    _body: { Cmd: ['echo', 'new'], Env: ['B=3', 'C=4'], Labels: { other: 'new' }, WorkingDir: '/opt' },
  } as Docker.ContainerInspectOptions)) as { Id: string };
  assert.match(answer.Id, /^sha256:/);
  const { Config, Author } = await oldImage('from-body:1');
  assert.equal(Author, 'Grace');
  assert.deepEqual(Config.Cmd, ['echo', 'new']);
  assert.deepEqual((Config.Env as string[]).filter((variable) => !variable.startsWith('PATH=')).sort(), [
    'A=1',
    'B=3',
    'C=4',
    'D=4',
  ]);
  assert.deepEqual(Config.Labels, { kept: 'yes', other: 'new' });
  assert.deepEqual([Config.Hostname, Config.WorkingDir, Config.Image], ['', '/opt', '']);
  const nameless = (await container.commit()) as { Id: string };
  assert.deepEqual((await docker.getImage(nameless.Id).inspect()).RepoTags, []);
  await container.remove();
  await docker.getImage(nameless.Id).remove();
  await docker.getImage('from-body:1').remove();
});

test('docker CLI 20.10 commits', { skip: without('oldDocker') }, async () => {
  const old = (...args: readonly string[]) => engine.run([peers.oldDocker ?? 'docker', ...args]);
  await mustDocker('run', '--name', 'aged', 'busybox', 'sh', '-c', 'echo aged > /file');
  const result = await old('commit', '-a', 'Old', '-c', 'CMD ["cat", "/file"]', '-p', 'aged', 'aged:1');
  assert.match(result.text, /^sha256:[0-9a-f]{64}$/, result.stderr);
  assert.equal(await mustDocker('run', '--rm', 'aged:1'), 'aged');
  await mustDocker('rm', 'aged');
  await mustDocker('rmi', 'aged:1');
});

test('slipway commit', { skip: onDockerd }, async () => {
  await mustDocker('run', '--name', 'ours', 'busybox', 'sh', '-c', 'echo ours > /file');
  const committed = await engine.slipway(
    ...['commit', '-a', 'Ada', '-m', 'note', '-c', 'CMD cat /file', '--pause=false', 'ours', 'ours:1'],
  );
  assert.match(committed.text, /^sha256:[0-9a-f]{64}$/, committed.stderr);
  assert.equal(await mustDocker('run', '--rm', 'ours:1'), 'ours');
  const { Author, Comment } = await oldImage('ours:1');
  assert.deepEqual([Author, Comment], ['Ada', 'note']);
  await mustDocker('rm', 'ours');
  await mustDocker('rmi', 'ours:1');
});
