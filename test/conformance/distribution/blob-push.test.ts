/** How blobs get into a repository. @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-blobs */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Algorithm, digestOf, locationOf, newBytes, OCTETS, pushBlob } from './content.ts';
import { type Answer, unlikeDockerRegistry, useRegistry } from './registry.ts';

const registry = await useRegistry();
const octets = { 'content-type': OCTETS };
const CHUNK = 1024;

const start = (repository: string) => registry.must(202, 'POST', `/v2/${repository}/blobs/uploads/`);

const patch = (upload: Answer, bytes: Buffer, first: number) =>
  registry.ask('PATCH', locationOf(upload), {
    body: bytes,
    headers: { ...octets, 'content-range': `${first}-${first + bytes.length - 1}` },
  });

/** The blob is where the answer says, and under its digest. */
async function assertStored(
  repository: string,
  digest: string,
  bytes: Buffer,
  answer: Answer,
): Promise<void> {
  for (const path of [locationOf(answer), `/v2/${repository}/blobs/${digest}`]) {
    const got = await registry.must(200, 'GET', path);
    assert.deepEqual(got.body, bytes);
    assert.equal(got.headers.get('content-length'), String(bytes.length));
  }
  const head = await registry.must(200, 'HEAD', `/v2/${repository}/blobs/${digest}`);
  assert.equal(head.headers.get('content-length'), String(bytes.length));
}

