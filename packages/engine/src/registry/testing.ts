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
}

/** A registry over a store in a folder of its own, which the end of the test removes. */
export async function openTestRegistry(
  t: TestContext,
  options: TestRegistryOptions = {},
): Promise<TestRegistry> {
  const root = await mkdtemp(join(tmpdir(), 'slipway-registry-'));
  const opened = { close: async () => {} };
  t.after(async () => {
    await opened.close();
    await rm(root, { recursive: true });
  });
  const open = async (): Promise<TestRegistry> => {
    const clock = options.clock ?? systemClock;
    const store = await openStore({ root, clock, random: systemRandom, logger: silentLogger });
    opened.close = async () => await store[Symbol.asyncDispose]();
    const registry = await openRegistry({
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
        ...options.settings,
      },
      openClient: options.openClient ?? (() => Promise.reject(new Error('this test has no client'))),
      collectStore: () => store.collectGarbage({ roots: () => registry.roots() }),
    });
    opened.close = async () => {
      opened.close = async () => {};
      await registry[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    };
    return {
      registry,
      store,
      root,
      restart: async () => {
        await opened.close();
        return await open();
      },
    };
  };
  return await open();
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
