import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { hostPath, silentLogger, systemClock, systemRandom } from '@slipway/base';
import { computeDigest, digestHex } from '@slipway/oci';
import { openStore, type Store, type WritableItem, writeTar } from '@slipway/store';
import { EventBus } from '../events/index.ts';
import { ImageService } from './service.ts';

/** A store and images in a folder of their own, which the end of the test removes. */
export async function openImages(
  t: TestContext,
  { root, toolPath }: { root?: string; toolPath?: string } = {},
) {
  const folder = root ?? (await mkdtemp(join(tmpdir(), 'slipway-img2-')));
  const store = await openStore({
    root: folder,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  t.after(async () => {
    await store[Symbol.asyncDispose]();
    if (root === undefined) await rm(folder, { recursive: true });
  });
  const scratchRoot = hostPath(join(folder, 'scratch'));
  const images = new ImageService({
    store,
    events: new EventBus(systemClock),
    clock: systemClock,
    logger: silentLogger,
    scratchRoot,
    ...(toolPath === undefined ? {} : { toolPath }),
  });
  return { root: folder, store, images, scratchRoot };
}

/** A tar of files; one whose content is `{ link }` is a symlink. */
export async function tarOf(
  files: readonly (readonly [name: string, content: Buffer | string | { readonly link: string }])[],
): Promise<Buffer> {
  const items = files.map(([name, content]): WritableItem => {
    if (typeof content === 'object' && 'link' in content) {
      return { entry: { name, type: 'symlink', linkName: content.link, sizeBytes: 0 } };
    }
    const bytes = Buffer.from(content);
    return { entry: { name, sizeBytes: bytes.length }, body: [bytes] };
  });
  return Buffer.concat(await Array.fromAsync(writeTar(items)));
}

/** An image's configuration, with the name that docker's archives give it. */
export function configOf(diffIds: readonly string[], label = ''): { name: string; text: string } {
  const text = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    config: { Labels: { label } },
    rootfs: { type: 'layers', diff_ids: diffIds },
  });
  return { name: `${digestHex(computeDigest(text))}.json`, text };
}

export async function load(
  images: ImageService,
  archive: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  signal: AbortSignal = new AbortController().signal,
): Promise<void> {
  async function* pieces() {
    yield* archive;
  }
  await Array.fromAsync(images.load(pieces(), { quiet: false, signal }));
}

/** A large thing as it comes over a socket. */
export function* piecesOf(bytes: Buffer, pieceBytes = 256 << 10): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

/** That no blob, ingest, snapshot or lease is there. */
export async function assertEmpty(root: string, store: Store): Promise<void> {
  for (const folder of ['content/blobs/sha256', 'content/ingest', 'snapshots']) {
    assert.deepEqual(await readdir(join(root, folder)), [], `${folder} is not empty`);
  }
  assert.deepEqual(await Array.fromAsync(store.snapshots.list()), []);
  assert.deepEqual(
    store.leases.list().map(({ id }) => id),
    [],
  );
}
