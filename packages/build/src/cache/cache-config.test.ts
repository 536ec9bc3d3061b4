import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ChainId, computeChainIds, computeDigest, type Descriptor, type DiffId } from '@slipway/oci';
import type { BuiltLayer, ExportedStep } from '../solver.ts';
import {
  DIFF_ID_ANNOTATION,
  readCacheConfig,
  readInlineCache,
  writeCacheConfig,
  writeInlineCache,
} from './cache-config.ts';

const openBlob = () => assert.fail('nothing is fetched to look a step up');

const layersOf = (...names: string[]): BuiltLayer[] => {
  const diffIds = names.map((name) => computeDigest(name) as DiffId);
  return computeChainIds(diffIds).map((chainId: ChainId, index) => {
    const diffId = diffIds[index] as DiffId;
    return {
      diffId,
      chainId,
      blob: { mediaType: 'tar', digest: diffId, size: index + 1 },
      madeBy: undefined,
    };
  });
};

const step = (keys: string[], layers: BuiltLayer[], inputs: number[] = []): ExportedStep => ({
  keys,
  layers,
  description: `step ${keys[0]}`,
  sizeBytes: 7,
  createdAtMs: Date.UTC(2026, 1, 3),
  from: undefined,
  inputs,
});

/** As it is in a registry: gzip'd, so by another digest. */
const zipped = ({ diffId }: BuiltLayer): Descriptor => ({
  mediaType: 'tar+gzip',
  digest: computeDigest(`zipped ${diffId}`),
  size: 5,
});

const STEPS = [
  step(['a', 'a-too'], layersOf('base', 'a')),
  step(['b'], layersOf('base', 'a', 'b'), [0]),
  step(['c'], layersOf('base', 'c')),
  step(['nothing'], []),
];

test('what is written is found again by each key, with its layers as they are there', () => {
  const { bytes, layers } = writeCacheConfig(STEPS, zipped);
  const cache = readCacheConfig(bytes, layers, openBlob);
  for (const { keys, layers: made } of STEPS.slice(0, 3)) {
    for (const key of keys) {
      const found = cache.find(key) ?? assert.fail(`${key} is not found`);
      assert.deepEqual(
        found.layers.map(({ chainId }) => chainId),
        made.map(({ chainId }) => chainId),
      );
      assert.deepEqual(
        found.layers.map(({ blob }) => blob),
        made.map(zipped),
      );
      assert.deepEqual([found.description, found.sizeBytes], [`step ${keys[0]}`, 7]);
      assert.equal(found.createdAtMs, Date.UTC(2026, 1, 3));
    }
  }
  assert.equal(cache.find('nothing'), undefined);
  assert.equal(cache.find('other'), undefined);
});

test("the document has BuildKit's form: layers on layers, records with links to those below", () => {
  const document = JSON.parse(writeCacheConfig(STEPS, zipped).bytes.toString());
  assert.deepEqual(
    document.layers.map(({ parent }: { parent: number }) => parent),
    [-1, 0, 1, 0],
  );
  const [, , b] = document.records;
  assert.equal(b.digest, 'b');
  assert.deepEqual(b.inputs, [[{ link: 0 }]]);
  assert.deepEqual(b.results, [{ layer: 2, createdAt: '2026-02-03T00:00:00.000Z' }]);
});

test('an inline cache names the layers of its image by their place', () => {
  const layers = layersOf('base', 'a', 'b');
  const text = writeInlineCache(STEPS.slice(0, 2), layers);
  const there = layers.map((layer) => ({
    ...zipped(layer),
    annotations: { [DIFF_ID_ANNOTATION]: layer.diffId },
  }));
  const found = readInlineCache(text, there, openBlob).find('b');
  assert.deepEqual(
    found?.layers.map(({ blob }) => blob),
    layers.map(zipped),
  );
});

test("another builder's document is read, and nothing in it is taken for ours", () => {
  // As BuildKit writes it: a parent and a result's layer of 0 are left out.
  const blob = computeDigest('blob');
  const document = {
    layers: [{ blob, parent: -1 }, { blob }],
    records: [
      { digest: 'sha256:other', results: [{ createdAt: '2024-01-01T00:00:00Z' }] },
      { digest: 'a', inputs: [[{ selector: 'sha256:x', link: 0 }]], results: [{ layer: 1 }] },
    ],
  };
  const cache = readCacheConfig(Buffer.from(JSON.stringify(document)), [], openBlob);
  assert.equal(cache.find('a'), undefined);
  assert.equal(readCacheConfig(Buffer.from('{}'), [], openBlob).find('a'), undefined);
});

test('a hostile document leads nowhere', () => {
  const [layer] = layersOf('x') as [BuiltLayer];
  const digest = layer.blob.digest;
  const known = [{ ...layer.blob, annotations: { [DIFF_ID_ANNOTATION]: layer.diffId } }];
  const read = (layers: object[], result: object, descriptors: Descriptor[] = known) =>
    readCacheConfig(
      Buffer.from(
        JSON.stringify({ layers, records: [{ digest: 'k', results: [result], slipway: { version: 1 } }] }),
      ),
      descriptors,
      openBlob,
    ).find('k');
  assert.equal(read([{ blob: digest, parent: -1 }], { layer: 0 })?.layers.length, 1);
  assert.equal(read([{ blob: digest, parent: 0 }], { layer: 0 }), undefined);
  assert.equal(read([{ blob: digest, parent: -1 }], { layer: 9 }), undefined);
  assert.equal(read([{ blob: digest, parent: -7 }], { layer: 0 }), undefined);
  assert.equal(read([{ blob: computeDigest('y'), parent: -1 }], { layer: 0 }), undefined);
  const lying = [{ ...layer.blob, annotations: { [DIFF_ID_ANNOTATION]: '../../x' } }];
  assert.equal(read([{ blob: digest, parent: -1 }], { layer: 0 }, lying), undefined);
  assert.throws(() => readCacheConfig(Buffer.from('[1]'), [], openBlob), { code: 'InvalidArgument' });
  assert.throws(() => readInlineCache('bm8=', [], openBlob), { code: 'InvalidArgument' });
});
