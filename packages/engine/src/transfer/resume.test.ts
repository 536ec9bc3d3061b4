import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseReference } from '@slipway/oci';
import {
  layerOf,
  messagesOf,
  openEngine,
  putImage,
  refuse,
  sendBlob,
  startRegistry,
  type TestRegistry,
} from './testing.ts';

const LAYER_BYTES = 6 << 20;
const forever = new AbortController().signal;

/** A registry with an image of one large layer and one small one. */
async function largeImage(t: TestContext) {
  const registry = await startRegistry(t);
  const tars = [await layerOf('large', randomBytes(LAYER_BYTES)), await layerOf('small', 'small')];
  const { layers } = putImage(registry, 'app', 'latest', {
    layers: tars.map((tar) => ({ tar, compression: 'none' })),
  });
  const large = layers[0]?.digest ?? '';
  const blob = registry.blobs.get('app')?.get(large) as Buffer;
  return { registry, large, blob, reference: parseReference(`${registry.domain}/app`) };
}

/** Sends the blob up to a byte, says so, and then nothing. */
function stallAt(registry: TestRegistry, digest: string, blob: Buffer, at: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  registry.intercept = (request, response) => {
    if (request.method !== 'GET' || !request.url?.endsWith(digest)) return false;
    response.writeHead(200, { 'content-length': blob.length });
    response.write(blob.subarray(0, at), () => resolve());
    return true;
  };
  return promise;
}

const isResumed = (registry: TestRegistry, digest: string) =>
  registry.requests.some((request) => request.startsWith(`GET /v2/app/blobs/${digest} bytes=`));

test('a download that the registry breaks off for good is gone on with by the next pull', async (t) => {
  const { registry, large, blob, reference } = await largeImage(t);
  const { transfer, images, store } = await openEngine(t);
  let answers = 0;
  registry.intercept = (request, response) => {
    if (request.method !== 'GET' || !request.url?.endsWith(large)) return false;
    if (answers++ === 0) sendBlob(registry, blob, request, response, 4 << 20);
    else refuse(response, 404, 'BLOB_UNKNOWN', 'blob unknown');
    return true;
  };
  await assert.rejects(messagesOf(transfer.pull({ reference }, forever)), {
    message: new RegExp(`${registry.domain}.*app.*blob unknown`),
  });
  assert.equal(images.count, 0);
  const [lease] = store.leases.list();
  assert.ok(lease?.outlivesProcess);
  await images.collectGarbage();
  registry.intercept = () => false;
  registry.requests.length = 0;
  const small = [...(registry.blobs.get('app')?.keys() ?? [])].filter((digest) => digest !== large);
  await messagesOf(transfer.pull({ reference }, forever));
  assert.ok(isResumed(registry, large), registry.requests.join('\n'));
  assert.equal(images.count, 1);
  assert.deepEqual(store.leases.list(), []);
  // What had come whole was kept.
  assert.ok(small.some((digest) => !registry.requests.includes(`GET /v2/app/blobs/${digest}`)));
  await assertWhole(registry, large, blob, store);
});

async function assertWhole(
  registry: TestRegistry,
  large: string,
  blob: Buffer,
  store: Awaited<ReturnType<typeof openEngine>>['store'],
): Promise<void> {
  assert.deepEqual(await store.content.read(large as never), blob);
  assert.ok((registry.sentBytes.get(large) ?? 0) <= blob.length + (1 << 20), 'bytes came twice');
}

