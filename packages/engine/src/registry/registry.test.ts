import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { computeDigest, type Digest, MediaType } from '@slipway/oci';
import {
  ADMIN,
  descriptorOf,
  manifestOf,
  openTestRegistry,
  pushBlob,
  pushImage,
  visitorOf,
} from './testing.ts';

const unknown = computeDigest('nobody has this');

describe('a repository', () => {
  it('gives manifests by tag and digest, and blobs, as they were pushed, also after a restart', async (t) => {
    const before = await openTestRegistry(t);
    const image = await pushImage(before.registry, 'team/app', ['v1', 'latest'], 'layer');
    const { registry } = await before.restart();
    for (const target of ['v1', 'latest', image.digest]) {
      const stored = await registry.getManifest('team/app', target);
      assert.equal(stored.digest, image.digest);
      assert.equal(stored.mediaType, MediaType.ociManifest);
      assert.deepEqual(Buffer.from(stored.bytes), image.bytes);
    }
    const blob = await registry.getBlob('team/app', computeDigest('layer'));
    assert.equal(blob.sizeBytes, 5);
    assert.equal(await readFile(blob.path, 'utf8'), 'layer');
  });

  it('has only what was pushed or mounted into it', async (t) => {
    const { registry } = await openTestRegistry(t);
    const image = await pushImage(registry, 'a', ['v1'], 'layer');
    await registry.createRepository('b', {});
    await assert.rejects(registry.getBlob('b', computeDigest('layer')), { reason: 'BLOB_UNKNOWN' });
    await assert.rejects(registry.getManifest('b', image.digest), { reason: 'MANIFEST_UNKNOWN' });
    await assert.rejects(registry.getManifest('c', 'v1'), { code: 'NotFound', reason: 'NAME_UNKNOWN' });
    await assert.rejects(registry.putManifest('b', image, { tags: ['v1'], visitor: ADMIN }), {
      reason: 'MANIFEST_BLOB_UNKNOWN',
    });
    await assert.rejects(registry.getManifest('b', 'v1'), { reason: 'MANIFEST_UNKNOWN' });
  });

  it('keeps sha512 names beside the sha256 of the store', async (t) => {
    const { registry, store } = await openTestRegistry(t);
    const sha512 = (bytes: string | Uint8Array) =>
      `sha512:${createHash('sha512').update(bytes).digest('hex')}` as Digest;
    await pushBlob(registry, 'r', 'layer', sha512('layer'));
    await pushBlob(registry, 'r', '{}', sha512('{}'));
    const plain = manifestOf({
      config: { ...descriptorOf('{}', MediaType.ociEmpty), digest: sha512('{}') },
      layers: [{ ...descriptorOf('layer'), digest: sha512('layer') }],
    });
    const manifest = { ...plain, digest: sha512(plain.bytes) };
    await registry.putManifest('r', manifest, { tags: ['t'], visitor: ADMIN });
    assert.equal((await registry.getManifest('r', 't')).digest, manifest.digest);
    await registry.collectGarbage({ graceMs: 0 });
    assert.equal(
      await readFile((await registry.getBlob('r', sha512('layer'))).path, 'utf8'),
      'layer',
      'garbage collection follows the name that the manifest gives',
    );
    assert.equal((await store.content.info(computeDigest('layer'))).sizeBytes, 5);
    await assert.rejects(pushBlob(registry, 'r', 'other', sha512('layer')), { reason: 'DIGEST_INVALID' });
  });

  it('forgets a tag alone, and a manifest with its tags', async (t) => {
    const { registry } = await openTestRegistry(t);
    const image = await pushImage(registry, 'r', ['a', 'b', 'c'], 'layer');
    await registry.deleteTag('r', 'a', ADMIN);
    await assert.rejects(registry.deleteTag('r', 'a', ADMIN), { reason: 'MANIFEST_UNKNOWN' });
    assert.equal((await registry.getManifest('r', 'b')).digest, image.digest);
    await registry.deleteManifest('r', image.digest, ADMIN);
    assert.deepEqual(await registry.listTags('r', {}), []);
    await assert.rejects(registry.getManifest('r', image.digest), { reason: 'MANIFEST_UNKNOWN' });
    await registry.deleteBlob('r', computeDigest('layer'));
    await assert.rejects(registry.deleteBlob('r', computeDigest('layer')), { reason: 'BLOB_UNKNOWN' });
  });

  it('lists tags and repositories in the order of their bytes, page by page', async (t) => {
    const { registry } = await openTestRegistry(t);
    await pushImage(registry, 'b/x', ['b', 'B', 'a', '_', '10', '9'], 'layer');
    for (const name of ['a', 'b', 'b-c', 'secret/a']) await registry.createRepository(name, {});
    assert.deepEqual(await registry.listTags('b/x', {}), ['10', '9', 'B', '_', 'a', 'b']);
    assert.deepEqual(await registry.listTags('b/x', { after: '9', limit: 2 }), ['B', '_']);
    assert.deepEqual(await registry.listTags('b/x', { limit: 0 }), []);
    const visitor = visitorOf('a', 'b');
    assert.deepEqual(await registry.listRepositories({ limit: 2, visitor }), ['a', 'b']);
    assert.deepEqual(await registry.listRepositories({ after: 'b', limit: 9, visitor }), ['b-c', 'b/x']);
  });

  it('lists what refers to a subject, whether or not that is there', async (t) => {
    const { registry } = await openTestRegistry(t);
    const subject = { mediaType: MediaType.ociManifest, digest: unknown, size: 10 };
    const image = await pushImage(registry, 'r', [], 'signature', { subject, annotations: { a: 'b' } });
    const index = manifestOf({ manifests: [], subject, artifactType: 'application/x' });
    assert.deepEqual(await registry.putManifest('r', index, { tags: [], visitor: ADMIN }), {
      subject: unknown,
    });
    const found = await registry.listReferrers('r', unknown);
    assert.deepEqual(
      new Set(found),
      new Set([
        {
          mediaType: MediaType.ociManifest,
          digest: image.digest,
          size: image.bytes.length,
          artifactType: MediaType.ociConfig,
          annotations: { a: 'b' },
        },
        {
          mediaType: MediaType.ociIndex,
          digest: index.digest,
          size: index.bytes.length,
          artifactType: 'application/x',
        },
      ]),
    );
    await registry.deleteManifest('r', index.digest, ADMIN);
    assert.equal((await registry.listReferrers('r', unknown)).length, 1);
    assert.deepEqual(await registry.listReferrers('nowhere', unknown), []);
  });

  it('mounts from where the visitor may pull, and what the engine has for administrators', async (t) => {
    const { registry, store } = await openTestRegistry(t);
    const digest = await pushBlob(registry, 'secret/a', 'layer');
    const eve = visitorOf('eve/');
    const mount = (visitor: typeof eve, wanted: Digest, from?: string) =>
      registry.mountBlob('eve/b', wanted, { from, visitor });
    assert.equal(await mount(eve, digest), false);
    assert.equal(await mount(eve, digest, 'secret/a'), false);
    await assert.rejects(registry.getBlob('eve/b', digest), { reason: 'BLOB_UNKNOWN' });
    assert.equal(await mount(ADMIN, digest, 'secret/a'), true);
    assert.equal((await registry.getBlob('eve/b', digest)).sizeBytes, 5);
    const { digest: engines } = await store.content.write(Buffer.from('of an image'));
    assert.equal(await mount(eve, engines), false);
    assert.equal(await mount(ADMIN, unknown), false);
    assert.equal(await mount(ADMIN, engines), true);
    await registry.collectGarbage();
    assert.equal((await registry.getBlob('eve/b', engines)).sizeBytes, 11);
  });
});

