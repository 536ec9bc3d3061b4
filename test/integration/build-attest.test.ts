import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { contextFolder, usePlugins } from './harness/build.ts';
import { startDockerRegistry } from './harness/docker-registry.ts';
import { without } from './harness/peers.ts';
import { RegistryClients } from './harness/registry-clients.ts';
import { useEngine } from './harness/suite.ts';

const skip = without('buildx') || without('dockerRegistry') || without('crane');

// Ends after what `useEngine` checks has begun: the build cache holds snapshots that no image names.
let prune = async () => {};
after(() => prune());
const engine = await useEngine({ port: 'free' });
usePlugins(engine);
prune = async () => {
  const images = (await engine.mustDocker('images', '-aq')).split('\n').filter(Boolean);
  await engine.docker('rmi', '-f', ...images);
  await engine.docker('builder', 'prune', '-af');
};
const clients = new RegistryClients(engine);

const FILES = {
  Dockerfile: `FROM busybox
ARG COLOUR
RUN --mount=type=secret,id=token echo "$COLOUR" > /colour
COPY package-lock.json package.json /app/
COPY node_modules /app/node_modules
`,
  'package.json': '{"name":"app","version":"1.0.0"}',
  'package-lock.json': '{"lockfileVersion":3,"packages":{}}',
  'node_modules/left/package.json': '{"name":"left","version":"1.2.3","license":"MIT"}',
};
const ARGS = ['--build-arg', 'COLOUR=ultramarine', '--label', 'of=mine', '--secret', 'id=token,env=TOKEN'];
const TOKEN = 'the-token-8f2c1d';

async function mustBuild(...args: readonly string[]): Promise<string> {
  const { code, stderr } = await engine.dockerWith(
    { env: { TOKEN } },
    ...['buildx', 'build', '--progress=plain', ...ARGS, ...args, contextFolder(engine, 'attested', FILES)],
  );
  assert.equal(code, 0, stderr);
  return stderr;
}

// biome-ignore lint/suspicious/noExplicitAny: documents of others
type Document = any;

const json = async (...args: string[]): Promise<Document> => JSON.parse(await clients.must('crane', ...args));

/** The statements about the first image of an index, by their kind. */
async function statementsOf(name: string): Promise<{ subject: string; byType: Map<string, Document> }> {
  const repository = name.slice(0, name.lastIndexOf(':'));
  const { manifests } = await json('manifest', name);
  const [image, attestation] = manifests;
  assert.deepEqual(attestation.platform, { architecture: 'unknown', os: 'unknown' });
  assert.deepEqual(attestation.annotations, {
    'vnd.docker.reference.digest': image.digest,
    'vnd.docker.reference.type': 'attestation-manifest',
  });
  const { layers } = await json('manifest', `${repository}@${attestation.digest}`);
  const byType = new Map<string, Document>();
  for (const { mediaType, digest, annotations } of layers) {
    assert.equal(mediaType, 'application/vnd.in-toto+json');
    const statement = await json('blob', `${repository}@${digest}`);
    assert.equal(statement._type, 'https://in-toto.io/Statement/v0.1');
    assert.equal(statement.predicateType, annotations['in-toto.io/predicate-type']);
    assert.equal(`sha256:${statement.subject[0].digest.sha256}`, image.digest);
    byType.set(statement.predicateType, statement.predicate);
  }
  return { subject: image.digest, byType };
}

test('an image that is pushed says how it was built, and no more than it was asked for', {
  skip,
}, async () => {
  await using debian = await startDockerRegistry();
  const name = `${debian.host}/attested:1`;
  // What buildx asks for by itself.
  await mustBuild('--push', '-t', name);
  const shown = await engine.mustDocker(
    'buildx',
    'imagetools',
    'inspect',
    name,
    '--format',
    '{{json .Provenance}}',
  );
  const { SLSA: least } = JSON.parse(shown);
  assert.equal(least.buildType, 'https://mobyproject.org/buildkit@v1');
  assert.equal(least.invocation.configSource.entryPoint, 'Dockerfile');
  assert.deepEqual(least.invocation.parameters.locals, [{ name: 'context' }, { name: 'dockerfile' }]);
  assert.match(least.materials[0].uri, /^pkg:docker\/busybox@latest\?platform=linux%2Famd64$/);
  assert.deepEqual(least.metadata.completeness, { parameters: false, environment: true, materials: false });
  assert.equal(least.buildConfig, undefined);
  assert.doesNotMatch(shown, /ultramarine|mine|token/);

  await mustBuild('--provenance=mode=max', '--push', '-t', name);
  const { byType } = await statementsOf(name);
  const most = byType.get('https://slsa.dev/provenance/v0.2');
  assert.equal(most.invocation.parameters.args['build-arg:COLOUR'], 'ultramarine');
  assert.deepEqual(most.invocation.parameters.secrets, [{ id: 'token', optional: true }]);
  const metadata = most.metadata['https://mobyproject.org/buildkit@v1#metadata'];
  assert.equal(Buffer.from(metadata.source.infos[0].data, 'base64').toString(), FILES.Dockerfile);
  const run = most.buildConfig.llbDefinition.find((step: Document) => step.op.Op.exec !== undefined);
  assert.deepEqual(metadata.source.locations[run.id].locations[0].ranges[0].start, { line: 3 });
  assert.ok(!JSON.stringify(most).includes(TOKEN));

  await mustBuild('--provenance=mode=min,version=v1,builder-id=https://ci.example/7', '--push', '-t', name);
  const v1 = (await statementsOf(name)).byType.get('https://slsa.dev/provenance/v1');
  assert.equal(v1.runDetails.builder.id, 'https://ci.example/7');
  assert.equal(v1.buildDefinition.internalParameters.builderPlatform, 'linux/amd64');

  await mustBuild('--provenance=false', '--push', '-t', name);
  assert.equal((await json('manifest', name)).manifests, undefined);
});

