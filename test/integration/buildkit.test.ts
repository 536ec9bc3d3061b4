import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Client, credentials, status } from '@grpc/grpc-js';
import { contextFolder, usePlugins } from './harness/build.ts';
import { eventually, runCommand } from './harness/command.ts';
import { peers, without } from './harness/peers.ts';
import { useEngine } from './harness/suite.ts';

const skip = without('buildx');
const skipCompose = without('compose');
const skipOld = without('oldDocker');

// Ends after what `useEngine` checks has begun: the build cache holds snapshots that no image names.
let prune = async () => {};
after(() => prune());
const engine = await useEngine();
usePlugins(engine);
prune = async () => {
  await engine.docker('rmi', '-f', ...(await images()));
  await engine.docker('buildx', 'prune', '-af');
};
const images = async () => (await engine.mustDocker('images', '-q')).split('\n').filter((id) => id !== '');

/** `docker build` with plain progress; what it wrote is in `stderr`. */
const build = (...args: readonly string[]) => engine.docker('build', '--progress=plain', ...args);

async function mustBuild(...args: readonly string[]): Promise<string> {
  const result = await build(...args);
  assert.equal(result.code, 0, result.stderr);
  return result.stderr;
}

const stages = {
  Dockerfile: `FROM busybox AS one
WORKDIR /app
COPY hello.txt .
RUN echo said; cat hello.txt > /made
FROM busybox
COPY --from=one /made /made
CMD ["cat", "/made"]
`,
  'hello.txt': 'hi\n',
  '.dockerignore': 'node_modules\n',
  'node_modules/x': 'x',
};