describe('a manifest is refused', () => {
  const cases: readonly (readonly [string, object, string])[] = [
    ['without its layer', { layers: [descriptorOf('absent')] }, 'MANIFEST_BLOB_UNKNOWN'],
    [
      'with a size that its layer does not have',
      { layers: [{ ...descriptorOf('layer'), size: 6 }] },
      'MANIFEST_INVALID',
    ],
    ['with layers and manifests', { layers: [], manifests: [] }, 'MANIFEST_INVALID'],
    ['that says it is something else', { layers: [], mediaType: MediaType.ociIndex }, 'MANIFEST_INVALID'],
    ['of another version', { layers: [], schemaVersion: 1 }, 'MANIFEST_INVALID'],
    [
      'that is nested deeply',
      { layers: [], x: JSON.parse('['.repeat(100) + ']'.repeat(100)) },
      'MANIFEST_INVALID',
    ],
    ['that is too large', { layers: [], x: 'x'.repeat(4 << 20) }, 'SIZE_INVALID'],
  ];
  for (const [name, fields, reason] of cases) {
    it(name, async (t) => {
      const { registry } = await openTestRegistry(t);
      await pushBlob(registry, 'r', 'layer');
      await pushBlob(registry, 'r', '{}');
      const config = descriptorOf('{}', MediaType.ociEmpty);
      const manifest = { ...manifestOf({ config, ...fields }), mediaType: MediaType.ociManifest };
      await assert.rejects(registry.putManifest('r', manifest, { tags: ['t'], visitor: ADMIN }), { reason });
      assert.deepEqual(await registry.listTags('r', {}), []);
    });
  }

  it('of schema 1', async (t) => {
    const { registry } = await openTestRegistry(t);
    const manifest = manifestOf({}, 'application/vnd.docker.distribution.manifest.v1+prettyjws');
    await assert.rejects(registry.putManifest('r', manifest, { tags: [], visitor: ADMIN }), {
      reason: 'MANIFEST_INVALID',
    });
  });

  it('for an index whose manifest is not there, but not for foreign layers', async (t) => {
    const { registry } = await openTestRegistry(t);
    const child = { mediaType: MediaType.ociManifest, digest: unknown, size: 10 };
    await assert.rejects(
      registry.putManifest('r', manifestOf({ manifests: [child] }), { tags: [], visitor: ADMIN }),
      { reason: 'MANIFEST_BLOB_UNKNOWN' },
    );
    const foreign = {
      ...descriptorOf('away', 'application/vnd.oci.image.layer.nondistributable.v1.tar'),
      urls: ['https://store.example.com/away'],
    };
    await pushImage(registry, 'r', ['t'], 'layer', { layers: [foreign, descriptorOf('layer')] });
    assert.deepEqual(await registry.listTags('r', {}), ['t']);
  });
});

