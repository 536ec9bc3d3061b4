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
    assert.equal((await registry.collectGarbage({ graceMs: -1 })).removedBlobs, 1);
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
