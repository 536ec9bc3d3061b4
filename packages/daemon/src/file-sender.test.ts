import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, readdir, readlink, rm, truncate, writeFile } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { silentLogger, systemClock } from '@slipway/base';
import { file, ociDialect, serve } from '@slipway/http';
import { openFileSender } from './file-sender.ts';

const SIZE_BYTES = 40 * 1024 * 1024 + 4_321;

interface Bench {
  readonly port: number;
  readonly path: string;
  readonly digest: string;
}

/** A server that sends a file of which no two parts are alike, and how many sends the kernel did. */
async function start(t: TestContext): Promise<Bench & { sends(): number }> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-sender-'));
  const path = join(folder, 'blob');
  const bytes = Buffer.alloc(SIZE_BYTES);
  for (let at = 0; at < SIZE_BYTES; at += 1024) bytes.writeUInt32LE(at, at);
  await writeFile(path, bytes);
  let sends = 0;
  const server = await serve({
    listen: { port: 0, host: '127.0.0.1' },
    sites: [
      {
        dialect: ociDialect(),
        routes: [
          {
            method: 'GET',
            path: '/blob',
            handler: ({ query }) => {
              const offset = Number(query.get('offset') ?? 0);
              return file(200, 'a/b', { path, offset, length: SIZE_BYTES - offset });
            },
          },
        ],
      },
    ],
    clock: systemClock,
    logger: silentLogger,
    openFileSender: (fd) => {
      const sender = openFileSender(fd);
      return (
        sender && {
          send: (...args) => {
            sends++;
            return sender.send(...args);
          },
          [Symbol.dispose]: () => sender[Symbol.dispose](),
        }
      );
    },
  });
  t.after(async () => {
    await server[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  return { port: server.port ?? 0, path, digest: await hash(createReadStream(path)), sends: () => sends };
}

async function hash(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex');
}

const get = (port: number, agent: http.Agent | false, path = '/blob'): Promise<http.IncomingMessage> =>
  new Promise((resolve, reject) => {
    http.get({ port, host: '127.0.0.1', path, agent }, resolve).on('error', reject);
  });

/** How many descriptors of this process lead to the file, or to a socket. */
async function countOpen(what: string): Promise<number> {
  const names = await readdir('/proc/self/fd');
  const links = await Promise.all(names.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
  return links.filter((link) => link.startsWith(what)).length;
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await isSo()); tries++) {
    assert.ok(tries < 200, 'it never came to be');
    await sleep(20);
  }
}

test('the kernel sends files byte for byte, several at once, to fast and slow readers, on connections that live on', async (t) => {
  const { port, digest, path, sends } = await start(t);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  for (let round = 0; round < 3; round++) assert.equal(await hash(await get(port, agent)), digest);
  assert.ok(sends() > 0);
  const tail = await hash(await get(port, agent, '/blob?offset=12345678'));
  assert.equal(tail, await hash(createReadStream(path, { start: 12_345_678 })));
  const many = await Promise.all(Array.from({ length: 8 }, async () => hash(await get(port, false))));
  assert.deepEqual(new Set(many), new Set([digest]));
  const slow = await get(port, false);
  const found = createHash('sha256');
  let chunks = 0;
  for await (const chunk of slow) {
    found.update(chunk);
    if (chunks++ % 50 === 0) await sleep(2);
  }
  assert.equal(found.digest('hex'), digest);
});

test('clients that go, by reset, by close or by half of one, leave no descriptor behind', async (t) => {
  const { port, path, digest } = await start(t);
  await hash(await get(port, false));
  await until(async () => (await countOpen(path)) === 0);
  const before = await countOpen('socket:');
  for (let round = 0; round < 6; round++) {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write('GET /blob HTTP/1.1\r\nHost: x\r\n\r\n');
    await new Promise((resolve) => socket.once('data', resolve));
    socket.pause();
    await sleep(round * 10);
    if (round % 3 === 0) socket.resetAndDestroy();
    else if (round % 3 === 1) socket.destroy();
    else socket.end().resume();
  }
  await until(async () => (await countOpen(path)) === 0 && (await countOpen('socket:')) <= before);
  assert.equal(await hash(await get(port, false)), digest);
});

test('a file that ends early cuts the connection instead of sending something else', async (t) => {
  const { port, path } = await start(t);
  await truncate(path, 1_000_000);
  await assert.rejects(get(port, false).then(hash), /aborted/);
});