describe("a repository's rules", () => {
  it('keep immutable tags where they are', async (t) => {
    const { registry } = await openTestRegistry(t, { settings: { immutableTags: true } });
    const first = await pushImage(registry, 'r', ['v1'], 'one');
    const second = await pushImage(registry, 'r', ['v2'], 'two');
    const put = (tags: string[]) => registry.putManifest('r', second, { tags, visitor: ADMIN });
    await assert.rejects(put(['new', 'v1']), { code: 'FailedPrecondition', reason: 'DENIED' });
    assert.deepEqual(await registry.listTags('r', {}), ['v1', 'v2'], 'all tags or none');
    await put(['v2']);
    assert.equal((await registry.getManifest('r', 'v1')).digest, first.digest);
    await registry.updateRepository('r', { immutableTags: false });
    await put(['v1']);
    assert.equal((await registry.getManifest('r', 'v1')).digest, second.digest);
  });

  it('stop an upload at the quota, count bytes once, and can be lifted', async (t) => {
    const { registry } = await openTestRegistry(t, { settings: { defaultQuotaBytes: 1_000 } });
    await pushBlob(registry, 'r', 'x'.repeat(600));
    await pushBlob(registry, 'r', 'x'.repeat(400));
    await assert.rejects(pushBlob(registry, 'r', 'y'), { code: 'ResourceExhausted', reason: 'DENIED' });
    assert.equal((await registry.status()).uploads, 0, 'what was refused does not wait');
    await assert.rejects(
      registry.putManifest('r', manifestOf({ manifests: [] }), { tags: ['t'], visitor: ADMIN }),
      { code: 'ResourceExhausted' },
    );
    assert.equal(
      await registry.mountBlob('r', computeDigest('x'.repeat(400)), { from: 'r', visitor: ADMIN }),
      true,
    );
    await pushBlob(registry, 'other', 'y');
    assert.equal((await registry.updateRepository('r', { quotaBytes: undefined })).quotaBytes, undefined);
    await pushBlob(registry, 'r', 'y'.repeat(5_000));
    assert.equal((await registry.describeRepository('r')).sizeBytes, 6_000);
  });

  it('count what other uploads of the repository have sent', async (t) => {
    const { registry } = await openTestRegistry(t, { settings: { defaultQuotaBytes: 1_000 } });
    const first = await registry.startUpload('r', ADMIN);
    await first.append(
      (async function* () {
        yield Buffer.alloc(700);
      })(),
    );
    await assert.rejects(pushBlob(registry, 'r', 'y'.repeat(400)), { code: 'ResourceExhausted' });
    await first.cancel();
    await pushBlob(registry, 'r', 'y'.repeat(400));
  });

  it('take nothing while the registry is read-only', async (t) => {
    const { registry } = await openTestRegistry(t, { settings: { isReadOnly: true } });
    const denied = { code: 'PermissionDenied', reason: 'DENIED' };
    await assert.rejects(registry.startUpload('r', ADMIN), denied);
    await assert.rejects(
      registry.putManifest('r', manifestOf({ manifests: [] }), { tags: [], visitor: ADMIN }),
      denied,
    );
    await assert.rejects(registry.deleteBlob('r', unknown), denied);
    await assert.rejects(registry.deleteManifest('r', unknown, ADMIN), denied);
    await assert.rejects(registry.mountBlob('r', unknown, { from: undefined, visitor: ADMIN }), denied);
  });
});

