import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { hostPath, silentLogger, systemClock, systemRandom } from '@slipway/base';
import { dockerDialect, json, serve } from '@slipway/http';
import { openStore, writeTar } from '@slipway/store';
import { EventBus } from '../events/index.ts';
import { ImageService, imageRoutes } from './index.ts';

test('names with slashes reach their image, and an import takes its body while it answers', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'slipway-img-'));
  const socketPath = join(root, 's.sock');
  const store = await openStore({ root, clock: systemClock, random: systemRandom, logger: silentLogger });
  const images = new ImageService({
    store,
    events: new EventBus(systemClock),
    clock: systemClock,
    logger: silentLogger,
    scratchRoot: hostPath(join(root, 'scratch')),
  });
  const server = await serve({
    listen: { socketPath },
    sites: [
      {
        routes: imageRoutes(images, { pull: ({ query }) => json(200, { pulled: query.get('fromImage') }) }),
        dialect: dockerDialect('0'),
      },
    ],
    clock: systemClock,
    logger: silentLogger,
  });
  t.after(async () => {
    await server[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    await rm(root, { recursive: true });
  });
  const ask = (method: string, path: string, body?: Buffer) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const request = http.request({ socketPath, method, path, agent: false }, async (response) => {
        const text = (await response.toArray()).join('');
        resolve({ status: response.statusCode ?? 0, text });
      });
      request.on('error', reject);
      request.flushHeaders();
      // The body comes after the answer has begun.
      setImmediate(() => request.end(body));
    });

  const tar = Buffer.concat(
    await Array.fromAsync(writeTar([{ entry: { name: 'a', sizeBytes: 1 }, body: [Buffer.from('x')] }])),
  );
  const made = await ask('POST', '/v1.44/images/create?fromSrc=-&repo=reg.x:5000/team/app&tag=1', tar);
  assert.equal(made.status, 200);
  const image = await images.resolve('reg.x:5000/team/app:1');
  assert.deepEqual(JSON.parse(made.text), { status: image.id });
  assert.equal(image.layers[0]?.size, tar.length);
  const inspected = await ask('GET', '/v1.44/images/reg.x:5000/team/app:1/json');
  assert.equal(JSON.parse(inspected.text).Id, image.id);
  const pulled = await ask('POST', '/images/create?fromImage=a/b');
  assert.deepEqual(JSON.parse(pulled.text), { pulled: 'a/b' });
  const missing = await ask('GET', '/images/no/such/json');
  assert.deepEqual(
    [missing.status, JSON.parse(missing.text)],
    [404, { message: 'No such image: no/such:latest' }],
  );
  assert.equal((await ask('POST', '/images/reg.x:5000/team/app:1/tag?repo=b/c&tag=2')).status, 201);
  const removed = await ask('DELETE', '/images/b/c:2');
  assert.deepEqual(JSON.parse(removed.text), [{ Untagged: 'b/c:2' }]);
});
