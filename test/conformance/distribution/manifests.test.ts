/** How manifests go in, come out and go. @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CONFIG_TYPE,
  type Document,
  digestOf,
  EMPTY_TYPE,
  IMAGE_TYPE,
  INDEX_TYPE,
  LAYER_TYPE,
  locationOf,
  makeArtifact,
  makeImage,
  newBytes,
  pushBlob,
  pushDocument,
  toDocument,
} from './content.ts';
import { unlikeDockerRegistry, useRegistry } from './registry.ts';

const registry = await useRegistry();

/** The document comes back as it was sent, by each of the references. */
async function assertStored(repository: string, document: Document, ...references: string[]): Promise<void> {
  for (const reference of [document.descriptor.digest, ...references]) {
    for (const method of ['GET', 'HEAD']) {
      const answer = await registry.must(200, method, `/v2/${repository}/manifests/${reference}`, {
        headers: { accept: `${INDEX_TYPE}, ${IMAGE_TYPE}` },
      });
      assert.deepEqual(answer.body, method === 'GET' ? document.bytes : Buffer.alloc(0));
      assert.equal(answer.headers.get('content-type'), document.type);
      assert.equal(answer.headers.get('content-length'), String(document.bytes.length));
      assert.equal(answer.headers.get('docker-content-digest'), document.descriptor.digest);
    }
  }
}

/** Pushes by tag; what the answer says must be so. */
async function roundTrip(repository: string, document: Document): Promise<void> {
  const pushed = await pushDocument(registry, repository, document, 'tag');
  assert.equal(pushed.headers.get('docker-content-digest'), document.descriptor.digest);
  assert.deepEqual(
    (await registry.must(200, 'GET', locationOf(pushed), { headers: { accept: document.type } })).body,
    document.bytes,
  );
  await assertStored(repository, document, 'tag');
}

/** An index of two images, all of it in the repository but the index. */
async function makeIndex(
  repository: string,
  {
    algorithm = 'sha256' as const,
    ...fields
  }: { algorithm?: 'sha256' | 'sha512'; [field: string]: unknown } = {},
) {
  const manifests = [];
  for (const architecture of ['amd64', 'arm64']) {
    const image = await makeImage(registry, repository, { algorithm });
    await pushDocument(registry, repository, image);
    manifests.push({ ...image.descriptor, platform: { os: 'linux', architecture } });
  }
  return toDocument(INDEX_TYPE, { manifests, ...fields }, algorithm);
}

test('an image', async () => {
  const repository = registry.newRepository();
  await roundTrip(repository, await makeImage(registry, repository));
});

test('an image with almost 4 MiB of annotations', async () => {
  const repository = registry.newRepository();
  const pairs = Array.from({ length: 390 }, (_, index) => [`annotation-${index}`, 'A'.repeat(10_000)]);
  await roundTrip(
    repository,
    await makeImage(registry, repository, { annotations: Object.fromEntries(pairs) }),
  );
});

test('an image without layers', async () => {
  const repository = registry.newRepository();
  await roundTrip(repository, await makeImage(registry, repository, { layers: [] }));
});

test('an image whose configuration is also in its descriptor', async () => {
  const repository = registry.newRepository();
  const bytes = Buffer.from('{}');
  const config = await pushBlob(registry, repository, bytes, { mediaType: CONFIG_TYPE });
  const layer = await pushBlob(registry, repository, newBytes(9), { mediaType: LAYER_TYPE });
  const fields = { config: { ...config, data: bytes.toString('base64') }, layers: [layer] };
  await roundTrip(repository, toDocument(IMAGE_TYPE, fields));
});

test('an image with layers that may not be distributed, and so are not here', {
  skip: unlikeDockerRegistry('wants to allow such addresses first'),
}, async () => {
  const repository = registry.newRepository();
  const digest = digestOf(newBytes(8));
  const away = {
    mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
    digest,
    size: 123_456,
    urls: [`https://store.example.com/${digest}`],
  };
  await roundTrip(repository, await makeImage(registry, repository, { layers: [away] }));
});

test('an image with fields that no specification knows', async () => {
  const repository = registry.newRepository();
  await roundTrip(
    repository,
    await makeImage(registry, repository, { 'org.example.field': { of: ['mine'] } }),
  );
});

test('an artifact, with layers and without', async () => {
  const repository = registry.newRepository();
  const artifactType = 'application/vnd.example.one';
  await roundTrip(repository, await makeArtifact(registry, repository, { artifactType }));
  const nothing = await pushBlob(registry, repository, Buffer.from('{}'), { mediaType: EMPTY_TYPE });
  await roundTrip(repository, await makeArtifact(registry, repository, { artifactType, layers: [nothing] }));
});

test('an index, an index of indexes, an index of nothing and an index that is an artifact', async () => {
  const repository = registry.newRepository();
  const index = await makeIndex(repository);
  await roundTrip(repository, index);
  const other = await makeIndex(repository, { artifactType: 'application/vnd.example.one' });
  await roundTrip(repository, other);
  await roundTrip(repository, toDocument(INDEX_TYPE, { manifests: [index.descriptor, other.descriptor] }));
  await roundTrip(repository, toDocument(INDEX_TYPE, { manifests: [] }));
});