test('buildx builds, shows each step and its output, and the second time takes all from the cache', {
  skip,
}, async () => {
  const folder = contextFolder(engine, 'stages', stages);
  const first = await mustBuild('-t', 'stages', folder);
  for (const expected of [
    '[internal] load build definition from Dockerfile',
    '[internal] load .dockerignore',
    '[internal] load metadata for docker.io/library/busybox:latest',
    '[one 4/4] RUN echo said',
    ' said',
    'exporting to image',
  ]) {
    assert.ok(first.includes(expected), `${expected} in ${first}`);
  }
  assert.equal(await engine.mustDocker('run', '--rm', 'stages'), 'hi');
  const id = await engine.mustDocker('images', '-q', '--no-trunc', 'stages');
  const second = await mustBuild('-t', 'stages', folder);
  assert.match(second, /RUN echo said.*\n#\d+ CACHED/);
  assert.doesNotMatch(second, / said\n/);
  assert.equal(await engine.mustDocker('images', '-q', '--no-trunc', 'stages'), id);
  assert.equal(await engine.mustDocker('build', '-q', folder), id);
});

test('a failing step is told with its output, its exit code and its place in the Dockerfile', {
  skip,
}, async () => {
  const folder = contextFolder(engine, 'failing', { Dockerfile: 'FROM busybox\nRUN echo before; exit 3\n' });
  const { code, stderr } = await build(folder);
  assert.equal(code, 1);
  assert.match(stderr, /before/);
  assert.match(stderr, /2 \| >>> RUN echo before; exit 3/);
  assert.match(
    stderr,
    /failed to solve: process "\/bin\/sh -c echo before; exit 3" did not complete successfully: exit code: 3/,
  );
});

test("a Dockerfile that cannot be read, or is not there, is told in BuildKit's words", { skip }, async () => {
  const unknown = contextFolder(engine, 'unknown', { Dockerfile: 'FROM busybox\nFOO bar\n' });
  const { stderr } = await build(unknown);
  assert.match(stderr, /2 \| >>> FOO bar/);
  assert.match(stderr, /failed to solve: dockerfile parse error on line 2: unknown instruction: FOO/);
  const none = contextFolder(engine, 'none', { 'other.txt': '' });
  assert.match(
    (await build(none)).stderr,
    /failed to read dockerfile: open Dockerfile: no such file or directory/,
  );
});

test('of 2,000 files only the one that changed is sent, and what is gone here is gone there', {
  skip,
}, async () => {
  const files = Object.fromEntries(
    Array.from({ length: 2_000 }, (_, index) => [`d${index % 40}/f${index}`, 'x'.repeat(5_000)]),
  );
  const folder = contextFolder(engine, 'many', { ...files, Dockerfile: 'FROM busybox\nCOPY . /many\n' });
  const sent = (text: string) => /load build context\n#\d+ transferring context: (\S+)/.exec(text)?.[1];
  assert.equal(sent(await mustBuild(folder)), '10.00MB');
  writeFileSync(join(folder, 'd3/f3'), 'changed');
  assert.equal(sent(await mustBuild(folder)), '7B');
  rmSync(join(folder, 'd4/f4'));
  renameSync(join(folder, 'd5/f5'), join(folder, 'd5/g5'));
  assert.equal(sent(await mustBuild('-t', 'many', folder)), '5.00kB');
  const shown = await engine.mustDocker(
    'run',
    '--rm',
    'many',
    'sh',
    '-c',
    'cat /many/d3/f3; ls /many/d4/f4 /many/d5 2>&1; true',
  );
  assert.match(shown, /^changed/);
  assert.match(shown, /\/many\/d4\/f4: No such file/);
  assert.ok(shown.includes('g5') && !/\bf5\b/.test(shown));
});

test('what COPY --link brought stays when the base is another: the same layer, from the cache', {
  skip,
}, async () => {
  const dockerfile = `ARG BASE
FROM busybox AS base
ARG BASE
RUN mkdir -p /app && echo $BASE > /app/base
FROM base
WORKDIR /app
COPY --link --chown=5:6 files/ .
ADD --link <<two /deep/er/
second
two
COPY plain /plain
CMD ["sh", "-c", "cat base one /deep/er/two /plain && stat -c %u:%g one"]
`;
  const folder = contextFolder(engine, 'linked', {
    Dockerfile: dockerfile,
    'files/one': 'one\n',
    plain: 'p\n',
  });
  const layersOf = async (base: string) => {
    const log = await mustBuild('-t', base, '--build-arg', `BASE=${base}`, folder);
    assert.equal(await engine.mustDocker('run', '--rm', base), `${base}\none\nsecond\np\n5:6`);
    const layers = await engine.mustDocker('image', 'inspect', '-f', '{{json .RootFS.Layers}}', base);
    return { log, layers: JSON.parse(layers) as string[] };
  };
  const first = await layersOf('first');
  const second = await layersOf('second');
  assert.match(first.log, /COPY --link --chown=5:6.*\n#\d+ DONE/);
  assert.match(second.log, /COPY --link --chown=5:6.*\n#\d+ CACHED/);
  assert.match(second.log, /ADD --link <<two.*\n#\d+ CACHED/);
  assert.match(second.log, /COPY plain.*\n#\d+ DONE/);
  assert.equal(first.layers.length, 5);
  assert.notEqual(second.layers[1], first.layers[1]);
  assert.deepEqual(second.layers.slice(2, 4), first.layers.slice(2, 4));
  const history = await engine.mustDocker('history', '--format', '{{.CreatedBy}} {{.Size}}', 'second');
  assert.match(history, /COPY --chown=5:6 files\/ \. # buildkit [1-9]/);
});

test('secrets reach their step and no byte that is kept', { skip }, async () => {
  const secret = 'correct-horse-battery-staple-8151';
  const folder = contextFolder(engine, 'secret', {
    Dockerfile: `FROM busybox
RUN --mount=type=secret,id=file wc -c < /run/secrets/file > /size
RUN --mount=type=secret,id=variable,env=TOKEN test -n "$TOKEN"
RUN --mount=type=secret,id=none,required=false true
`,
  });
  const path = join(engine.root, 'contexts/secret.txt');
  writeFileSync(path, secret);
  const args = ['--secret', `id=file,src=${path}`, '--secret', 'id=variable,env=SECRET_TOKEN'];
  const docker = peers.docker ?? 'docker';
  const result = await engine.run([docker, 'build', '--progress=plain', '-t', 'secret', ...args, folder], {
    env: { SECRET_TOKEN: secret },
  });
  assert.equal(result.code, 0, result.stderr);
  assert.equal(await engine.mustDocker('run', '--rm', 'secret', 'cat', '/size'), String(secret.length));
  rmSync(path);
  const found = await runCommand(['grep', '-rlF', secret, engine.dataRoot, engine.runRoot]);
  assert.equal(found.text, '');
  assert.ok(!engine.log.includes(secret));
});

test('the files that were built come out as a folder, a tar archive, an OCI layout and a docker archive', {
  skip,
}, async () => {
  const folder = contextFolder(engine, 'outputs', {
    Dockerfile:
      'FROM busybox AS made\nRUN mkdir /d && echo one > /d/f && ln -s f /d/l && chmod 751 /d\nFROM scratch\nCOPY --from=made /d /d\n',
  });
  const out = join(engine.root, 'contexts/out');
  await mustBuild('-o', out, folder);
  assert.equal(readFileSync(join(out, 'd/l'), 'utf8'), 'one\n');
  const list = async (type: string) => {
    await mustBuild('-o', `type=${type},dest=${out}.${type}`, folder);
    return (await runCommand(['tar', 'tf', `${out}.${type}`])).stdout;
  };
  assert.match(await list('tar'), /^d\/\nd\/f\nd\/l\n$/);
  assert.match(await list('oci'), /^oci-layout$/m);
  assert.match(await list('docker'), /^manifest\.json$/m);
});

test('build checks and targets are answered without a build', { skip }, async () => {
  const folder = contextFolder(engine, 'checks', {
    Dockerfile: 'from busybox as a\nFROM a AS b\nCMD echo x\n',
  });
  const { code, stdout } = await engine.docker('build', '--check', folder);
  assert.equal(code, 1);
  assert.match(stdout, /JSONArgsRecommended/);
  assert.match((await engine.docker('build', '--call=targets', folder)).stdout, /^a\b[\s\S]*^b \(default\)/m);
});

test('a context comes through standard input, as an archive or a Dockerfile', { skip }, async () => {
  const folder = contextFolder(engine, 'stages', stages);
  const docker = peers.docker ?? 'docker';
  const tar = await runCommand(['tar', 'cf', `${folder}.tar`, '-C', folder, '.']);
  assert.equal(tar.code, 0);
  const fromArchive = await engine.run([docker, 'build', '-t', 'piped', '-'], {
    input: readFileSync(`${folder}.tar`),
  });
  assert.equal(fromArchive.code, 0, fromArchive.stderr);
  assert.equal(await engine.mustDocker('run', '--rm', 'piped'), 'hi');
  const fromText = await engine.run([docker, 'build', '-t', 'text', '-'], {
    input: 'FROM busybox\nENV A=b\n',
  });
  assert.equal(fromText.code, 0, fromText.stderr);
  assert.equal(await engine.mustDocker('run', '--rm', 'text', 'sh', '-c', 'echo $A'), 'b');
});

test('a client that goes cancels its build, and nothing of it stays', { skip }, async () => {
  const folder = contextFolder(engine, 'canceled', {
    Dockerfile: 'FROM busybox\nRUN echo begun; sleep 4321\n',
  });
  const running = engine.dockerInBackground('build', '--progress=plain', folder);
  await eventually('the step runs', async () => (await runCommand(['pgrep', '-f', 'sleep 4321'])).code === 0);
  running.child.kill('SIGINT');
  assert.notEqual((await running.result).code, 0);
  await eventually(
    'the step has ended',
    async () => (await runCommand(['pgrep', '-fx', 'sleep 4321'])).code === 1,
  );
  await eventually('its files are gone', async () => readdirSync(join(engine.runRoot, 'build')).length === 0);
  assert.match(await engine.mustDocker('buildx', 'history', 'ls'), /Error|Canceled/);
});

test('a gRPC client that speaks HTTP/2 from the first byte is served on the same socket', {
  skip,
}, async () => {
  const client = new Client(`unix:${engine.socketPath}`, credentials.createInsecure());
  const call = (path: string) =>
    new Promise<Buffer>((resolve, reject) =>
      client.makeUnaryRequest(
        path,
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        Buffer.alloc(0),
        (error, answer) => (error === null ? resolve(answer as Buffer) : reject(error)),
      ),
    );
  try {
    const workers = await call('/moby.buildkit.v1.Control/ListWorkers');
    assert.match(workers.toString('latin1'), /linux/);
    const info = await Promise.all([1, 2, 3].map(() => call('/moby.buildkit.v1.Control/Info')));
    assert.match(String(info[2]), /slipway|\d+\.\d+/i);
    await assert.rejects(call('/moby.buildkit.v1.Control/Nothing'), { code: status.UNIMPLEMENTED });
    assert.equal((await engine.api({ path: '/_ping' })).text, 'OK');
  } finally {
    client.close();
  }
});

test('a file for another frontend is refused with what to do', { skip }, async () => {
  const folder = contextFolder(engine, 'frontend', {
    Dockerfile: '# syntax=example.com/other:1\nFROM busybox\n',
  });
  const { code, stderr } = await build(folder);
  assert.equal(code, 1);
  assert.match(stderr, /syntax "example.com\/other:1" is not supported.*docker\/dockerfile:1/);
});

test('builders are listed, looked at and their cache is cleaned', { skip }, async () => {
  assert.match(await engine.mustDocker('buildx', 'ls'), /running/);
  assert.match(await engine.mustDocker('buildx', 'inspect'), /linux\//);
  const folder = contextFolder(engine, 'du', { Dockerfile: 'FROM busybox\nRUN echo du > /du\n' });
  await mustBuild(folder);
  assert.match(await engine.mustDocker('buildx', 'du'), /^Total:\s+\S+/m);
  assert.match(await engine.mustDocker('buildx', 'prune', '-af'), /^Total:\s+\S+/m);
  assert.match(await engine.mustDocker('buildx', 'du'), /^Total:\s+0B/m);
});

test('docker compose builds its services side by side', { skip: skipCompose }, async () => {
  const folder = contextFolder(engine, 'composed', {
    ...stages,
    'compose.yaml': `services:
  a: {build: ., image: composed-a}
  b: {build: {context: ., target: one, args: {X: y}}, image: composed-b}
`,
  });
  const result = await engine.docker('compose', '--project-directory', folder, '--progress=plain', 'build');
  assert.equal(result.code, 0, result.stderr);
  assert.equal(await engine.mustDocker('run', '--rm', 'composed-a'), 'hi');
  assert.equal(await engine.mustDocker('run', '--rm', 'composed-b', 'pwd'), '/app');
});

test('a service is built on what another one came to', { skip: skipCompose }, async () => {
  const folder = contextFolder(engine, 'linked', {
    'compose.yaml': `services:
  base: {build: {context: ., dockerfile_inline: "FROM busybox\\nRUN echo below > /b"}, image: linked-base}
  app:
    image: linked-app
    build:
      context: .
      dockerfile_inline: "FROM base\\nRUN cat /b > /c\\nCOPY --from=files f /f"
      additional_contexts: {base: "service:base", files: ./d}
`,
    'd/f': 'beside',
  });
  const result = await engine.docker('compose', '--project-directory', folder, '--progress=plain', 'build');
  assert.equal(result.code, 0, result.stderr);
  assert.equal(await engine.mustDocker('run', '--rm', 'linked-app', 'cat', '/c', '/f'), 'below\nbeside');
});

test('docker CLI 20.10 builds with its own client, from a folder and from standard input', {
  skip: skipOld,
}, async () => {
  const folder = contextFolder(engine, 'stages', stages);
  const config = join(engine.root, 'old-config');
  mkdirSync(config, { recursive: true });
  const docker = peers.oldDocker ?? 'docker';
  const env = { DOCKER_BUILDKIT: '1', DOCKER_CONFIG: config };
  const built = await engine.run([docker, 'build', '--progress=plain', '-t', 'old', folder], { env });
  assert.equal(built.code, 0, built.stderr);
  assert.match(built.stderr, /\[one 4\/4\] RUN echo said/);
  assert.equal(await engine.mustDocker('run', '--rm', 'old'), 'hi');
  const piped = await engine.run([docker, 'build', '-t', 'old2', '-'], {
    env,
    input: readFileSync(`${folder}.tar`),
  });
  assert.equal(piped.code, 0, piped.stderr);
  const failing = contextFolder(engine, 'failing', { Dockerfile: 'FROM busybox\nRUN echo before; exit 3\n' });
  const failed = await engine.run([docker, 'build', failing], { env });
  assert.notEqual(failed.code, 0);
  assert.match(failed.stderr, /did not complete successfully: exit code: 3/);
});
