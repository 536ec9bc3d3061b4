import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { eventually } from './harness/command.ts';
import { makeDisk } from './harness/disk.ts';
import { Engine } from './harness/engine.ts';
import { digestOf, FaultRegistry, largeImage } from './harness/fault-registry.ts';
import { manifestOf, RegistryApi } from './harness/registry-api.ts';

const FULL = /no space left on device/i;
const BLOB_BYTES = 6 << 20;
const SPARE_BYTES = 2 << 20;

const disk = await makeDisk(48);
const engine = await Engine.start({ dataRoot: join(disk.folder, 'data'), port: 'free' });
const source = await FaultRegistry.start();
after(async () => {
  await source[Symbol.asyncDispose]();
  await engine[Symbol.asyncDispose]();
  await disk.remove();
});
const registry = new RegistryApi(engine.port);
const entries = (folder: string) => readdirSync(join(engine.dataRoot, folder)).sort();
const holdings = () => [entries('content/blobs/sha256'), entries('content/ingest'), entries('snapshots')];
const isWell = async () => (await engine.api({ path: '/_ping' })).status === 200;

test('a pull that fills the disk says so, gives its room back, and succeeds when there is room', async () => {
  const before = holdings();
  source.putImage('full/app', '1', largeImage(BLOB_BYTES));
  const name = `${source.host}/full/app:1`;
  disk.fill(SPARE_BYTES);
  const { code, stderr } = await engine.docker('pull', name);
  assert.notEqual(code, 0);
  assert.match(stderr, FULL);
  assert.ok(await isWell());
  disk.free();
  assert.deepEqual(holdings(), before);
  await engine.mustDocker('pull', '-q', name);
});

test('a push into our own registry with a full disk says so, and the next one gets all there', async () => {
  const name = `127.0.0.1:${engine.port}/full/app:1`;
  await engine.mustDocker('tag', `${source.host}/full/app:1`, name);
  disk.fill(0);
  const { code, stderr } = await engine.docker('push', name);
  // The layers are mounted, and the records may still fit.
  if (code !== 0) assert.match(stderr, FULL);
  assert.ok(await isWell());
  disk.free();
  await engine.mustDocker('push', name);
  const { layers } = JSON.parse((await registry.getManifest('full/app', '1')).text);
  for (const { digest } of layers)
    assert.equal(digestOf((await registry.getBlob('full/app', digest)).body), digest);
});

test('a blob that does not fit is refused, and goes when there is room', async () => {
  const blob = randomBytes(BLOB_BYTES);
  disk.fill(SPARE_BYTES);
  const refused = await registry.call('POST', `/v2/full/blob/blobs/uploads/?digest=${digestOf(blob)}`, blob);
  assert.deepEqual([refused.status >= 500, FULL.test(refused.text)], [true, true], refused.text);
  assert.ok(await isWell());
  disk.free();
  assert.deepEqual(entries('content/ingest'), []);
  assert.equal((await registry.putBlob('full/blob', blob)).status, 201);
  assert.deepEqual((await registry.getBlob('full/blob', digestOf(blob))).body, blob);
});

test('an upload that fills the disk keeps what was acknowledged, and goes on there with room', async () => {
  const blob = randomBytes(BLOB_BYTES);
  const first = blob.subarray(0, 1 << 20);
  const location = await registry.startUpload('full/upload');
  const range = (start: number, end: number) => ({ 'content-range': `${start}-${end - 1}` });
  const taken = await registry.call('PATCH', location, first, range(0, first.length));
  assert.equal(taken.status, 202, taken.text);
  disk.fill(SPARE_BYTES);
  const rest = blob.subarray(first.length);
  const refused = await registry.call('PATCH', location, rest, range(first.length, blob.length));
  assert.deepEqual([refused.status >= 500, FULL.test(refused.text)], [true, true], refused.text);
  disk.free();
  const { headers } = await registry.call('GET', location);
  const had = Number(String(headers.range).slice(2)) + 1;
  assert.ok(had >= first.length && had < blob.length, String(headers.range));
  const put = await registry.call(
    'PUT',
    `${location}?digest=${digestOf(blob)}`,
    blob.subarray(had),
    range(had, blob.length),
  );
  assert.equal(put.status, 201, put.text);
  assert.deepEqual((await registry.getBlob('full/upload', digestOf(blob))).body, blob);
});

test('a manifest that does not fit is not half there, also after a kill', async () => {
  const [config, layer] = [Buffer.from('{}'), randomBytes(1_000)];
  for (const bytes of [config, layer])
    assert.equal((await registry.putBlob('full/manifest', bytes)).status, 201);
  disk.fill(0);
  const put = await registry.putManifest('full/manifest', '1', manifestOf(config, [layer]));
  if (put.status !== 201) assert.match(put.text, FULL);
  const expected = put.status === 201 ? 200 : 404;
  assert.equal((await registry.getManifest('full/manifest', '1')).status, expected);
  await engine.kill();
  disk.free();
  await engine.start();
  assert.equal((await registry.getManifest('full/manifest', '1')).status, expected);
  assert.equal((await registry.putManifest('full/manifest', '1', manifestOf(config, [layer]))).status, 201);
  await eventually('nothing is half there', () => entries('content/ingest').length === 0);
});
