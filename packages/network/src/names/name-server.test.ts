import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { after, before, test } from 'node:test';
import { silentLogger, systemClock } from '@slipway/base';
import { decode, encode } from 'dns-packet';
import fc from 'fast-check';
import { openNameServer } from './name-server.ts';
import { NameTable } from './name-table.ts';
import { FrameReader, frame } from './upstream.ts';

const address = '127.0.53.7';
const port = 20_053;
const names = new NameTable('own');
let server: AsyncDisposable;

before(async () => {
  names.set('10.0.0.5', ['web']);
  server = await openNameServer({
    address,
    port,
    names,
    clock: systemClock,
    logger: silentLogger,
    forwards: false,
  });
});
after(async () => await server[Symbol.asyncDispose]());

function ask(query: Uint8Array): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const socket = createSocket('udp4');
  socket.on('message', resolve);
  socket.send(query, port, address);
  return promise.finally(() => socket.close());
}

const question = (name: string, type: 'A' | 'AAAA') =>
  encode({ type: 'query', id: 7, flags: 0x0100, questions: [{ type, name }] });

test('no message, however broken, stops the server or is taken for an answer', async () => {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.connect(port, address, resolve));
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 80 }),
      fc.nat(28),
      fc.boolean(),
      async (noise, at, fromValid) => {
        const message = fromValid ? Buffer.from(question('web', 'A')) : Buffer.from(noise);
        if (fromValid)
          message.set(noise.subarray(0, Math.max(0, message.length - at)), Math.min(at, message.length));
        await new Promise((resolve) => socket.send(message, resolve));
        // The server reads between two of them, so that none is dropped for want of room.
        await new Promise((resolve) => setImmediate(resolve));
      },
    ),
    { numRuns: 300 },
  );
  socket.close();
  assert.equal(decode(await ask(question('web', 'A'))).answers?.length, 1);
});

const codeOf = ({ flags = 0 }: { readonly flags?: number | undefined }) => flags & 15;

test('a known name has no IPv6 address but exists; an unknown one does not', async () => {
  const known = decode(await ask(question('WEB', 'AAAA')));
  const unknown = decode(await ask(question('nobody', 'A')));
  assert.deepEqual([codeOf(known), known.answers], [0, []]);
  assert.equal(codeOf(unknown), 3);
});

test('messages on a stream come out as they went in, however they are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 300 })),
      fc.integer({ min: 1, max: 50 }),
      (messages, size) => {
        const bytes = Buffer.concat(messages.map((message) => frame(Buffer.from(message))));
        const reader = new FrameReader();
        const found: Buffer[] = [];
        for (let at = 0; at < bytes.length; at += size)
          found.push(...reader.push(bytes.subarray(at, at + size)));
        assert.deepEqual(
          found.map((message) => message.toString('hex')),
          messages.map((message) => Buffer.from(message).toString('hex')),
        );
      },
    ),
  );
});
