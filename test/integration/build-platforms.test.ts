import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { contextFolder, usePlugins } from './harness/build.ts';
import { startDockerRegistry } from './harness/docker-registry.ts';
import { without } from './harness/peers.ts';
import { RegistryClients } from './harness/registry-clients.ts';
import { useEngine } from './harness/suite.ts';

const skip = without('buildx');
const skipRegistry = skip || without('dockerRegistry') || without('crane');

// Ends after what `useEngine` checks has begun: the build cache holds snapshots that no image names.
let prune = async () => {};
after(() => prune());
const engine = await useEngine();
usePlugins(engine);
prune = async () => {
  const images = (await engine.mustDocker('images', '-aq')).split('\n').filter(Boolean);
  await engine.docker('rmi', '-f', ...images);
  await engine.docker('builder', 'prune', '-af');
};
const clients = new RegistryClients(engine);

/** Runs here what makes things for elsewhere. */
const CROSS = {
  Dockerfile: `FROM --platform=$BUILDPLATFORM busybox AS maker
ARG TARGETARCH
COPY part-$TARGETARCH /part
RUN echo "made on $(uname -m) for $TARGETARCH" > /arch
FROM scratch
COPY --from=maker /arch /part /
`,
  'part-amd64': 'of amd64',
  'part-arm64': 'of arm64',
};
const BOTH = ['--platform', 'linux/amd64,linux/arm64'];

async function mustBuild(...args: readonly string[]): Promise<string> {
  const { code, stderr } = await engine.docker('buildx', 'build', '--progress=plain', ...args);
  assert.equal(code, 0, stderr);
  return stderr;
}

interface Index {
  readonly mediaType: string;
  readonly manifests: readonly {
    readonly digest: string;
    readonly platform: { readonly architecture: string };
  }[];
}

const indexOf = async (name: string) => JSON.parse(await clients.must('crane', 'manifest', name)) as Index;

/** The bytes of a file of an image in a registry. */
async function fileOf(name: string, platform: string, path: string): Promise<string> {
  const archive = join(engine.root, 'exported.tar');
  await clients.must('crane', 'export', '--platform', platform, name, archive);
  return (await engine.run(['tar', '-xOf', archive, path])).stdout;
}

test('one build makes an image for each platform, and pushes an index of them', {
  skip: skipRegistry,
}, async () => {
  await using debian = await startDockerRegistry();
  const name = `${debian.host}/cross:1`;
  const folder = contextFolder(engine, 'cross', CROSS);
  const said = await mustBuild(...BOTH, '--provenance=false', '--push', '-t', name, folder);
  assert.match(said, /\[linux\/amd64->arm64 maker 3\/3\] RUN echo/);
  const index = await indexOf(name);
  assert.equal(index.mediaType, 'application/vnd.oci.image.index.v1+json');
  assert.deepEqual(
    index.manifests.map(({ platform }) => platform),
    [
      { architecture: 'amd64', os: 'linux' },
      { architecture: 'arm64', os: 'linux' },
    ],
  );
  for (const architecture of ['amd64', 'arm64']) {
    const platform = `linux/${architecture}`;
    assert.match(await fileOf(name, platform, 'arch'), new RegExp(`for ${architecture}\n`));
    assert.equal(await fileOf(name, platform, 'part'), `of ${architecture}`);
    const config = JSON.parse(await clients.must('crane', 'config', '--platform', platform, name));
    assert.equal(config.architecture, architecture);
  }
  const shown = await engine.mustDocker('buildx', 'imagetools', 'inspect', name);
  assert.match(shown, /Platform:\s+linux\/amd64[\s\S]*Platform:\s+linux\/arm64/);
  const manifest = JSON.parse(await engine.mustDocker('manifest', 'inspect', '--insecure', name));
  assert.equal(manifest.manifests.length, 2);
  // Nothing of it is made twice, in the order of the platforms.
  await mustBuild(
    '--platform',
    'linux/arm64,linux/amd64',
    '--provenance=false',
    '--push',
    '-t',
    `${name}0`,
    folder,
  );
  assert.deepEqual(
    (await indexOf(`${name}0`)).manifests.map(({ digest }) => digest),
    index.manifests.map(({ digest }) => digest).toReversed(),
  );
});

