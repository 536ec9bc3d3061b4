import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { computeDigest } from '@slipway/oci';
import { openTestClient, someBytes } from './testing.ts';

/** A server that does what the test says with a connection, below HTTP. */
async function startSocketServer(serve: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).once('close', () => sockets.delete(socket));
    // Read, so that the other side's end is seen.
    serve(socket.resume());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    host: `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    sockets,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Endpoints that speak plain HTTP, so that nothing is asked before the request itself. */
const plainly = (host: string) => async () => [{ url: `http://${host}`, isMirror: false, insecure: true }];

const ok = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n';
const retry = { attempts: 2, firstDelayMs: 1, maxDelayMs: 1 };

test('rubbish, half a header, no answer at all and a closed door are told from each other, and leave no connection', async () => {
  const cases: [string, (socket: Socket) => void, string][] = [
    ['rubbish', (socket) => socket.write('SSH-2.0-OpenSSH_9\r\n'), 'CONNECTION_LOST'],
    ['half a header', (socket) => socket.once('data', () => socket.end('HTTP/1.1 200 O')), 'CONNECTION_LOST'],
    ['no answer', () => {}, 'STALLED'],
    ['a closed door', (socket) => socket.destroy(), 'CONNECTION_LOST'],
    [
      'a body without an end',
      (socket) =>
        socket.once('data', () => socket.write(`${ok}transfer-encoding: chunked\r\n\r\n1\r\n{\r\n`)),
      'STALLED',
    ],
    [
      'a body that is cut',
      (socket) => socket.once('data', () => socket.end(`${ok}content-length: 100\r\n\r\n{`)),
      'CONNECTION_LOST',
    ],
  ];
  for (const [name, serve, reason] of cases) {
    await using server = await startSocketServer(serve);
    await using client = openTestClient({ findEndpoints: plainly(server.host), retry });
    const asking = client.repository({ domain: server.host, path: 'a/b' }).getManifest('v1');
    await assert.rejects(asking, (error: Error & { code: string; reason: string }) => {
      assert.deepEqual([error.code, error.reason], ['Unavailable', reason], `${name}: ${error.message}`);
      assert.ok(error.message.startsWith(`registry ${server.host}, repository a/b: `), error.message);
      return true;
    });
    await sleep(50);
    assert.equal(server.sockets.size, 0, name);
  }
});

test('a registry that takes a connection and reads nothing of a body that waits is left after a stall', async () => {
  const bytes = someBytes(30_000_000);
  let isOpen = false;
  await using server = await startSocketServer((socket) => {
    socket.once('data', (chunk) => {
      const line = chunk.toString('latin1').split('\r\n', 1)[0] ?? '';
      const answer = line.startsWith('HEAD')
        ? '404 Not Found\r\n'
        : `202 Accepted\r\nlocation: /v2/a/b/blobs/uploads/${isOpen}\r\n`;
      if (line.startsWith('PATCH')) socket.pause();
      else socket.end(`HTTP/1.1 ${answer}content-length: 0\r\nconnection: close\r\n\r\n`);
      isOpen = true;
    });
  });
  await using client = openTestClient({ findEndpoints: plainly(server.host), retry });
  const repository = client.repository({ domain: server.host, path: 'a/b' });
  const pushing = repository.pushBlob({
    descriptor: { digest: computeDigest(bytes), size: bytes.byteLength },
    // In one piece: it waits whole before the connection is there.
    open: async function* (offset) {
      yield bytes.subarray(offset);
    },
  });
  await assert.rejects(pushing, { code: 'Unavailable', reason: 'STALLED' });
});
