import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { frame, unframe } from './frames.ts';

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
}

test('messages come out as they went in, however the stream is cut', async () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(messages, fc.integer({ min: 1, max: 300 }), async (given, size) => {
      const got: Buffer[] = [];
      for await (const message of unframe(inPieces(Buffer.concat(given.map(frame)), size))) {
        got.push(Buffer.from(message));
      }
      assert.deepEqual(
        got,
        given.map((message) => Buffer.from(message)),
      );
    }),
  );
});

test('a stream that ends within a message, is compressed or claims too much is refused', async () => {
  const read = async (bytes: Buffer) => {
    for await (const _ of unframe(inPieces(bytes, 100)));
  };
  await assert.rejects(read(frame(Buffer.from('abc')).subarray(0, 6)), /ended its stream within a message/);
  await assert.rejects(read(Buffer.from([1, 0, 0, 0, 1, 0])), /compressed/);
  await assert.rejects(read(Buffer.from([0, 255, 0, 0, 1, 0])), /message of 4278190081 bytes/);
});
