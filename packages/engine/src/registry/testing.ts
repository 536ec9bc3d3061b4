import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Clock, silentLogger, systemClock, systemRandom } from '@slipway/base';
import type { RegistryClient } from '@slipway/distribution/client';
import type { BlobUpload, Visitor } from '@slipway/distribution/server';
import { computeDigest, type Digest, MediaType } from '@slipway/oci';
import { openStore, type Store } from '@slipway/store';
import { openRegistry, type Registry, type RegistrySettings } from './index.ts';

/** Somebody who may do everything. */
export const ADMIN: Visitor = { name: 'root', may: () => true, isAdmin: true };

/** Somebody who may pull and push below these prefixes. */
export const visitorOf = (...prefixes: readonly string[]): Visitor => ({
  name: 'eve',
  may: (_action, repository) => prefixes.some((prefix) => repository.startsWith(prefix)),
  isAdmin: false,
});

/** The system's clock, whose wall time can be moved on. */
export function movableClock(): { clock: Clock; advance: (ms: number) => void } {
  let aheadMs = 0;
  return {
    clock: {
      nowMs: () => systemClock.nowMs() + aheadMs,
      nowNs: () => systemClock.nowNs() + BigInt(aheadMs) * 1_000_000n,
      monotonicMs: () => systemClock.monotonicMs(),
      sleep: (ms, options) => systemClock.sleep(ms, options),
      timer: (ms, run) => systemClock.timer(ms, run),
      interval: (ms, run) => systemClock.interval(ms, run),
    },
    advance: (ms) => {
      aheadMs += ms;
    },
  };
}

export interface TestRegistry {
  readonly registry: Registry;
  readonly store: Store;
  readonly root: string;
  /** Closes registry and store, and opens them again as a daemon that is started again does. */
  restart(): Promise<TestRegistry>;
}

export interface TestRegistryOptions {
  readonly settings?: Partial<RegistrySettings>;
  readonly clock?: Clock;
  readonly openClient?: () => Promise<RegistryClient>;
  /** The store is on a disk of its own, this large (`8m`). */
  readonly diskSize?: string;
}

/** A registry over a store in a folder of its own, which the end of the test removes. */
export async function openTestRegistry(
  t: TestContext,
  options: TestRegistryOptions = {},
): Promise<TestRegistry> {
  const root = await mkdtemp(join(tmpdir(), 'slipway-registry-'));
  if (options.diskSize !== undefined) {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${options.diskSize}`, 'tmpfs', root]);
  }
  let close = async () => {};
  t.after(async () => {
    await close();
    if (options.diskSize !== undefined) execFileSync('umount', [root]);
    await rm(root, { recursive: true });
  });
  const open = async (): Promise<TestRegistry> => {
    const opened = await openRegistryIn(root, options);
    close = () => opened.close();
    return {
      ...opened,
      root,
      restart: async () => {
        await close();
        return await open();
      },
    };
  };
  return await open();
}

/** The registry of a folder, as a daemon opens it. */
export async function openRegistryIn(
  root: string,
  { settings, clock = systemClock, openClient }: TestRegistryOptions = {},
): Promise<{ registry: Registry; store: Store; close: () => Promise<void> }> {
  await using stack = new AsyncDisposableStack();
  const store = stack.use(await openStore({ root, clock, random: systemRandom, logger: silentLogger }));
  const registry: Registry = stack.use(
    await openRegistry({
      store,
      clock,
      random: systemRandom,
      logger: silentLogger,
      settings: {
        isReadOnly: false,
        immutableTags: false,
        defaultQuotaBytes: undefined,
        gcIntervalMs: 0,
        upstreams: [],
        ...settings,
      },
      openClient: openClient ?? (() => Promise.reject(new Error('this test has no client'))),
      collectStore: () => store.collectGarbage({ roots: () => ({ blobsAlone: registry.keptBlobs() }) }),
    }),
  );
  const opened = stack.move();
  return { registry, store, close: () => opened.disposeAsync() };
}

export async function* piecesOf(...pieces: readonly (Uint8Array | string)[]): AsyncIterable<Uint8Array> {
  for (const piece of pieces) yield Buffer.from(piece);
}

export async function pushBlob(
  registry: Registry,
  repository: string,
  content: Uint8Array | string,
  digest: Digest = computeDigest(content),
): Promise<Digest> {
  const upload: BlobUpload = await registry.startUpload(repository, ADMIN);
  await upload.append(piecesOf(content));
  await upload.commit(digest);
  return digest;
}

export interface PushedManifest {
  readonly digest: Digest;
  readonly bytes: Buffer;
  readonly mediaType: string;
}

export const descriptorOf = (content: Uint8Array | string, mediaType: string = MediaType.ociLayerGzip) => ({
  mediaType,
  digest: computeDigest(content),
  size: Buffer.byteLength(content),
});

/** A manifest or index with these fields. */
export function manifestOf(
  fields: object,
  mediaType: string = Object.hasOwn(fields, 'manifests') ? MediaType.ociIndex : MediaType.ociManifest,
): PushedManifest {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...fields }));
  return { digest: computeDigest(bytes), bytes, mediaType };
}

/** Pushes an image of one layer with this content. */
export async function pushImage(
  registry: Registry,
  repository: string,
  tags: readonly string[],
  content: string,
  fields: object = {},
): Promise<PushedManifest> {
  const config = JSON.stringify({ architecture: 'arm64', os: 'linux', content });
  await pushBlob(registry, repository, config);
  await pushBlob(registry, repository, content);
  const manifest = manifestOf({
    config: descriptorOf(config, MediaType.ociConfig),
    layers: [descriptorOf(content)],
    ...fields,
  });
  await registry.putManifest(repository, manifest, { tags, visitor: ADMIN });
  return manifest;
}
