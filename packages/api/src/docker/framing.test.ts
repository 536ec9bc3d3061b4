import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeFrame, FrameDecoder, type FrameStream } from './framing.ts';

const frames = fc.array(
  fc.record({
    stream: fc.constantFrom<FrameStream>('stdin', 'stdout', 'stderr', 'system'),
    bytes: fc.uint8Array({ maxLength: 40 }),
  }),
  { maxLength: 12 },
);

test('a frame is docker’s: stream, three zeros, length, payload', () => {
  assert.equal(Buffer.from(encodeFrame('stderr', Buffer.from('hi'))).toString('hex'), '02000000000000026869');
});

test('frames come back whole, however the stream was cut', () => {
  fc.assert(
    fc.property(frames, fc.array(fc.nat(60), { maxLength: 20 }), (sent, cuts) => {
      const wire = Buffer.concat(sent.map(({ stream, bytes }) => encodeFrame(stream, bytes)));
      const decoder = new FrameDecoder();
      const got = new Map<FrameStream, Buffer>();
      const feed = (chunk: Uint8Array) => {
        for (const { stream, bytes } of decoder.push(chunk)) {
          got.set(stream, Buffer.concat([got.get(stream) ?? Buffer.alloc(0), bytes]));
        }
      };
      let at = 0;
      for (const cut of cuts) {
        feed(wire.subarray(at, at + cut));
        at = Math.min(at + cut, wire.length);
      }
      feed(wire.subarray(at));
      assert.ok(decoder.atBoundary);
      for (const stream of ['stdin', 'stdout', 'stderr', 'system'] as const) {
        const expected = Buffer.concat(
          sent.filter((frame) => frame.stream === stream).map(({ bytes }) => bytes),
        );
        assert.deepEqual(got.get(stream) ?? Buffer.alloc(0), expected);
      }
    }),
  );
});

test('bytes that are no frames are refused, never misread or looped over', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const decoder = new FrameDecoder();
      try {
        for (const frame of decoder.push(bytes)) assert.ok(frame.bytes.byteLength > 0);
      } catch (error) {
        assert.match(String(error), /not a frame/);
      }
    }),
  );
  assert.throws(() => [...new FrameDecoder().push(Buffer.from('plain text'))], { code: 'InvalidArgument' });
});
