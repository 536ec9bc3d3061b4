import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { silentLogger, systemClock, systemRandom } from '@slipway/base';
import { computeDigest, type Digest } from '@slipway/oci';
import { openStore, type Store } from '../store.ts';

async function withStore(work: (store: Store) => Promise<void>): Promise<void> {
  const root = mkdtempSync('/tmp/slipway-collect-');
  try {
    await using store = await openStore({
      root,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    });
    await work(store);
  } finally {
    rmSync(root, { recursive: true });
  }
}

const write = async (store: Store, document: unknown): Promise<Digest> =>
  (await store.content.write(Buffer.from(typeof document === 'string' ? document : JSON.stringify(document))))
    .digest;

const describe = (digest: string) => ({ mediaType: 'application/octet-stream', digest, size: 1 });

const left = async (store: Store): Promise<string[]> =>
  (await Array.fromAsync(store.content.list())).map(({ digest }) => digest).sort();

test('an index keeps the manifests that are here, an artifact manifest its blobs, and none its subject', () =>
  withStore(async (store) => {
    const layer = await write(store, 'layer');
    const config = await write(store, 'config');
    const subject = await write(store, 'subject');
    const manifest = await write(store, {
      schemaVersion: 2,
      config: describe(config),
      layers: [describe(layer)],
      subject: describe(subject),
    });
    const index = await write(store, {
      schemaVersion: 2,
      manifests: [describe(computeDigest('another platform')), describe(manifest)],
    });
    const signature = await write(store, 'signature');
    const artifact = await write(store, { artifactType: 'x', blobs: [describe(signature)] });
    const outer = await write(store, { schemaVersion: 2, manifests: [describe(index), describe(artifact)] });
    await store.collectGarbage({ roots: () => ({ blobs: [outer] }) });
    assert.deepEqual(await left(store), [layer, config, manifest, index, signature, artifact, outer].sort());
  }));

test('a blob that is kept alone keeps nothing, unless something else needs it whole', () =>
  withStore(async (store) => {
    const layer = await write(store, 'layer');
    const manifest = await write(store, { schemaVersion: 2, layers: [describe(layer)] });
    await store.collectGarbage({ roots: () => ({ blobs: [manifest], blobsAlone: [manifest] }) });
    assert.deepEqual(await left(store), [layer, manifest].sort());
    await store.collectGarbage({ roots: () => ({ blobsAlone: [manifest] }) });
    assert.deepEqual(await left(store), [manifest]);
  }));

test('layers go together, whatever the order they were unpacked in', () =>
  withStore(async ({ snapshots, collectGarbage }) => {
    const keys = ['layer-2', 'layer-0', 'layer-1'];
    for (const key of keys) await snapshots.prepare(`unpack-${key}`, undefined);
    for (const [index, key] of keys.toSorted().entries())
      await snapshots.commit(key, `unpack-${key}`, {
        parent: index === 0 ? undefined : `layer-${index - 1}`,
      });
    const { snapshots: collected } = await collectGarbage({ roots: () => ({}) });
    assert.deepEqual(collected, ['layer-2', 'layer-1', 'layer-0']);
  }));

test('a hostile document among the roots does not keep garbage from being collected', () =>
  withStore(async (store) => {
    const sha512 = `sha512:${'a'.repeat(128)}`;
    const hostile = [
      `{"a":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`,
      `{"layers":${'{"layers":['.repeat(100_000)}`,
      { config: describe(sha512), layers: [null, 7, 'x', {}, { digest: {} }, describe('sha256:../../x')] },
      { layers: 'x', manifests: null, blobs: { digest: 1 } },
      { manifests: Array.from({ length: 40_000 }, (_, index) => ({ digest: computeDigest(`${index}`) })) },
      { rootfs: { type: 'layers', diff_ids: Array.from({ length: 40_000 }, () => sha512) } },
    ];
    const blobs = [sha512 as Digest];
    for (const document of hostile) blobs.push(await write(store, document));
    // A chain as long as somebody cares to push.
    let top = await write(store, 'bottom');
    for (let depth = 0; depth < 500; depth++) top = await write(store, { manifests: [describe(top)] });
    const stray = await write(store, 'stray');
    const collected = await store.collectGarbage({ roots: () => ({ blobs: [...blobs, top] }) });
    assert.deepEqual(collected.blobs, [stray]);
  }));