test('an index and its images by sha512', { skip: unlikeDockerRegistry('knows sha256 alone') }, async () => {
  const repository = registry.newRepository();
  const index = await makeIndex(repository, { algorithm: 'sha512' });
  const pushed = await pushDocument(registry, repository, index);
  assert.equal(pushed.headers.get('docker-content-digest'), index.descriptor.digest);
  await assertStored(repository, index);
});

for (const algorithm of ['sha256', 'sha512'] as const) {
  test(`tags in the query of a push by ${algorithm} are set with it`, {
    skip: unlikeDockerRegistry('knows no such tags'),
  }, async () => {
    const repository = registry.newRepository();
    const image = await makeImage(registry, repository, { algorithm });
    const path = `/v2/${repository}/manifests/${image.descriptor.digest}`;
    const pushed = await registry.must(201, 'PUT', path, {
      body: image.bytes,
      query: { tag: ['one', 'two'] },
      headers: { 'content-type': image.type },
    });
    assert.deepEqual(pushed.headers.get('oci-tag')?.split(', ').sort(), ['one', 'two']);
    await assertStored(repository, image, 'one', 'two');
  });
}

test('a tag moves to what was pushed last', async () => {
  const repository = registry.newRepository();
  await roundTrip(repository, await makeImage(registry, repository));
  await roundTrip(repository, await makeImage(registry, repository));
});

test('a manifest that is not what its digest says is refused', async () => {
  const repository = registry.newRepository();
  const image = await makeImage(registry, repository);
  const path = `/v2/${repository}/manifests/${image.descriptor.digest}`;
  const body = Buffer.concat([image.bytes, Buffer.from('  ')]);
  const refused = await registry.must(400, 'PUT', path, { body, headers: { 'content-type': image.type } });
  assert.equal(refused.json.errors[0].code, 'DIGEST_INVALID');
  await registry.must(404, 'GET', path);
});

test('a digest that is none is refused', { skip: unlikeDockerRegistry('answers 500') }, async () => {
  const repository = registry.newRepository();
  const image = await makeImage(registry, repository);
  const path = `/v2/${repository}/manifests/sha256:baddigeststring`;
  await registry.must(400, 'PUT', path, { body: image.bytes, headers: { 'content-type': image.type } });
  assert.equal([400, 404].includes((await registry.ask('GET', path)).status), true);
});

test('a manifest whose blobs are not here is refused', async () => {
  const repository = registry.newRepository();
  const missing = { mediaType: LAYER_TYPE, digest: digestOf(newBytes(7)), size: 7 };
  const image = await makeImage(registry, repository, { layers: [missing] });
  const refused = await registry.ask('PUT', `/v2/${repository}/manifests/tag`, {
    body: image.bytes,
    headers: { 'content-type': image.type },
  });
  assert.equal([400, 404].includes(refused.status), true, String(refused.status));
  assert.equal(refused.json.errors[0].code, 'MANIFEST_BLOB_UNKNOWN');
});

test('what is no manifest is refused', { skip: unlikeDockerRegistry('answers 500') }, async () => {
  const path = `/v2/${registry.newRepository()}/manifests/tag`;
  for (const body of ['{"schemaVersion":', '"text"', '{}']) {
    const refused = await registry.must(400, 'PUT', path, { body, headers: { 'content-type': IMAGE_TYPE } });
    assert.equal(refused.json.errors[0].code, 'MANIFEST_INVALID');
  }
});

test('manifests that are not there are not found, by tag and by digest', async () => {
  const repository = registry.newRepository();
  await roundTrip(repository, await makeImage(registry, repository));
  for (const reference of ['no-such-tag', digestOf(newBytes(6))]) {
    const answer = await registry.must(404, 'GET', `/v2/${repository}/manifests/${reference}`);
    assert.equal(answer.json.errors[0].code, 'MANIFEST_UNKNOWN');
    await registry.must(404, 'HEAD', `/v2/${repository}/manifests/${reference}`);
  }
});

test('a deleted tag is gone at once, its manifest stays', {
  skip: unlikeDockerRegistry('deletes by digest alone'),
}, async () => {
  const repository = registry.newRepository();
  const image = await makeImage(registry, repository);
  await roundTrip(repository, image);
  await registry.must(202, 'DELETE', `/v2/${repository}/manifests/tag`);
  await registry.must(404, 'HEAD', `/v2/${repository}/manifests/tag`);
  await assertStored(repository, image);
});

test('a deleted manifest is gone at once, and its tags with it', async () => {
  const repository = registry.newRepository();
  const image = await makeImage(registry, repository);
  await roundTrip(repository, image);
  const path = `/v2/${repository}/manifests/${image.descriptor.digest}`;
  await registry.must(202, 'DELETE', path);
  await registry.must(404, 'HEAD', path);
  await registry.must(404, 'HEAD', `/v2/${repository}/manifests/tag`);
  await registry.must(404, 'DELETE', path);
});
