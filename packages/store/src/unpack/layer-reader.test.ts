import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { LayerReader } from './layer-reader.ts';

/** What a reader makes of a file that holds `bytes`. */
function read(bytes: Uint8Array): Buffer {
  const folder = mkdtempSync('/tmp/slipway-reader-');
  const path = join(folder, 'blob');
  writeFileSync(path, bytes);
  const fd = openSync(path, 'r');
  try {
    using reader = new LayerReader({ fd, watermark: undefined, isStopped: () => false, onRead: () => {} });
    const chunks: Buffer[] = [];
    for (let chunk = reader.next(); chunk !== undefined; chunk = reader.next())
      chunks.push(Buffer.from(chunk));
    return Buffer.concat(chunks);
  } finally {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  }
}

/** Larger than every buffer, with parts that compress well and parts that do not. */
const TEXT = Buffer.concat([randomBytes(700_001), Buffer.alloc(3_000_000, 'layer '), randomBytes(5)]);

test('what was compressed in one piece or several comes out whole, whatever its size', () => {
  for (const bytes of [TEXT, TEXT.subarray(0, 1), Buffer.alloc(0), Buffer.alloc(256 << 10, 'a')]) {
    for (const compress of [gzipSync, zstdCompressSync]) {
      assert.deepEqual(read(compress(bytes)), bytes, `${compress.name} of ${bytes.length}`);
      const pieces = [TEXT, bytes, Buffer.alloc(0), bytes].map((piece) => compress(piece));
      assert.deepEqual(read(Buffer.concat(pieces)), Buffer.concat([TEXT, bytes, bytes]));
    }
    assert.deepEqual(read(bytes), bytes);
  }
});

test('zeros after the end of gzip data are padding', () => {
  assert.deepEqual(read(Buffer.concat([gzipSync(TEXT), Buffer.alloc(1000)])), TEXT);
});

test('data that is cut off anywhere, changed, or followed by something else is damaged', () => {
  for (const compress of [gzipSync, zstdCompressSync]) {
    const whole = compress(TEXT);
    const cuts = [4, 5, 11, whole.length >> 1, whole.length - 9, whole.length - 1];
    for (const cut of cuts) {
      assert.throws(
        () => read(whole.subarray(0, cut)),
        { code: 'DataLoss' },
        `${compress.name} cut at ${cut}`,
      );
    }
    assert.throws(() => read(Buffer.concat([whole, Buffer.from('something')])), { code: 'DataLoss' });
  }
  for (const compress of [gzipSync, zstdCompressSync]) {
    const changed = compress(TEXT);
    changed.fill(0xff, 10, 14);
    assert.throws(() => read(changed), { code: 'DataLoss' }, compress.name);
  }
});
