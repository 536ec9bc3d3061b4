import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import Docker from 'dockerode';
import { contextFolder } from './harness/build.ts';
import { eventually, RunningCommand } from './harness/command.ts';
import { peers, without } from './harness/peers.ts';
import { onDockerd, useEngine } from './harness/suite.ts';

// Ends after what `useEngine` checks has begun: the build cache holds snapshots that no image names.
let prune = async () => {};
after(() => prune());
const engine = await useEngine();
prune = async () => {
  const images = (await engine.mustDocker('images', '-aq')).split('\n').filter(Boolean);
  await engine.docker('rmi', '-f', ...images);
  await engine.docker('builder', 'prune', '-af');
};

const CLASSIC = { env: { DOCKER_BUILDKIT: '0' } };
const build = (...args: readonly string[]) => engine.dockerWith(CLASSIC, 'build', ...args);

async function mustBuild(...args: readonly string[]): Promise<string> {
  const result = await build(...args);
  assert.equal(result.code, 0, `${result.stdout}\n${result.stderr}`);
  return result.stdout;
}

const APP = {
  Dockerfile: `ARG BASE=busybox
FROM $BASE AS build
ARG VERSION=1
WORKDIR /src
COPY . .
RUN echo making $VERSION; cat part > out; test ! -e node_modules
FROM busybox
COPY --from=build --chown=1000:1001 /src/out /app/out
ENV A=1
CMD ["cat", "/app/out"]
`,
  part: 'made\n',
  '.dockerignore': 'node_modules\n',
  'node_modules/x': 'x',
};

test('docker build tells the steps, names the image, and takes them from the cache the second time', async () => {
  const folder = contextFolder(engine, 'app', APP);
  const first = await mustBuild('-t', 'app', '-t', 'app:two', folder);
  assert.match(first, /Step 1\/\d+ : /);
  assert.match(first, /making 1\n/);
  assert.match(first, /Successfully tagged app:latest\nSuccessfully tagged app:two\n$/);
  assert.equal(await engine.mustDocker('run', '--rm', 'app'), 'made');
  assert.equal(await engine.mustDocker('run', '--rm', 'app', 'stat', '-c', '%u:%g', '/app/out'), '1000:1001');
  const id = (await engine.inspect('app', 'image')).Id;
  const second = await mustBuild('-t', 'app', folder);
  assert.match(second, / ---> Using cache\n/);
  assert.doesNotMatch(second, /\nmaking/);
  assert.equal((await engine.inspect('app', 'image')).Id, id, 'the same image again');
  assert.equal((await build('-q', folder)).stdout.trim(), id);
  assert.match(await mustBuild('--build-arg', 'VERSION=2', folder), /making 2/);
  assert.match(await mustBuild('--no-cache', folder), /making 1/);
});

test('docker history and inspect show what the Dockerfile says', { skip: onDockerd }, async () => {
  const folder = contextFolder(engine, 'config', {
    Dockerfile: `FROM busybox
LABEL a=b
EXPOSE 80
USER some
WORKDIR /home/some
HEALTHCHECK --interval=1m CMD true
ENTRYPOINT ["echo"]
CMD ["hi"]
`,
  });
  await mustBuild('-t', 'config', '--label', 'c=d', folder);
  const { Config } = await engine.inspect('config', 'image');
  assert.deepEqual(Config.Labels, { a: 'b', c: 'd' });
  assert.deepEqual(
    [Config.User, Config.WorkingDir, Config.Entrypoint, Config.Cmd],
    ['some', '/home/some', ['echo'], ['hi']],
  );
  assert.equal(await engine.mustDocker('run', '--rm', 'config'), 'hi');
  const history = await engine.mustDocker('history', '--no-trunc', '--format', '{{.CreatedBy}}', 'config');
  assert.deepEqual(history.split('\n').slice(0, 4), [
    'CMD ["hi"]',
    'ENTRYPOINT ["echo"]',
    'HEALTHCHECK &{["CMD-SHELL" "true"] "1m0s" "0s" "0s" "0s" \'\\x00\'}',
    'WORKDIR /home/some',
  ]);
});

test('a failing step leaves its output and its exit code, in docker words', async () => {
  const folder = contextFolder(engine, 'failing', { Dockerfile: 'FROM busybox\nRUN echo so far; exit 7\n' });
  const { code, stdout, stderr } = await build(folder);
  assert.equal(code, 7);
  assert.match(stdout, /so far/);
  assert.match(stderr, /The command '\/bin\/sh -c echo so far; exit 7' returned a non-zero code: 7/);
});

test('what is wrong with a Dockerfile or a context is said', async () => {
  const cases: readonly [Dockerfile: string, said: RegExp][] = [
    ['FROM busybox\nFORM x\n', /unknown instruction: FORM/],
    [
      'FROM busybox\nCOPY nothere /x\n',
      /file not found in build context or excluded by .dockerignore: stat nothere/,
    ],
    ['FROM 127.0.0.1:1/nothere\n', /127\.0\.0\.1:1/],
    // No stage, so an image: of a few digits it could be one by the beginning of its id.
    ['FROM busybox\nCOPY --from=123456789012 /x /x\n', /123456789012/],
  ];
  for (const [index, [Dockerfile, said]] of cases.entries()) {
    const { code, stderr } = await build(contextFolder(engine, `wrong${index}`, { Dockerfile }));
    assert.notEqual(code, 0, Dockerfile);
    assert.match(stderr, said);
  }
  const folder = contextFolder(engine, 'app', APP);
  assert.match((await build('--target', 'no', folder)).stderr, /target stage "no" could not be found/);
  assert.match((await build('-f', join(folder, 'part'), folder)).stderr, /unknown instruction: made/);
});

