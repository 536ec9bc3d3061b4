import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeStrings, encodeFrame, encodeStrings, FrameDecoder, type FrameType } from './protocol.ts';

test('frames come out whole, however they are cut on the way', () => {
  const frame = fc.record({
    type: fc.constantFrom<FrameType>('O', 'X', 'H'),
    stream: fc.integer({ min: 0, max: 255 }),
    handle: fc.integer({ min: 0, max: 0xffff }),
    payload: fc.uint8Array({ maxLength: 300 }),
  });
  fc.assert(
    fc.property(fc.array(frame), fc.integer({ min: 1, max: 64 }), (frames, size) => {
      const bytes = Buffer.concat(frames.map((f) => encodeFrame(f.type, f.handle, f.payload, f.stream)));
      const decoder = new FrameDecoder();
      const got = [];
      for (let at = 0; at < bytes.length; at += size)
        got.push(...decoder.push(bytes.subarray(at, at + size)));
      const wanted = frames.map((f) => ({ ...f, payload: Buffer.from(f.payload) }));
      assert.deepEqual(got, wanted);
    }),
  );
});

test('a list of strings says its length first, and NUL is refused', () => {
  assert.deepEqual(decodeStrings(encodeStrings(['a', ['b', ''], 3])), ['a', '2', 'b', '', '3']);
  assert.throws(() => encodeStrings(['a\0b']), { code: 'InvalidArgument' });
});
