import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isSlipwayError } from '@slipway/base';
import { computeDigest } from '@slipway/oci';
import { ADMIN, movableClock, openTestRegistry, pushBlob, pushImage } from './testing.ts';

const HOUR_MS = 60 * 60_000;

describe("the registry's garbage collection", () => {
  it('keeps what manifests need, and what was pushed or looked at within the grace', async (t) => {
    const { clock, advance } = movableClock();
    const { registry, store } = await openTestRegistry(t, { clock });
    const image = await pushImage(registry, 'r', ['t'], 'layer');
    const old = await pushBlob(registry, 'r', 'old');
    const asked = await pushBlob(registry, 'r', 'asked for');
    advance(2 * HOUR_MS);
    await registry.getBlob('r', asked);
    const fresh = await pushBlob(registry, 'r', 'fresh');
    const { removedBlobs, freedBytes } = await registry.collectGarbage();
    assert.equal(removedBlobs, 1);
    assert.equal(freedBytes, 3);
    await assert.rejects(registry.getBlob('r', old), { reason: 'BLOB_UNKNOWN' });
    assert.equal(await store.content.find(old), undefined);
    for (const digest of [fresh, asked, computeDigest('layer')]) await registry.getBlob('r', digest);
    await registry.deleteManifest('r', image.digest, ADMIN);
    advance(2 * HOUR_MS);
    await registry.collectGarbage();
    assert.deepEqual(await Array.fromAsync(store.content.list()), []);
  });

  it('leaves to other repositories what one does not need', async (t) => {
    const { registry } = await openTestRegistry(t);
    await pushImage(registry, 'a', ['t'], 'layer');
    await pushBlob(registry, 'b', 'layer');
    assert.equal((await registry.collectGarbage({ graceMs: -1 })).removedBlobs, 0);
    await assert.rejects(registry.getBlob('b', computeDigest('layer')), { reason: 'NAME_UNKNOWN' });
    assert.equal((await registry.getBlob('a', computeDigest('layer'))).sizeBytes, 5);
  });

  it('takes nothing from pushes, mounts and pulls that go on beside it', async (t) => {
    const { registry } = await openTestRegistry(t);
    const rounds = 40;
    let isPushing = true;
    const collecting = (async () => {
      let count = 0;
      for (; isPushing; count++) await registry.collectGarbage();
      return count;
    })();
    const push = async (repository: string) => {
      for (let round = 0; round < rounds; round++) {
        // Every repository pushes the same layers, so that blobs come and go under each other's hands.
        const content = `layer ${round}`;
        const image = await pushImage(registry, repository, ['t'], content);
        const mounted = await registry.mountBlob(`${repository}/copy`, computeDigest(content), {
          from: repository,
          visitor: ADMIN,
        });
        assert.ok(mounted);
        assert.equal((await registry.getBlob(repository, computeDigest(content))).sizeBytes, content.length);
        await registry.getBlob(`${repository}/copy`, computeDigest(content));
        assert.equal((await registry.getManifest(repository, 't')).digest, image.digest);
        await registry.deleteManifest(repository, image.digest, ADMIN);
        await registry.deleteBlob(repository, computeDigest(content));
        await registry.deleteBlob(`${repository}/copy`, computeDigest(content));
      }
    };
    try {
      await Promise.all(['a', 'b', 'c'].map(push));
    } finally {
      isPushing = false;
    }
    const collections = await collecting;
    assert.ok(collections > 3, `only ${collections} collections ran meanwhile`);
  });

  it('says what became of a repository that was removed', async (t) => {
    const { registry } = await openTestRegistry(t);
    const { bytes } = await pushImage(registry, 'r', ['t'], 'layer');
    const { sizeBytes } = await registry.describeRepository('r');
    await registry.deleteRepository('r', { force: true });
    const { removedBlobs, freedBytes } = await registry.collectGarbage();
    assert.deepEqual([removedBlobs, freedBytes], [3, sizeBytes], `a manifest of ${bytes.byteLength} bytes`);
  });

  it('with a grace ends the uploads that are idle for longer, and leaves those that bytes come for', async (t) => {
    const { registry } = await openTestRegistry(t);
    const idle = await registry.startUpload('r', ADMIN);
    const busy = await registry.startUpload('r', ADMIN);
    const gate = Promise.withResolvers<void>();
    const sending = busy.append(
      (async function* () {
        yield Buffer.from('half');
        await gate.promise;
      })(),
    );
    assert.equal((await registry.collectGarbage({ graceMs: -1 })).removedUploads, 1);
    await assert.rejects(registry.getUpload('r', idle.id), { reason: 'BLOB_UPLOAD_UNKNOWN' });
    gate.resolve();
    await sending;
    await busy.commit(computeDigest('half'));
  });

  it('forgets a repository whose first push came to nothing, but none that somebody made', async (t) => {
    const { clock, advance } = movableClock();
    const { registry } = await openTestRegistry(t, { clock });
    const names = () => registry.listRepositories({ limit: 9, visitor: ADMIN });
    await registry.createRepository('made', {});
    await registry.startUpload('uploading', ADMIN);
    await pushBlob(registry, 'failed', 'layer');
    await pushBlob(registry, 'slow', 'layer');
    assert.deepEqual(await names(), ['made'], 'a push without its manifest is in no list');
    assert.equal((await registry.status()).repositories, 1);
    advance(2 * HOUR_MS);
    const other = await pushBlob(registry, 'slow', 'other layer');
    await registry.collectGarbage();
    await assert.rejects(registry.describeRepository('failed'), { reason: 'NAME_UNKNOWN' });
    await registry.describeRepository('uploading');
    await registry.getBlob('slow', other);
    const image = await pushImage(registry, 'pushed', ['t'], 'layer');
    await registry.deleteManifest('pushed', image.digest, ADMIN);
    await registry.createRepository('uploading', {});
    advance(2 * HOUR_MS);
    await registry.collectGarbage();
    assert.deepEqual(await names(), ['made', 'pushed', 'uploading']);
  });

  it('goes by its timer', async (t) => {
    const { registry, store } = await openTestRegistry(t, { settings: { gcIntervalMs: 20 } });
    const { digest } = await store.content.write(Buffer.from('nobody needs it'));
    while ((await store.content.find(digest)) !== undefined) {
      await registry.status().catch((error: unknown) => {
        if (!isSlipwayError(error)) throw error;
      });
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
});
