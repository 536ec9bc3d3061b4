import assert from 'node:assert/strict';
import { test } from 'node:test';
import { computeDigest, type Descriptor, MediaType } from '@slipway/oci';
import { nextPage } from './listings.ts';
import { type Intercept, openTestClient, refuse, startRegistry } from './testing.ts';

async function setUp(intercept: Intercept = () => false) {
  const registry = await startRegistry(intercept);
  const client = openTestClient();
  return {
    registry,
    client,
    repository: client.repository({ domain: registry.host, path: 'a/b' }),
    [Symbol.asyncDispose]: async () => {
      await client[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

/** Answers a path with JSON. */
const answering =
  (answers: Record<string, object>, headers: Record<string, Record<string, string>> = {}): Intercept =>
  (request, response) => {
    const body = answers[request.url ?? ''];
    if (body === undefined) return false;
    response.writeHead(200, { 'content-type': 'application/json', ...headers[request.url ?? ''] });
    response.end(JSON.stringify(body));
    return true;
  };

test('tags come over all pages, at the registry itself whatever its links say', async () => {
  const first = '/v2/a/b/tags/list?n=1000';
  const second = '/v2/a/b/tags/list?n=1000&last=b';
  await using it = await setUp(
    answering(
      { [first]: { name: 'a/b', tags: ['a', 'b'] }, [second]: { name: 'a/b', tags: ['c'] } },
      { [first]: { link: `<http://elsewhere.example${second}>; rel="next"` } },
    ),
  );
  assert.deepEqual(await Array.fromAsync(it.repository.listTags()), ['a', 'b', 'c']);
});

test('no tags are no error, unknown names are NotFound, and pages in a circle end', async () => {
  const first = '/v2/a/b/tags/list?n=1000';
  await using it = await setUp(answering({ [first]: { name: 'a/b', tags: null } }));
  assert.deepEqual(await Array.fromAsync(it.repository.listTags()), []);
  it.registry.intercept = answering(
    { [first]: { tags: ['a'] } },
    { [first]: { link: `<${first}>; rel=next` } },
  );
  await assert.rejects(Array.fromAsync(it.repository.listTags()), {
    code: 'DataLoss',
    message: /do not come to an end/,
  });
  it.registry.intercept = (_request, response) => {
    refuse(response, 404, 'NAME_UNKNOWN', 'repository name not known to registry');
    return true;
  };
  await assert.rejects(Array.fromAsync(it.repository.listTags()), {
    code: 'NotFound',
    reason: 'NAME_UNKNOWN',
  });
  it.registry.intercept = (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<html>');
    return true;
  };
  await assert.rejects(Array.fromAsync(it.repository.listTags()), { message: /a registry\?/ });
});

test('the next page is found among the links of a header', () => {
  const base = new URL('https://r/v2/x/tags/list');
  for (const [link, next] of [
    ['</v2/x/tags/list?last=a>; rel="next"', 'https://r/v2/x/tags/list?last=a'],
    ['<?last=a,b>; rel=next', 'https://r/v2/x/tags/list?last=a,b'],
    ['</p>; rel="prev", </n>; title="x"; rel="next"', 'https://r/n'],
    ['</n>; rel="nextest"', undefined],
    ['rubbish', undefined],
    [undefined, undefined],
  ] as const) {
    assert.equal(nextPage(link, base)?.href, next, String(link));
  }
});

const subject = computeDigest('subject');
const descriptor = (artifactType: string): Descriptor => ({
  mediaType: MediaType.ociManifest,
  digest: computeDigest(artifactType),
  size: 5,
  artifactType,
});
const index = {
  schemaVersion: 2,
  mediaType: MediaType.ociIndex,
  manifests: [descriptor('sbom'), descriptor('sig')],
};
const digests = async (found: AsyncIterable<Descriptor>) =>
  (await Array.fromAsync(found)).map(({ artifactType }) => artifactType);

test('referrers come from the API, filtered even where the registry does not filter', async () => {
  await using it = await setUp(
    answering({
      [`/v2/a/b/referrers/${subject}`]: index,
      [`/v2/a/b/referrers/${subject}?artifactType=sig`]: index,
    }),
  );
  assert.deepEqual(await digests(it.repository.listReferrers(subject)), ['sbom', 'sig']);
  assert.deepEqual(await digests(it.repository.listReferrers(subject, { artifactType: 'sig' })), ['sig']);
});

test('referrers come from the tag where the API is unknown, and are none where that is not there', async () => {
  await using it = await setUp();
  assert.deepEqual(await digests(it.repository.listReferrers(subject)), []);
  it.registry.addManifest(
    'a/b',
    subject.replace(':', '-'),
    Buffer.from(JSON.stringify(index)),
    MediaType.ociIndex,
  );
  assert.deepEqual(await digests(it.repository.listReferrers(subject, { artifactType: 'sbom' })), ['sbom']);
});

test('a manifest with a subject is added to the tag where the registry does not list it itself', async () => {
  await using it = await setUp();
  const push = (artifactType: string) => {
    const document = {
      schemaVersion: 2,
      mediaType: MediaType.ociManifest,
      artifactType,
      subject: { digest: subject },
    };
    const bytes = Buffer.from(JSON.stringify(document));
    return it.repository.pushManifest(computeDigest(bytes), { bytes, mediaType: MediaType.ociManifest });
  };
  for (const artifactType of ['sbom', 'sig', 'sig']) await push(artifactType);
  assert.deepEqual(await digests(it.repository.listReferrers(subject)), ['sbom', 'sig']);
  it.registry.intercept = (_request, response) => {
    response.setHeader('oci-subject', subject);
    return false;
  };
  await push('attestation');
  assert.deepEqual(await digests(it.repository.listReferrers(subject)), ['sbom', 'sig']);
});

test('a search asks the index API, then the catalogue, then says that it cannot be', async () => {
  const result = { name: 'web', description: 'A server', is_official: true, star_count: 7 };
  await using it = await setUp(
    answering({ '/v1/search?q=web&n=5': { results: [result, { name: 'x/web' }] } }),
  );
  const found = await it.client.search(it.registry.host, 'web', { limit: 5 });
  assert.deepEqual(found, [
    { name: 'web', description: 'A server', isOfficial: true, starCount: 7 },
    { name: 'x/web', description: '', isOfficial: false, starCount: 0 },
  ]);
  const notFound: Intercept = (_request, response) => {
    response.writeHead(404, { 'content-type': 'text/plain' }).end('404 page not found');
    return true;
  };
  const catalog = answering({ '/v2/_catalog?n=1000': { repositories: ['a/web', 'b/db', 'webs', 'web3'] } });
  it.registry.intercept = async (request, response, seen) =>
    (await catalog(request, response, seen)) || notFound(request, response, seen);
  const names = (await it.client.search(it.registry.host, 'web', { limit: 2 })).map(({ name }) => name);
  assert.deepEqual(names, ['a/web', 'webs']);
  it.registry.intercept = notFound;
  await assert.rejects(it.client.search(it.registry.host, 'web', { limit: 2 }), {
    code: 'NotImplemented',
    message: /^registry 127.* cannot be searched/,
  });
});
