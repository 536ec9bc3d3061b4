import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { eventually, sleep } from './harness/command.ts';
import { digestOf } from './harness/fault-registry.ts';
import { SEED, seeded } from './harness/random.ts';
import { manifestOf, RegistryApi } from './harness/registry-api.ts';
import { useEngine } from './harness/suite.ts';

const ROUNDS = 10;
const WORKERS = 4;
const LONGEST_ROUND_MS = 250;

const engine = await useEngine({ port: 'free' });
const registry = new RegistryApi(engine.port);
const ingests = () => readdirSync(join(engine.dataRoot, 'content/ingest'));
const ingestBytes = () =>
  ingests().reduce((sum, name) => sum + statSync(join(engine.dataRoot, 'content/ingest', name)).size, 0);

async function restart(): Promise<void> {
  await engine.kill();
  await engine.start();
}

/** The number of bytes that an answer's `Range` tells. */
const receivedBytes = (range: unknown): number => Number(/^0-(\d+)$/.exec(String(range))?.[1]) + 1;

describe('kill -9 within an upload', () => {
  test('chunks that were acknowledged are there, and the upload goes on behind them', async () => {
    const blob = randomBytes(900_000);
    const location = await registry.startUpload('kept/chunks');
    for (const start of [0, 300_000]) {
      const chunk = blob.subarray(start, start + 300_000);
      const range = { 'content-range': `${start}-${start + chunk.length - 1}` };
      const { status, headers } = await registry.call('PATCH', location, chunk, range);
      assert.deepEqual([status, headers.range], [202, `0-${start + chunk.length - 1}`]);
      await restart();
    }
    const { status, headers } = await registry.call('GET', location);
    assert.deepEqual([status, headers.range], [204, '0-599999']);
    const last = await registry.call('PUT', `${location}?digest=${digestOf(blob)}`, blob.subarray(600_000), {
      'content-range': '600000-899999',
    });
    assert.equal(last.status, 201, last.text);
    assert.deepEqual((await registry.getBlob('kept/chunks', digestOf(blob))).body, blob);
  });

  test('in the middle of a chunk: the server tells how much it has, and takes the rest', async () => {
    const blob = randomBytes(6 << 20);
    const location = await registry.startUpload('kept/stream');
    const killed = Promise.withResolvers<void>();
    const sending = registry.call('PATCH', location, body(), { 'transfer-encoding': 'chunked' });
    async function* body() {
      yield blob.subarray(0, 5 << 20);
      await killed.promise;
    }
    sending.catch(() => {});
    await eventually('some of it is on disk', () => ingestBytes() >= 3 << 20);
    await restart();
    killed.resolve();
    await assert.rejects(sending);
    const { headers } = await registry.call('GET', location);
    const had = receivedBytes(headers.range);
    assert.ok(had >= 3 << 20 && had <= 5 << 20, String(headers.range));
    const rest = blob.subarray(had);
    const range = { 'content-range': `${had}-${blob.length - 1}` };
    assert.equal((await registry.call('PATCH', location, rest, range)).status, 202);
    assert.equal((await registry.call('PUT', `${location}?digest=${digestOf(blob)}`)).status, 201);
    assert.deepEqual((await registry.getBlob('kept/stream', digestOf(blob))).body, blob);
    // It is over, also after another restart.
    assert.equal((await registry.call('GET', location)).status, 404);
    assert.deepEqual(ingests(), []);
  });

  test('a client that goes in the middle of a chunk goes on after what came', async () => {
    const blob = randomBytes(2 << 20);
    const location = await registry.startUpload('kept/gone');
    async function* body() {
      yield blob.subarray(0, 1 << 20);
      await sleep(50);
      throw new Error('the client goes');
    }
    const headers = { 'content-length': blob.length };
    await assert.rejects(registry.call('PATCH', location, body(), headers));
    // Until the registry has seen that it went, the upload is in use.
    await eventually('the rest is taken', async () => {
      const had = receivedBytes((await registry.call('GET', location)).headers.range);
      assert.ok(had <= 1 << 20);
      const range = { 'content-range': `${had}-${blob.length - 1}` };
      const rest = blob.subarray(had);
      const put = await registry.call('PUT', `${location}?digest=${digestOf(blob)}`, rest, range);
      assert.ok([201, 409, 416].includes(put.status), put.text);
      return put.status === 201;
    });
    assert.deepEqual((await registry.getBlob('kept/gone', digestOf(blob))).body, blob);
  });

  test('between blobs and manifest: the manifest is taken afterwards', async () => {
    const [config, layer] = [Buffer.from('{}'), randomBytes(50_000)];
    for (const bytes of [config, layer])
      assert.equal((await registry.putBlob('kept/between', bytes)).status, 201);
    await restart();
    const put = await registry.putManifest('kept/between', '1', manifestOf(config, [layer]));
    assert.equal(put.status, 201, put.text);
    assert.deepEqual((await registry.getBlob('kept/between', digestOf(layer))).body, layer);
  });
});

