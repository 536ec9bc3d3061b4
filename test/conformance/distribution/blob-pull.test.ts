/** How blobs come out, and go. @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-blobs */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Algorithm, digestOf, newBytes, pushBlob } from './content.ts';
import { unlikeDockerRegistry, useRegistry } from './registry.ts';

const registry = await useRegistry();

for (const algorithm of ['sha256', 'sha512'] satisfies Algorithm[]) {
  const skip = algorithm === 'sha512' && unlikeDockerRegistry('knows blobs by sha256 alone');
  describe(`blobs by ${algorithm}`, { skip }, () => {
    test('a blob that is not there is not found', async () => {
      const repository = registry.newRepository();
      await pushBlob(registry, repository, newBytes(10));
      const path = `/v2/${repository}/blobs/${digestOf(newBytes(20), algorithm)}`;
      const answer = await registry.must(404, 'GET', path);
      assert.equal(answer.json.errors[0].code, 'BLOB_UNKNOWN');
      assert.equal((await registry.must(404, 'HEAD', path)).body.length, 0);
    });

    test('a blob is told by its digest, and HEAD tells its length', async () => {
      const repository = registry.newRepository();
      const bytes = newBytes(700);
      const { digest } = await pushBlob(registry, repository, bytes, { algorithm });
      for (const method of ['GET', 'HEAD']) {
        const answer = await registry.must(200, method, `/v2/${repository}/blobs/${digest}`);
        assert.equal(answer.headers.get('docker-content-digest'), digest);
        assert.equal(answer.headers.get('content-length'), '700');
        assert.deepEqual(answer.body, method === 'GET' ? bytes : Buffer.alloc(0));
      }
    });

    test('a blob is not found in a repository that it was not pushed to', async () => {
      const { digest } = await pushBlob(registry, registry.newRepository(), newBytes(30), { algorithm });
      await registry.must(404, 'GET', `/v2/${registry.newRepository()}/blobs/${digest}`);
    });

    const ranges = [
      ['bytes=500-1499', 500, 1499],
      ['bytes=500-', 500, 2047],
      ['bytes=-500', 1548, 2047],
      ['bytes=2000-5000', 2000, 2047],
    ] as const;
    for (const [range, first, last] of ranges) {
      test(`${range} of 2048 bytes`, async () => {
        const repository = registry.newRepository();
        const bytes = newBytes(2048);
        const { digest } = await pushBlob(registry, repository, bytes, { algorithm });
        const answer = await registry.must(206, 'GET', `/v2/${repository}/blobs/${digest}`, {
          headers: { range },
        });
        assert.deepEqual(answer.body, bytes.subarray(first, last + 1));
        assert.equal(answer.headers.get('content-range'), `bytes ${first}-${last}/2048`);
        assert.equal(answer.headers.get('content-length'), String(last - first + 1));
      });
    }

    for (const range of ['bytes=500-0', 'bytes=5000-10000']) {
      test(`${range} of 2048 bytes cannot be had`, {
        skip: unlikeDockerRegistry('cuts such an answer short'),
      }, async () => {
        const repository = registry.newRepository();
        const { digest } = await pushBlob(registry, repository, newBytes(2048), { algorithm });
        await registry.must(416, 'GET', `/v2/${repository}/blobs/${digest}`, { headers: { range } });
      });
    }

    test('a deleted blob is gone at once, from its repository alone', async () => {
      const [repository, other] = [registry.newRepository(), registry.newRepository()];
      const bytes = newBytes(40);
      const { digest } = await pushBlob(registry, repository, bytes, { algorithm });
      await pushBlob(registry, other, bytes, { algorithm });
      await registry.must(202, 'DELETE', `/v2/${repository}/blobs/${digest}`);
      await registry.must(404, 'HEAD', `/v2/${repository}/blobs/${digest}`);
      await registry.must(404, 'DELETE', `/v2/${repository}/blobs/${digest}`);
      assert.deepEqual((await registry.must(200, 'GET', `/v2/${other}/blobs/${digest}`)).body, bytes);
    });
  });
}
