/** What a registry tells of what it has. @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#content-discovery */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Document,
  digestOf,
  IMAGE_TYPE,
  INDEX_TYPE,
  makeArtifact,
  makeImage,
  newBytes,
  pushDocument,
  toDocument,
} from './content.ts';
import { unlikeDockerRegistry, useRegistry } from './registry.ts';

const registry = await useRegistry();
const noReferrers = unlikeDockerRegistry('has no referrers');
const noPages = unlikeDockerRegistry('lists tags in one piece, in no order');

async function pushTags(...tags: string[]): Promise<string> {
  const repository = registry.newRepository();
  const image = await makeImage(registry, repository);
  for (const tag of tags) await pushDocument(registry, repository, image, tag);
  return repository;
}

const listTags = async (repository: string, query: Record<string, string> = {}) =>
  await registry.must(200, 'GET', `/v2/${repository}/tags/list`, { query });

test('a registry says that it is one', async () => {
  await registry.must(200, 'GET', '/v2/');
});

test('tags are listed in order, with their repository', { skip: noPages }, async () => {
  const repository = await pushTags('c', 'a', 'B', 'a10', 'a2');
  assert.deepEqual((await listTags(repository)).json, {
    name: repository,
    tags: ['B', 'a', 'a10', 'a2', 'c'],
  });
});

test('tags of a repository that there is not are not found', async () => {
  await registry.must(404, 'GET', `/v2/${registry.newRepository()}/tags/list`);
});

test('tags come after the last, as many as asked for', { skip: noPages }, async () => {
  const repository = await pushTags('a', 'b', 'c', 'd');
  assert.deepEqual((await listTags(repository, { last: 'b' })).json.tags, ['c', 'd']);
  assert.deepEqual((await listTags(repository, { last: 'bb' })).json.tags, ['c', 'd']);
  assert.deepEqual((await listTags(repository, { n: '2' })).json.tags, ['a', 'b']);
  assert.deepEqual((await listTags(repository, { n: '1', last: 'c' })).json.tags, ['d']);
  const none = await listTags(repository, { n: '0' });
  assert.deepEqual([none.json.tags, none.headers.get('link')], [[], null]);
});

test('links lead through all tags and end', { skip: noPages }, async () => {
  const tags = ['a', 'b', 'c', 'd', 'e'];
  const repository = await pushTags(...tags);
  const seen: string[] = [];
  let path: string | undefined = `/v2/${repository}/tags/list?n=2`;
  while (path !== undefined) {
    const answer = await registry.must(200, 'GET', path);
    assert.equal(answer.json.tags.length <= 2, true);
    seen.push(...answer.json.tags);
    path = /<([^>]+)>;\s*rel="?next"?/.exec(answer.headers.get('link') ?? '')?.[1];
  }
  assert.deepEqual(seen, tags);
});

test('the catalogue has the repositories in order, in pages', async () => {
  const repositories = [await pushTags('a'), await pushTags('a')].sort();
  const all = (await registry.must(200, 'GET', '/v2/_catalog', { query: { n: '1000' } })).json.repositories;
  assert.deepEqual([...all].sort(), all);
  for (const repository of repositories) assert.equal(all.includes(repository), true);
  const page = await registry.must(200, 'GET', '/v2/_catalog', { query: { n: '1', last: all[0] } });
  assert.deepEqual(page.json.repositories, [all[1]]);
});

/** What the list of referrers must say of a document. */
const entryOf = ({ descriptor, bytes }: Document, artifactType: string) => ({
  ...descriptor,
  artifactType,
  annotations: JSON.parse(bytes.toString()).annotations,
});

async function listReferrers(repository: string, digest: string, artifactType?: string) {
  const query = artifactType === undefined ? {} : { artifactType };
  const answer = await registry.must(200, 'GET', `/v2/${repository}/referrers/${digest}`, { query });
  assert.equal(answer.headers.get('content-type'), INDEX_TYPE);
  const { schemaVersion, mediaType, manifests } = answer.json;
  assert.deepEqual([schemaVersion, mediaType], [2, INDEX_TYPE]);
  return { manifests, applied: answer.headers.get('oci-filters-applied') };
}

const byDigest = (a: { digest: string }, b: { digest: string }) => (a.digest < b.digest ? -1 : 1);

test('referrers of what is not here are an empty list', { skip: noReferrers }, async () => {
  assert.deepEqual((await listReferrers(registry.newRepository(), digestOf(newBytes(5)))).manifests, []);
});

test('referrers are listed with type and annotations, and filtered by type', {
  skip: noReferrers,
}, async () => {
  const repository = registry.newRepository();
  const image = await makeImage(registry, repository);
  await pushDocument(registry, repository, image);
  const subject = image.descriptor;
  const annotations = { 'org.example.made': 'by a test' };
  const [one, two] = ['application/vnd.example.one', 'application/vnd.example.two'] as const;
  const artifact = await makeArtifact(registry, repository, { artifactType: one, subject, annotations });
  const other = await makeArtifact(registry, repository, { artifactType: two, subject, annotations });
  const index = toDocument(INDEX_TYPE, { artifactType: one, manifests: [], subject, annotations });
  const plain = await makeImage(registry, repository, { subject, annotations });
  for (const document of [artifact, other, index, plain]) {
    const pushed = await pushDocument(registry, repository, document);
    assert.equal(pushed.headers.get('oci-subject'), subject.digest);
  }
  const entries = [
    entryOf(artifact, one),
    entryOf(other, two),
    entryOf(index, one),
    // An image that says no type of artifact is of its configuration's.
    entryOf(plain, 'application/vnd.oci.image.config.v1+json'),
  ].sort(byDigest);
  assert.deepEqual((await listReferrers(repository, subject.digest)).manifests.sort(byDigest), entries);
  const some = await listReferrers(repository, subject.digest, one);
  assert.equal(some.applied, 'artifactType');
  assert.deepEqual(
    some.manifests.sort(byDigest),
    entries.filter(({ artifactType }) => artifactType === one),
  );
});

test('a subject may be missing, and come later', { skip: noReferrers }, async () => {
  const repository = registry.newRepository();
  const image = await makeImage(registry, repository);
  const artifactType = 'application/vnd.example.one';
  const artifact = await makeArtifact(registry, repository, { artifactType, subject: image.descriptor });
  const pushed = await pushDocument(registry, repository, artifact, 'tagged');
  assert.equal(pushed.headers.get('oci-subject'), image.descriptor.digest);
  for (const document of [undefined, image]) {
    if (document !== undefined) await pushDocument(registry, repository, document);
    const { manifests } = await listReferrers(repository, image.descriptor.digest);
    assert.deepEqual(
      manifests.map(({ digest }: { digest: string }) => digest),
      [artifact.descriptor.digest],
    );
  }
});

test('a referrer that was deleted is listed no more', { skip: noReferrers }, async () => {
  const repository = registry.newRepository();
  const subject = { mediaType: IMAGE_TYPE, digest: digestOf(newBytes(5)), size: 5 };
  const artifact = await makeArtifact(registry, repository, {
    artifactType: 'application/vnd.example.one',
    subject,
  });
  await pushDocument(registry, repository, artifact);
  assert.equal((await listReferrers(repository, subject.digest)).manifests.length, 1);
  await registry.must(202, 'DELETE', `/v2/${repository}/manifests/${artifact.descriptor.digest}`);
  assert.deepEqual((await listReferrers(repository, subject.digest)).manifests, []);
});