interface Pushed {
  readonly repository: string;
  readonly tag: string;
  readonly config: Buffer;
  readonly layers: readonly Buffer[];
}

/** Everything that was answered with 201 is there, whole, and under its name. */
async function assertPushed({ repository, tag, config, layers }: Pushed): Promise<void> {
  const wanted = manifestOf(config, layers);
  const found = await registry.getManifest(repository, tag);
  assert.equal(found.status, 200, `${repository}:${tag} was acknowledged and is lost: ${found.text}`);
  assert.equal(found.text, JSON.stringify(wanted));
  for (const bytes of [config, ...layers]) {
    const blob = await registry.getBlob(repository, digestOf(bytes));
    assert.equal(blob.status, 200, `a blob of ${repository}:${tag} is lost: ${blob.text}`);
    assert.equal(digestOf(blob.body), digestOf(bytes));
  }
  const { tags } = JSON.parse((await registry.call('GET', `/v2/${repository}/tags/list`)).text);
  assert.ok(tags.includes(tag));
}

test(`kill -9 at ${ROUNDS} random moments of pushes: what was acknowledged is there`, async () => {
  const random = seeded(SEED);
  const every: Pushed[] = [];
  const fail = (round: number, error: unknown): never => {
    throw new Error(`with SLIPWAY_TEST_SEED=${SEED}, in round ${round}`, { cause: error });
  };
  for (const round of Array(ROUNDS).keys()) {
    const acknowledged: Pushed[] = [];
    let over = false;
    const workers = Array.from({ length: WORKERS }, async (_each, worker) => {
      const shared = randomBytes(20_000);
      for (let number = 0; !over; number++) {
        const image = {
          repository: `rounds/${worker}`,
          tag: `r${round}-${number}`,
          config: Buffer.from(JSON.stringify({ number, round, worker })),
          layers: [shared, randomBytes(1 + Math.floor(random() * 400_000))],
        };
        for (const bytes of [image.config, ...image.layers])
          assert.equal((await registry.putBlob(image.repository, bytes)).status, 201);
        const manifest = manifestOf(image.config, image.layers);
        const { status, text } = await registry.putManifest(image.repository, image.tag, manifest);
        assert.equal(status, 201, text);
        acknowledged.push(image);
      }
    });
    const ended = Promise.allSettled(workers);
    await sleep(20 + random() * LONGEST_ROUND_MS);
    over = true;
    await engine.kill();
    for (const outcome of await ended) {
      // Only the connection may have failed.
      if (outcome.status === 'rejected' && !('code' in outcome.reason && /^E/.test(outcome.reason.code)))
        fail(round, outcome.reason);
    }
    await engine.start();
    for (const image of acknowledged) await assertPushed(image).catch((error) => fail(round, error));
    every.push(...acknowledged);
  }
  assert.ok(every.length > ROUNDS, `${every.length} pushes in all are too few to prove anything`);
  // Nor is anything of the first rounds lost in the later ones.
  for (const image of every.filter((_each, index) => index % 7 === 0)) await assertPushed(image);
});

test('what was begun and never ended is bounded, and goes with its repository', async () => {
  const { text } = await engine.api({ path: '/slipway/registry/repositories' });
  const names = (JSON.parse(text) as { name: string }[]).map(({ name }) => name);
  for (const name of names) {
    const path = `/slipway/registry/repositories/${encodeURIComponent(name)}?force=true`;
    const removed = await engine.api({ method: 'DELETE', path });
    assert.ok(removed.status < 300, removed.text);
  }
  await engine.api({ method: 'POST', path: '/slipway/registry/gc', body: { graceMs: 0 } });
  assert.deepEqual(ingests(), []);
});
