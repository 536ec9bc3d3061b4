import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeSessionMessage, SessionDecoder, type SessionMessage } from './build-session.ts';

const text = fc.string();
const bytes = fc.uint8Array({ maxLength: 40 });
const channel = fc.nat(0xffff_ffff);
const message = fc.oneof(
  fc.record({
    kind: fc.constant('open'),
    channel,
    request: fc.record({ what: fc.constant('ssh'), id: text }),
  }),
  fc.record({
    kind: fc.constant('entries'),
    channel,
    entries: fc.array(fc.record({ path: text, mode: fc.nat(), size: fc.nat(), mtimeMs: fc.nat() })),
  }),
  fc.record({ kind: fc.constant('want'), channel, indexes: fc.array(fc.nat()) }),
  fc.record({ kind: fc.constant('file'), channel, index: channel, bytes }),
  fc.record({ kind: fc.constant('data'), channel, bytes }),
  fc.record({ kind: fc.constant('end'), channel }),
  fc.record({ kind: fc.constant('fail'), channel, message: text }),
) as unknown as fc.Arbitrary<SessionMessage>;

/** Without prototypes, which the generated ones lack. */
const plain = (messages: readonly SessionMessage[]): unknown => JSON.parse(JSON.stringify(messages));

test('messages come out as they went in, however the bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(message), fc.integer({ min: 1, max: 50 }), (messages, size) => {
      const whole = Buffer.concat(messages.map(encodeSessionMessage));
      const decoder = new SessionDecoder();
      const found: SessionMessage[] = [];
      for (let at = 0; at < whole.length; at += size) {
        for (const decoded of decoder.push(whole.subarray(at, at + size))) {
          found.push('bytes' in decoded ? { ...decoded, bytes: Uint8Array.from(decoded.bytes) } : decoded);
        }
      }
      assert.deepEqual(plain(found), plain(messages));
    }),
  );
});

test('what is no frame is refused', () => {
  assert.throws(() => [...new SessionDecoder().push(Buffer.from('GET / HTTP/1.1'))], /no frame/);
});