test("several platforms under a name of the engine's own: this machine's runs, and all are pushed", {
  skip: skipRegistry,
}, async () => {
  await using debian = await startDockerRegistry();
  const folder = contextFolder(engine, 'own', {
    Dockerfile: 'FROM scratch\nARG TARGETARCH\nCOPY Dockerfile /$TARGETARCH\n',
  });
  await mustBuild(...BOTH, '-t', 'several', folder);
  assert.equal((await engine.inspect('several', 'image')).Architecture, 'amd64');
  const name = `${debian.host}/several:1`;
  await engine.mustDocker('tag', 'several', name);
  const pushed = await engine.mustDocker('push', name);
  const digest = /digest: (sha256:[0-9a-f]{64})/.exec(pushed)?.[1];
  assert.equal(await clients.must('crane', 'digest', name), digest);
  for (const architecture of ['amd64', 'arm64']) {
    assert.match(await fileOf(name, `linux/${architecture}`, architecture), /FROM/);
  }
  // A restart forgets nothing of it, and another image under the name has nothing of it.
  await engine.stop();
  await engine.start();
  await engine.mustDocker('push', name);
  assert.equal(await clients.must('crane', 'digest', name), digest);
  await mustBuild('--platform', 'linux/amd64', '-t', name, folder);
  await engine.mustDocker('push', name);
  assert.equal((await indexOf(name)).manifests, undefined);
});

test('an OCI archive holds all platforms, and a docker-archive refuses them', {
  skip: skip || without('skopeo'),
}, async () => {
  const folder = contextFolder(engine, 'cross', CROSS);
  const archive = join(engine.root, 'cross.tar');
  await mustBuild(...BOTH, '--provenance=false', '-o', `type=oci,dest=${archive}`, folder);
  for (const architecture of ['amd64', 'arm64']) {
    const args = ['--override-arch', architecture, 'inspect', '--config', `oci-archive:${archive}`];
    assert.equal(JSON.parse(await clients.must('skopeo', ...args)).architecture, architecture);
  }
  const refused = await engine.docker(
    'buildx',
    'build',
    ...BOTH,
    '-o',
    `type=local,dest=${archive}.d`,
    folder,
  );
  assert.match(refused.stderr, /type=local takes the files of one platform/);
});

test('what cannot run here says what to install', { skip }, async () => {
  const folder = contextFolder(engine, 'foreign', {
    Dockerfile: 'FROM scratch\nCOPY sh /bin/sh\nRUN true\n',
  });
  // A program for a machine that there is not.
  const program = join(folder, 'sh');
  copyFileSync('/bin/true', program);
  const bytes = readFileSync(program);
  bytes.writeUInt16LE(0x7fff, 18);
  writeFileSync(program, bytes, { mode: 0o755 });
  const { code, stderr } = await engine.docker('buildx', 'build', '--platform', 'linux/vax', folder);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /this linux\/amd64 machine runs no programs for linux\/vax: install qemu-user-static and binfmt-support/,
  );
  assert.match(stderr, /3 \| >>> RUN true/);
  assert.match(await engine.mustDocker('buildx', 'inspect'), /Platforms:.*linux\/amd64.*linux\/386/);
});

test('slipway build makes several platforms too', { skip }, async () => {
  const folder = contextFolder(engine, 'cross', CROSS);
  const archive = join(engine.root, 'slipway.tar');
  const built = await engine.slipway(
    'build',
    ...BOTH,
    '-o',
    `type=oci,dest=${archive}`,
    '-t',
    'cross',
    folder,
  );
  assert.equal(built.code, 0, built.stderr);
  assert.match(built.stderr, /\[linux\/amd64->arm64 maker 3\/3\] RUN echo/);
  const listed = await engine.run(['tar', '-xOf', archive, 'index.json']);
  const [top] = (JSON.parse(listed.stdout) as Index).manifests;
  const blob = `blobs/sha256/${top?.digest.slice('sha256:'.length)}`;
  const index = JSON.parse((await engine.run(['tar', '-xOf', archive, blob])).stdout) as Index;
  assert.deepEqual(
    index.manifests.map(({ platform }) => platform.architecture),
    ['amd64', 'arm64'],
  );
  const refused = await engine.slipway('build', ...BOTH, '-o', join(engine.root, 'files'), folder);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /are of one platform/);
});