test('a bill of materials comes with each platform of an image', { skip }, async () => {
  // The engine's own registry.
  const name = `127.0.0.1:${engine.port}/attested:sbom`;
  assert.match(await mustBuild('--sbom=true', '--push', '-t', name), /\[linux\/amd64\] generating sbom/);
  const shown = await engine.mustDocker(
    'buildx',
    'imagetools',
    'inspect',
    name,
    '--format',
    '{{json .SBOM.SPDX}}',
  );
  const spdx = JSON.parse(shown);
  assert.equal(spdx.spdxVersion, 'SPDX-2.3');
  assert.ok(spdx.packages.some((found: Document) => found.name === 'left' && found.versionInfo === '1.2.3'));
  const { byType } = await statementsOf(name);
  assert.deepEqual([...byType.keys()], ['https://spdx.dev/Document', 'https://slsa.dev/provenance/v0.2']);
  const digests = await engine.mustDocker('inspect', '-f', '{{.RepoDigests}}', name);
  assert.ok(digests.includes(await clients.must('crane', 'digest', name)), digests);
  const pulled = await engine.docker('pull', name);
  assert.equal(pulled.code, 0, pulled.stderr);
  assert.equal(await engine.mustDocker('run', '--rm', name, 'cat', '/colour'), 'ultramarine');
});

test('what is built for the engine itself is the same image as ever, until attestations are asked for', {
  skip,
}, async () => {
  await using debian = await startDockerRegistry();
  const idOf = async (name: string) => (await engine.inspect(name, 'image')).Id as string;
  await mustBuild('-t', 'plain');
  const name = `${debian.host}/attested:own`;
  await mustBuild('--provenance=mode=max', '--sbom=true', '-t', name);
  assert.equal(await idOf(name), await idOf('plain'));
  await engine.mustDocker('tag', 'plain', `${debian.host}/plain:1`);
  await engine.mustDocker('push', `${debian.host}/plain:1`);
  assert.equal((await json('manifest', `${debian.host}/plain:1`)).manifests, undefined);
  // With a name that stands for more than its image, all of it goes.
  await engine.mustDocker('push', name);
  const { byType } = await statementsOf(name);
  assert.deepEqual([...byType.keys()], ['https://spdx.dev/Document', 'https://slsa.dev/provenance/v0.2']);
});

test('slipway build says the same of its images', { skip }, async () => {
  await using debian = await startDockerRegistry();
  const name = `${debian.host}/attested:slipway`;
  const args = ['--provenance', 'mode=max', '--sbom', '--build-arg', 'COLOUR=red', '-t', name];
  const built = await engine.slipway('build', ...args, contextFolder(engine, 'attested', FILES));
  assert.equal(built.code, 0, built.stderr);
  await engine.mustDocker('push', name);
  const { byType } = await statementsOf(name);
  const provenance = byType.get('https://slsa.dev/provenance/v0.2');
  assert.equal(provenance.invocation.parameters.args['build-arg:COLOUR'], 'red');
  assert.ok(byType.has('https://spdx.dev/Document'));
});

test('oras and cosign find what is said about an image', {
  skip: skip || without('oras') || without('cosign'),
}, async () => {
  await using debian = await startDockerRegistry();
  const name = `${debian.host}/attested:tools`;
  await mustBuild('--provenance=mode=min', '--push', '-t', name);
  const index = JSON.parse(await clients.must('oras', 'manifest', 'fetch', '--plain-http', name));
  const [, attestation] = index.manifests;
  const fetched = `${debian.host}/attested@${attestation.digest}`;
  const { layers } = JSON.parse(await clients.must('oras', 'manifest', 'fetch', '--plain-http', fetched));
  const blob = `${debian.host}/attested@${layers[0].digest}`;
  const statement = JSON.parse(await clients.must('oras', 'blob', 'fetch', '--plain-http', '-o', '-', blob));
  assert.equal(statement.predicateType, 'https://slsa.dev/provenance/v0.2');
  assert.match(await clients.must('cosign', 'tree', '--allow-http-registry', name), /attested/);
});

test('what cannot be said is refused by its name', { skip }, async () => {
  const folder = contextFolder(engine, 'attested', FILES);
  const refused = async (...args: string[]) => {
    const { code, stderr } = await engine.docker('buildx', 'build', '--progress=plain', ...args, folder);
    assert.notEqual(code, 0);
    return stderr;
  };
  assert.match(await refused('--sbom=generator=scan/me:1'), /sbom generator=scan\/me:1 is not run/);
  assert.match(await refused('--provenance=mode=some'), /mode=some is not known: use min or max/);
});
