import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { silentLogger, systemClock, systemRandom } from '@slipway/base';
import type { Visitor } from '@slipway/distribution/server';
import { computeDigest, type Digest, MediaType } from '@slipway/oci';
import { openStore } from '@slipway/store';
import { openRegistry, type Registry } from '../registry/index.ts';

export const ADMIN: Visitor = { name: undefined, may: () => true, isAdmin: true };

/** A registry over a store in a folder of its own, which the end of the test removes. */
export async function openTestRegistry(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'slipway-ecr-'));
  const parts = { clock: systemClock, random: systemRandom, logger: silentLogger };
  const store = await openStore({ root, ...parts });
  const registry: Registry = await openRegistry({
    store,
    ...parts,
    settings: {
      isReadOnly: false,
      immutableTags: false,
      defaultQuotaBytes: undefined,
      gcIntervalMs: 0,
      upstreams: [],
    },
    openClient: () => Promise.reject(new Error('this test has no client')),
    collectStore: () => store.collectGarbage({ roots: () => ({ blobsAlone: registry.keptBlobs() }) }),
  });
  t.after(async () => {
    await registry[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    await rm(root, { recursive: true });
  });
  return { registry, store };
}

interface TestManifest {
  readonly digest: Digest;
  readonly bytes: Buffer;
  readonly mediaType: string;
}

export const descriptorOf = (content: string, mediaType: string = MediaType.ociLayerGzip) => ({
  mediaType,
  digest: computeDigest(content),
  size: Buffer.byteLength(content),
});

/** A manifest with these fields; with `manifests` among them an index. */
export function manifestOf(fields: object): TestManifest {
  const mediaType = Object.hasOwn(fields, 'manifests') ? MediaType.ociIndex : MediaType.ociManifest;
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...fields }));
  return { digest: computeDigest(bytes), bytes, mediaType };
}

/** Pushes an image of one layer with this content. */
export async function pushImage(
  registry: Registry,
  repository: string,
  tags: readonly string[],
  content: string,
): Promise<TestManifest> {
  const config = JSON.stringify({ architecture: 'arm64', os: 'linux', content });
  for (const blob of [config, content]) {
    const upload = await registry.startUpload(repository, ADMIN);
    await upload.append(once(blob));
    await upload.commit(computeDigest(blob));
  }
  const manifest = manifestOf({
    config: descriptorOf(config, MediaType.ociConfig),
    layers: [descriptorOf(content)],
  });
  await registry.putManifest(repository, manifest, { tags, visitor: ADMIN });
  return manifest;
}

async function* once(text: string): AsyncIterable<Uint8Array> {
  yield Buffer.from(text);
}
