import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { AsyncQueue, type Clock, collectBytes, systemClock } from '@slipway/base';
import { ADMIN, openTestRegistry, pushImage } from './testing.ts';

interface Delivery {
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** A listener that answers with `statuses`, the last of them for ever. */
async function listen(t: TestContext, statuses: readonly number[] = [204]) {
  const deliveries = new AsyncQueue<Delivery>({ capacity: 100, onOverflow: 'fail' });
  let count = 0;
  const server = createServer(async (request, response) => {
    const body = (await collectBytes(request, 1 << 20)).toString();
    response.statusCode = statuses[Math.min(count++, statuses.length - 1)] ?? 500;
    response.end();
    deliveries.push({ headers: request.headers, body });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?key=1`, deliveries };
}

const next = async (deliveries: AsyncQueue<Delivery>): Promise<Delivery> =>
  (await deliveries.next()).value as Delivery;

/** The system's clock, whose sleeps are over at once. */
const hurried: Clock = {
  nowMs: () => systemClock.nowMs(),
  nowNs: () => systemClock.nowNs(),
  monotonicMs: () => systemClock.monotonicMs(),
  sleep: (_ms, options) => systemClock.sleep(0, options),
  timer: (ms, run) => systemClock.timer(ms, run),
  interval: (ms, run) => systemClock.interval(ms, run),
};

describe('webhooks', () => {
  it("tell of pushes and deletes in docker's envelope, signed", async (t) => {
    const { registry } = await openTestRegistry(t);
    const { url, deliveries } = await listen(t);
    const hook = await registry.addWebhook({ url, repositories: 'team/*', secret: 's3cret' });
    assert.deepEqual(hook, { id: hook.id, url, repositories: 'team/*', hasSecret: true });
    await pushImage(registry, 'other', ['v1'], 'layer');
    const image = await pushImage(registry, 'team/app', ['v1'], 'layer');
    const { headers, body } = await next(deliveries);
    assert.equal(headers['content-type'], 'application/vnd.docker.distribution.events.v1+json');
    const signature = createHmac('sha256', 's3cret').update(body).digest('hex');
    assert.equal(headers['x-slipway-signature'], `sha256=${signature}`);
    const [event] = JSON.parse(body).events;
    assert.equal(event.action, 'push');
    assert.deepEqual(event.target, {
      mediaType: image.mediaType,
      size: image.bytes.length,
      length: image.bytes.length,
      digest: image.digest,
      repository: 'team/app',
      url: `/v2/team/app/manifests/${image.digest}`,
      tag: 'v1',
    });
    assert.deepEqual(event.actor, { name: 'root' });
    await registry.deleteManifest('team/app', image.digest, ADMIN);
    assert.equal(JSON.parse((await next(deliveries)).body).events[0].action, 'delete');
  });

  it('are tried again until they are heard', async (t) => {
    const { registry } = await openTestRegistry(t, { clock: hurried });
    const { url, deliveries } = await listen(t, [500, 301, 200]);
    await registry.addWebhook({ url });
    await pushImage(registry, 'r', ['v1', 'v2'], 'layer');
    const tags = [];
    for (let count = 0; count < 4; count++) {
      tags.push(JSON.parse((await next(deliveries)).body).events[0].target.tag);
    }
    assert.deepEqual(tags, ['v1', 'v1', 'v1', 'v2']);
  });

  it('are kept over a restart until they are removed, and show no secret', async (t) => {
    const before = await openTestRegistry(t);
    const { url, deliveries } = await listen(t);
    await before.registry.addWebhook({ url, secret: 's3cret' });
    const { registry } = await before.restart();
    const [hook] = await registry.listWebhooks();
    assert.ok(!JSON.stringify(hook).includes('s3cret'));
    await pushImage(registry, 'r', ['v1'], 'layer');
    assert.ok((await next(deliveries)).headers['x-slipway-signature']);
    await registry.removeWebhook(hook?.id ?? '');
    assert.deepEqual(await registry.listWebhooks(), []);
    await assert.rejects(registry.removeWebhook(hook?.id ?? ''), { code: 'NotFound' });
    await assert.rejects(registry.addWebhook({ url: 'file:///etc/passwd' }), { code: 'InvalidArgument' });
  });

  it('hold up neither a push nor the end', async (t) => {
    const { registry } = await openTestRegistry(t);
    const silent = createServer(() => {});
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    t.after(() => {
      silent.closeAllConnections();
      silent.close();
    });
    await registry.addWebhook({ url: `http://127.0.0.1:${(silent.address() as AddressInfo).port}/` });
    const connected = once(silent, 'request');
    await pushImage(registry, 'r', ['v1'], 'layer');
    await connected;
    const startMs = systemClock.monotonicMs();
    await registry[Symbol.asyncDispose]();
    assert.ok(systemClock.monotonicMs() - startMs < 5_000);
  });
});