describe('the catalogue', () => {
  it('shows sizes, tags, platforms and pulls', async (t) => {
    const { registry } = await openTestRegistry(t);
    const image = await pushImage(registry, 'r', ['v1'], 'layer');
    const index = manifestOf({
      manifests: [
        { mediaType: image.mediaType, digest: image.digest, size: image.bytes.length },
        {
          mediaType: image.mediaType,
          digest: image.digest,
          size: image.bytes.length,
          platform: { os: 'linux', architecture: 'arm', variant: '7' },
        },
      ],
    });
    await registry.putManifest('r', index, { tags: ['multi'], visitor: ADMIN });
    await registry.getManifest('r', 'v1');
    const shown = new Map((await registry.describeManifests('r')).map((one) => [one.digest, one]));
    const config = JSON.stringify({ architecture: 'arm64', os: 'linux', content: 'layer' });
    const imageBytes = image.bytes.length + config.length + 'layer'.length;
    assert.deepEqual(shown.get(image.digest)?.tags, ['v1']);
    assert.equal(shown.get(image.digest)?.sizeBytes, imageBytes);
    assert.deepEqual(shown.get(image.digest)?.platforms, [{ os: 'linux', architecture: 'arm64' }]);
    assert.ok((shown.get(image.digest)?.lastPulledAtMs ?? 0) > 0);
    assert.equal(shown.get(index.digest)?.lastPulledAtMs, undefined);
    assert.equal(shown.get(index.digest)?.sizeBytes, index.bytes.length + imageBytes);
    assert.deepEqual(shown.get(index.digest)?.platforms, [
      { os: 'linux', architecture: 'arm64' },
      { os: 'linux', architecture: 'arm', variant: 'v7' },
    ]);
    const [described] = await registry.describeRepositories(visitorOf('r'));
    assert.equal(described?.manifestCount, 2);
    assert.equal(described?.tagCount, 2);
    assert.deepEqual(await registry.describeRepositories(visitorOf('other')), []);
    const { repositories, manifests, blobs, sizeBytes } = await registry.status();
    assert.deepEqual({ repositories, manifests, blobs }, { repositories: 1, manifests: 2, blobs: 2 });
    assert.equal(sizeBytes, described?.sizeBytes);
  });

  it('makes repositories once, with good names, and drops full ones only by force', async (t) => {
    const { registry } = await openTestRegistry(t);
    await registry.createRepository('r', { quotaBytes: 5, immutableTags: true });
    await assert.rejects(registry.createRepository('r', {}), { code: 'AlreadyExists' });
    await assert.rejects(registry.createRepository('../r', {}), { reason: 'NAME_INVALID' });
    const { quotaBytes, immutableTags } = await registry.describeRepository('r');
    assert.deepEqual({ quotaBytes, immutableTags }, { quotaBytes: 5, immutableTags: true });
    await pushImage(registry, 'full', ['t'], 'layer');
    await assert.rejects(registry.deleteRepository('full', { force: false }), {
      code: 'FailedPrecondition',
    });
    const upload = await registry.startUpload('full', ADMIN);
    await registry.deleteRepository('full', { force: true });
    await assert.rejects(registry.getManifest('full', 't'), { reason: 'NAME_UNKNOWN' });
    await assert.rejects(upload.commit(unknown), { reason: 'BLOB_UPLOAD_UNKNOWN' });
    assert.equal((await registry.status()).uploads, 0);
  });
});