for (const algorithm of ['sha256', 'sha512'] satisfies Algorithm[]) {
  const skip = algorithm === 'sha512' && unlikeDockerRegistry('knows blobs by sha256 alone');
  describe(`blobs by ${algorithm}`, { skip }, () => {
    test('one POST is enough', { skip: unlikeDockerRegistry('asks for a PUT too') }, async () => {
      const repository = registry.newRepository();
      const bytes = newBytes(512);
      const digest = digestOf(bytes, algorithm);
      const path = `/v2/${repository}/blobs/uploads/`;
      const pushed = await registry.must(201, 'POST', path, {
        query: { digest },
        body: bytes,
        headers: octets,
      });
      assert.equal(pushed.headers.get('docker-content-digest'), digest);
      await assertStored(repository, digest, bytes, pushed);
    });

    for (const [what, length] of [
      ['', 512],
      [', also when it is empty', 0],
    ] as const) {
      test(`POST, then PUT with the whole blob${what}`, async () => {
        const repository = registry.newRepository();
        const bytes = newBytes(length);
        const digest = digestOf(bytes, algorithm);
        const done = await registry.must(201, 'PUT', locationOf(await start(repository)), {
          query: { digest },
          body: bytes,
          headers: octets,
        });
        await assertStored(repository, digest, bytes, done);
      });
    }

    test('one PATCH of unknown length streams the blob', async () => {
      const repository = registry.newRepository();
      const bytes = newBytes(300_000);
      const digest = digestOf(bytes, algorithm);
      const streamed = await registry.must(202, 'PATCH', locationOf(await start(repository)), {
        body: ReadableStream.from([bytes.subarray(0, 100_000), bytes.subarray(100_000)]),
        headers: octets,
      });
      assert.equal(streamed.headers.get('range'), '0-299999');
      const done = await registry.must(201, 'PUT', locationOf(streamed), { query: { digest } });
      await assertStored(repository, digest, bytes, done);
    });

    for (const lastInPut of [false, true]) {
      test(`chunks with their places, the last one by ${lastInPut ? 'PUT' : 'PATCH'}`, async () => {
        const repository = registry.newRepository();
        const bytes = newBytes(CHUNK * 3 - 5);
        const digest = digestOf(bytes, algorithm);
        let upload = await start(repository);
        const inPatches = lastInPut ? CHUNK * 2 : bytes.length;
        for (let first = 0; first < inPatches; first += CHUNK) {
          const chunk = bytes.subarray(first, first + CHUNK);
          upload = await patch(upload, chunk, first);
          assert.equal(upload.status, 202);
          assert.equal(upload.headers.get('range'), `0-${first + chunk.length - 1}`);
          const state = await registry.must(204, 'GET', locationOf(upload));
          assert.equal(state.headers.get('range'), `0-${first + chunk.length - 1}`);
        }
        const rest = bytes.subarray(inPatches);
        const done = await registry.must(201, 'PUT', locationOf(upload), {
          query: { digest },
          headers:
            rest.length === 0 ? octets : { ...octets, 'content-range': `${inPatches}-${bytes.length - 1}` },
          ...(rest.length === 0 ? {} : { body: rest }),
        });
        await assertStored(repository, digest, bytes, done);
      });
    }

    test('a chunk out of order is refused, and the upload goes on where it was', {
      skip: unlikeDockerRegistry('takes chunks in any order'),
    }, async () => {
      const repository = registry.newRepository();
      const bytes = newBytes(CHUNK * 3);
      const digest = digestOf(bytes, algorithm);
      let upload = await start(repository);
      for (let first = 0; first < bytes.length; first += CHUNK) {
        const wrong = first === 0 ? CHUNK : 0;
        const at = locationOf(upload);
        assert.equal((await patch(upload, bytes.subarray(wrong, wrong + CHUNK), wrong)).status, 416);
        await registry.must(416, 'PUT', at, {
          query: { digest },
          body: bytes.subarray(wrong, wrong + CHUNK),
          headers: { ...octets, 'content-range': `${wrong}-${wrong + CHUNK - 1}` },
        });
        upload = await registry.must(204, 'GET', at);
        assert.equal(upload.headers.get('range'), `0-${Math.max(0, first - 1)}`);
        upload = await patch(upload, bytes.subarray(first, first + CHUNK), first);
      }
      const done = await registry.must(201, 'PUT', locationOf(upload), { query: { digest } });
      await assertStored(repository, digest, bytes, done);
    });

    test('bytes that are not what the digest says are refused, whichever way they came', async () => {
      const repository = registry.newRepository();
      const digest = digestOf(newBytes(10), algorithm);
      const wrong = { query: { digest }, body: newBytes(512), headers: octets };
      const posted = await registry.ask('POST', `/v2/${repository}/blobs/uploads/`, wrong);
      assert.equal([400, 202].includes(posted.status), true, String(posted.status));
      const put = await registry.must(400, 'PUT', locationOf(await start(repository)), wrong);
      assert.equal(put.json.errors[0].code, 'DIGEST_INVALID');
      const patched = await patch(await start(repository), newBytes(512), 0);
      await registry.must(400, 'PUT', locationOf(patched), { query: { digest } });
      await registry.must(404, 'GET', `/v2/${repository}/blobs/${digest}`);
    });

    test('a blob of another repository is mounted without its bytes', async () => {
      const [from, repository] = [registry.newRepository(), registry.newRepository()];
      const bytes = newBytes(512);
      const { digest } = await pushBlob(registry, from, bytes, { algorithm });
      const mounted = await registry.must(201, 'POST', `/v2/${repository}/blobs/uploads/`, {
        query: { mount: digest, from },
      });
      await assertStored(repository, digest, bytes, mounted);
    });

    test('a blob is mounted without saying from where', {
      skip: unlikeDockerRegistry('wants to know from where'),
    }, async () => {
      const repository = registry.newRepository();
      const bytes = newBytes(512);
      const { digest } = await pushBlob(registry, registry.newRepository(), bytes, { algorithm });
      const path = `/v2/${repository}/blobs/uploads/`;
      const mounted = await registry.must(201, 'POST', path, { query: { mount: digest } });
      await assertStored(repository, digest, bytes, mounted);
    });

    test('mounting what is nowhere begins an upload', async () => {
      const repository = registry.newRepository();
      const bytes = newBytes(512);
      const digest = digestOf(bytes, algorithm);
      const begun = await registry.must(202, 'POST', `/v2/${repository}/blobs/uploads/`, {
        query: { mount: digest, from: registry.newRepository() },
      });
      const done = await registry.must(201, 'PUT', locationOf(begun), {
        query: { digest },
        body: bytes,
        headers: octets,
      });
      await assertStored(repository, digest, bytes, done);
    });
  });
}

test('an upload that was given up is gone', async () => {
  const location = locationOf(await start(registry.newRepository()));
  await registry.must(204, 'DELETE', location);
  const answer = await registry.must(404, 'GET', location);
  assert.equal(answer.json.errors[0].code, 'BLOB_UPLOAD_UNKNOWN');
});

test('an upload belongs to its repository', {
  skip: unlikeDockerRegistry('signs its locations'),
}, async () => {
  const location = locationOf(await start('conformance/one'));
  await registry.must(404, 'GET', location.replace('conformance/one', 'conformance/two'));
});