test('kill -9 in the middle of a pull: the next daemon goes on with what had come', async (t) => {
  const { registry, large, blob, reference } = await largeImage(t);
  const root = await mkdtemp(join(tmpdir(), 'slipway-transfer-kill-'));
  t.after(() => rm(root, { recursive: true }));
  void stallAt(registry, large, blob, 4 << 20);
  const script = `
    import { parseReference } from '@slipway/oci';
    import { openEngine } from ${JSON.stringify(import.meta.resolve('./testing.ts'))};
    const { transfer } = await openEngine({ after() {} }, { root: ${JSON.stringify(root)} });
    const reference = parseReference(${JSON.stringify(`${registry.domain}/app`)});
    for await (const message of await transfer.pull({ reference }, new AbortController().signal))
      console.log(JSON.stringify(message));
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let told = '';
  for await (const chunk of child.stdout) {
    told += chunk;
    const far = told.match(/"current":(\d+)/g)?.some((match) => Number(match.slice(10)) > 3 << 20);
    if (far === true && told.includes('Download complete')) break;
  }
  child.kill('SIGKILL');
  await once(child, 'exit');
  registry.intercept = () => false;
  registry.requests.length = 0;
  const { transfer, images, store } = await openEngine(t, { root });
  await images.recover();
  await images.collectGarbage();
  await messagesOf(transfer.pull({ reference }, forever));
  assert.ok(isResumed(registry, large), registry.requests.join('\n'));
  assert.equal(images.count, 1);
  await assertWhole(registry, large, blob, store);
  assert.deepEqual(store.leases.list(), []);
});

test('what an earlier try left and is wrong is thrown away, and fetched once more', async (t) => {
  const { large, blob, reference } = await largeImage(t);
  const { transfer, images, store } = await openEngine(t);
  {
    await using ingest = await store.content.ingest({}, { key: `pull-sha256-${large.slice(7)}` });
    await ingest.write(Buffer.alloc(1 << 20, 1));
  }
  await messagesOf(transfer.pull({ reference }, forever));
  assert.equal(images.count, 1);
  assert.deepEqual(await store.content.read(large as never), blob);
});

test('a pull stops when its reader goes, unless another reads it too', async (t) => {
  const { registry, large, blob, reference } = await largeImage(t);
  const { transfer, images, store } = await openEngine(t);
  const stalled = stallAt(registry, large, blob, 2 << 20);
  const first = await transfer.pull({ reference }, forever);
  const second = new AbortController();
  const rest = messagesOf(transfer.pull({ reference }, second.signal));
  await stalled;
  for await (const { progressDetail } of { [Symbol.asyncIterator]: () => ({ next: () => first.next() }) }) {
    if ((progressDetail?.current ?? 0) > 1 << 20) break;
  }
  await first.return?.();
  assert.equal(await Promise.race([rest, 'still reading']), 'still reading');
  registry.intercept = () => false;
  second.abort(new Error('the client went'));
  await assert.rejects(rest);
  assert.equal(images.count, 0);
  // Nobody writes it any more, and what came is there for the next.
  const [kept] = await Array.fromAsync(store.content.listIngests());
  await (await store.content.ingest({}, { key: kept?.key }))[Symbol.asyncDispose]();
  assert.ok((kept?.sizeBytes ?? 0) >= 1 << 20, `${kept?.sizeBytes}`);
  await messagesOf(transfer.pull({ reference }, forever));
  assert.ok(isResumed(registry, large));
  await assertWhole(registry, large, blob, store);
});

test('a pull that comes while another gives the same layer up fetches it itself', async (t) => {
  const { registry, large, blob, reference } = await largeImage(t);
  const { transfer, images } = await openEngine(t);
  registry.blobs.set('copy', new Map(registry.blobs.get('app')));
  registry.manifests.set('copy', new Map(registry.manifests.get('app')));
  const stalled = stallAt(registry, large, blob, 2 << 20);
  const leaving = new AbortController();
  const one = messagesOf(transfer.pull({ reference }, leaving.signal));
  await stalled;
  registry.intercept = () => false;
  leaving.abort(new Error('the client went'));
  await Promise.all([
    assert.rejects(one),
    messagesOf(transfer.pull({ reference: { ...reference, path: 'copy' } }, forever)),
  ]);
  assert.equal(images.count, 1);
});

test('pulls of one manifest under two names keep what they fetch, whichever ends first', async (t) => {
  const { registry, large, blob, reference } = await largeImage(t);
  const { transfer, images, store } = await openEngine(t);
  const tags = registry.manifests.get('app');
  const manifest = tags?.get('latest');
  assert.ok(manifest);
  tags?.set('other', manifest);
  const stalled = stallAt(registry, large, blob, 2 << 20);
  const leaving = new AbortController();
  const one = messagesOf(transfer.pull({ reference }, leaving.signal));
  const two = await transfer.pull({ reference: { ...reference, tag: 'other' } }, forever);
  await stalled;
  leaving.abort(new Error('the client went'));
  await assert.rejects(one);
  // The one that goes on is held by a lease that means to hold for a day.
  const daysMs = store.leases.list().map(({ expiresAtMs }) => expiresAtMs - Date.now());
  assert.ok(
    daysMs.some((ms) => ms > 23 * 3_600_000),
    `${daysMs}`,
  );
  await two.return?.();
  assert.deepEqual(
    store.leases.list().filter(({ expiresAtMs }) => expiresAtMs - Date.now() > 3_600_000),
    [],
  );
  registry.intercept = () => false;
  await messagesOf(transfer.pull({ reference }, forever));
  assert.deepEqual(store.leases.list(), []);
  assert.equal(images.count, 1);
});

test('a full disk is told, and gets its room back', async (t) => {
  const { reference } = await largeImage(t);
  const root = await mkdtemp(join(tmpdir(), 'slipway-transfer-full-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=9m', 'tmpfs', root]);
  const { transfer, images, store, close } = await openEngine(t, { root });
  t.after(async () => {
    await close();
    execFileSync('umount', [root]);
    await rm(root, { recursive: true });
  });
  await assert.rejects(messagesOf(transfer.pull({ reference }, forever)), {
    message: /no space left on device/,
  });
  assert.equal(images.count, 0);
  assert.deepEqual(await Array.fromAsync(store.content.listIngests()), []);
  assert.deepEqual(await Array.fromAsync(store.content.list()), []);
  assert.deepEqual(store.leases.list(), []);
});

test('stopping the engine ends the pulls that are under way', async (t) => {
  const { registry, large, blob, reference } = await largeImage(t);
  const { transfer, close } = await openEngine(t);
  const stalled = stallAt(registry, large, blob, 2 << 20);
  const pulled = messagesOf(transfer.pull({ reference }, forever));
  pulled.catch(() => {});
  await stalled;
  await close();
  await assert.rejects(pulled);
});