test('a Dockerfile on standard input, an archive on standard input, a Dockerfile elsewhere', async () => {
  const alone = await engine.dockerWith(
    { ...CLASSIC, input: 'FROM busybox\nRUN echo alone\n' },
    'build',
    '-',
  );
  assert.match(alone.stdout, /\nalone\n/);
  const folder = contextFolder(engine, 'app', APP);
  const beside = await engine.dockerWith(
    { ...CLASSIC, input: 'FROM busybox\nCOPY part /\nRUN cat /part\n' },
    'build',
    '-f',
    '-',
    folder,
  );
  assert.match(beside.stdout, /\nmade\n/, beside.stderr);
  const archive = join(engine.root, 'context.tgz');
  assert.equal((await engine.run(['tar', '-czf', archive, '-C', folder, '.'])).code, 0);
  const packed = await engine.dockerWith({ ...CLASSIC, input: readFileSync(archive) }, 'build', '-');
  assert.match(packed.stdout, /Successfully built/, packed.stderr);
});

test('stages that do not need each other run side by side, and their output is not mixed', async () => {
  const folder = contextFolder(engine, 'parallel', {
    Dockerfile: `FROM busybox AS one
RUN echo one begins; sleep 1; echo one ends > /one; cat /one
FROM busybox AS two
RUN echo two begins; sleep 1; echo two ends > /two; cat /two
FROM busybox
COPY --from=one /one /
COPY --from=two /two /
`,
  });
  const output = await mustBuild('--no-cache', folder);
  assert.match(output, /one begins\none ends\n(?:.*\n)*two begins\ntwo ends\n/);
});

test('an archive of a hostile context changes and reads nothing of the host', {
  skip: onDockerd,
}, async () => {
  const folder = contextFolder(engine, 'hostile', {
    Dockerfile: 'FROM busybox\nCOPY link /got\nRUN cat /got/hostname\n',
  });
  assert.equal((await engine.run(['ln', '-s', '/etc', join(folder, 'link')])).code, 0);
  assert.notEqual((await build(folder)).code, 0);
});

test('a client that goes ends the build, and nothing of it stays', { skip: onDockerd }, async () => {
  const folder = contextFolder(engine, 'long', {
    Dockerfile: 'FROM busybox\nRUN echo begun; exec sleep 4567\n',
  });
  await using building = new RunningCommand([peers.docker ?? 'docker', 'build', folder], {
    env: { ...engine.env, ...CLASSIC.env },
  });
  await eventually('the step runs', async () => (await engine.run(['pgrep', '-f', 'sleep 4567'])).code === 0);
  building.child.kill('SIGINT');
  await building.result;
  await eventually(
    'the step has ended',
    async () => (await engine.run(['pgrep', '-f', 'sleep 4567'])).code !== 0,
  );
  await eventually('its folders are gone', async () =>
    ['build/run', 'build/scratch'].every((name) => readdirSync(join(engine.dataRoot, name)).length === 0),
  );
});

test('docker builder prune frees the cache, and a build after it runs its steps again', {
  skip: onDockerd,
}, async () => {
  const folder = contextFolder(engine, 'app', APP);
  await mustBuild('-t', 'app', folder);
  assert.match(await engine.mustDocker('system', 'df'), /Build Cache\s+[1-9]/);
  assert.match(await engine.mustDocker('builder', 'prune', '-af'), /Total reclaimed space|Total:/);
  assert.equal(await engine.mustDocker('run', '--rm', 'app'), 'made', 'the image stays');
  assert.match(await mustBuild('-t', 'app', folder), /making 1/);
});

test('docker CLI 20.10 builds with its classic builder', { skip: without('oldDocker') }, async () => {
  const folder = contextFolder(engine, 'app', APP);
  const result = await engine.run([peers.oldDocker as string, 'build', '-t', 'old', folder], CLASSIC);
  assert.equal(result.code, 0, result.stderr);
  assert.match(result.stdout, /Successfully tagged old:latest/);
});

test('dockerode: buildImage answers steps, the id and errors with their code', async () => {
  const docker = new Docker({ socketPath: engine.socketPath });
  const follow = async (stream: NodeJS.ReadableStream) =>
    await new Promise<readonly Record<string, unknown>[]>((resolve, reject) =>
      docker.modem.followProgress(stream, (error: Error | null, all) =>
        error ? reject(error) : resolve(all),
      ),
    );
  const folder = contextFolder(engine, 'app', APP);
  const src = ['Dockerfile', 'part', '.dockerignore'];
  const lines = await follow(
    await docker.buildImage(
      { context: folder, src },
      { t: 'rode', buildargs: { VERSION: '9' }, cachefrom: '[]' },
    ),
  );
  const { Id } = await docker.getImage('rode').inspect();
  assert.deepEqual(
    lines.flatMap(({ aux }) => (aux === undefined ? [] : [aux])),
    [{ ID: Id }],
  );
  await assert.rejects(
    docker.buildImage({ context: folder, src }, { squash: true }),
    onDockerd ? /./ : /squash is not supported/,
  );
});

test('a context from the web is fetched by the daemon', async () => {
  const folder = contextFolder(engine, 'app', APP);
  const archive = join(engine.root, 'web.tar');
  assert.equal((await engine.run(['tar', '-cf', archive, '-C', folder, '.'])).code, 0);
  const server = createServer((_, response) => response.end(readFileSync(archive)));
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  try {
    const { port } = server.address() as AddressInfo;
    assert.match(
      await mustBuild('-t', 'web', `http://127.0.0.1:${port}/context.tar`),
      /Successfully tagged web/,
    );
  } finally {
    server.close();
  }
});
