import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Digest } from '@slipway/oci';
import {
  type Intercept,
  openTestClient,
  readAllBytes,
  refuse,
  sendBytes,
  sleeplessClock,
  someBytes,
  startRegistry,
  startServer,
} from './testing.ts';

const bytes = someBytes(3_000_000);

async function setUp(intercept: Intercept = () => false) {
  const registry = await startRegistry(intercept);
  const descriptor = registry.addBlob(bytes);
  const client = openTestClient();
  const repository = client.repository({ domain: registry.host, path: 'a/b' });
  return {
    registry,
    descriptor,
    client,
    repository,
    [Symbol.asyncDispose]: async () => {
      await client[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

const isGet = (method: string | undefined, url: string | undefined) => method === 'GET' && url !== '/v2/';

test('a blob comes whole, from the start and from an offset, and an empty one without a request', async () => {
  await using it = await setUp();
  assert.ok((await readAllBytes(it.repository.openBlob(it.descriptor))).equals(bytes));
  const rest = await readAllBytes(it.repository.openBlob(it.descriptor, { offset: 2_999_990 }));
  assert.ok(rest.equals(bytes.subarray(2_999_990)));
  const asked = it.registry.asked().length;
  assert.equal(
    (await readAllBytes(it.repository.openBlob(it.descriptor, { offset: 3_000_000 }))).byteLength,
    0,
  );
  assert.equal(it.registry.asked().length, asked);
});

test('a download that is cut over and over is taken up where it was, not begun anew', async () => {
  await using it = await setUp((request, response) => {
    if (!isGet(request.method, request.url)) return false;
    const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const range = start === 0 ? {} : { 'content-range': `bytes ${start}-2999999/3000000` };
    response.writeHead(start === 0 ? 200 : 206, { ...range, 'content-length': 3_000_000 - start });
    const end = Math.min(3_000_000, start + 300_000);
    response.write(bytes.subarray(start, end), () => {
      if (end === 3_000_000) response.end();
      else response.destroy();
    });
    return true;
  });
  assert.ok((await readAllBytes(it.repository.openBlob(it.descriptor))).equals(bytes));
  const ranges = it.registry.seen
    .filter(({ method, path }) => isGet(method, path))
    .map(({ headers }) => headers.range);
  assert.ok(ranges.length >= 10 && ranges.slice(1).every((range) => range !== undefined), String(ranges));
});

test('a registry that cuts without giving anything is given up, with registry, repository, place and cause', async () => {
  await using it = await setUp((request, response) => {
    if (!isGet(request.method, request.url)) return false;
    response.writeHead(200, { 'content-length': 3_000_000 });
    response.write(bytes.subarray(0, 10), () => response.destroy());
    return true;
  });
  await assert.rejects(
    readAllBytes(it.repository.openBlob(it.descriptor)),
    (error: Error & { code: string }) => {
      assert.equal(error.code, 'Unavailable');
      for (const part of [it.registry.host, 'a/b', it.descriptor.digest, 'of 3000000']) {
        assert.ok(error.message.includes(part), error.message);
      }
      return true;
    },
  );
  assert.equal(it.registry.asked().length, 5);
});

test('a registry that falls silent within a blob is left, and asked for the rest', async () => {
  let stalled = 0;
  await using it = await setUp((request, response) => {
    if (!isGet(request.method, request.url) || stalled++ > 0) return false;
    response.writeHead(200, { 'content-length': 3_000_000 });
    response.write(bytes.subarray(0, 1_000_000));
    return true;
  });
  assert.ok((await readAllBytes(it.repository.openBlob(it.descriptor))).equals(bytes));
  assert.match(it.registry.seen.at(-1)?.headers.range ?? '', /^bytes=1000000-$/);
});

test('a reader who takes longer than a stall does not lose the connection', async () => {
  await using it = await setUp();
  let sizeBytes = 0;
  for await (const chunk of it.repository.openBlob(it.descriptor)) {
    if (sizeBytes === 0) await sleep(700);
    sizeBytes += chunk.byteLength;
  }
  assert.equal(sizeBytes, 3_000_000);
  assert.equal(it.registry.asked().length, 1);
});

test('a registry that knows no ranges sends all again, and what was had is skipped', async () => {
  let requests = 0;
  await using it = await setUp((request, response) => {
    if (!isGet(request.method, request.url)) return false;
    requests++;
    response.writeHead(200, { 'content-length': 3_000_000 });
    if (requests > 1) response.end(bytes);
    else response.write(bytes.subarray(0, 1_234_567), () => response.destroy());
    return true;
  });
  assert.ok((await readAllBytes(it.repository.openBlob(it.descriptor))).equals(bytes));
  assert.equal(requests, 2);
});

test('a registry that refuses ranges with 416 is asked for the whole', async () => {
  await using it = await setUp((request, response) => {
    if (request.headers.range === undefined) return false;
    response.writeHead(416).end();
    return true;
  });
  const rest = await readAllBytes(it.repository.openBlob(it.descriptor, { offset: 1_000 }));
  assert.ok(rest.equals(bytes.subarray(1_000)));
});

test('lies about length and range are DataLoss, and not tried again', async () => {
  const lies: Record<string, Intercept> = {
    'a length that is too small': (_request, response) => {
      response.writeHead(200, { 'content-length': 10 }).end('0123456789');
      return true;
    },
    'a length that is too large': (_request, response) => {
      response.writeHead(200, { 'content-length': 3_000_001 }).end(Buffer.alloc(3_000_001));
      return true;
    },
    'more bytes than the descriptor has, without a length': (_request, response) => {
      response.writeHead(200);
      response.write(bytes);
      response.end('more');
      return true;
    },
    'a total that is another': (_request, response) => {
      response.writeHead(206, { 'content-range': 'bytes 5-9/10', 'content-length': 5 }).end('01234');
      return true;
    },
    'a range that begins too late': (_request, response) => {
      response.writeHead(206, { 'content-range': 'bytes 500-2999999/3000000' }).end('01234');
      return true;
    },
    'a range that is none': (_request, response) => {
      response.writeHead(206, { 'content-range': 'rubbish' }).end('01234');
      return true;
    },
    'an encoding that was not asked for': (_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end('01234');
      return true;
    },
  };
  for (const [name, lie] of Object.entries(lies)) {
    await using it = await setUp((request, response, seen) =>
      isGet(request.method, request.url) ? lie(request, response, seen) : false,
    );
    const read = readAllBytes(it.repository.openBlob(it.descriptor, { offset: 5 }));
    await assert.rejects(read, { code: 'DataLoss', reason: 'SIZE_INVALID' }, name);
    assert.equal(it.registry.asked().length, 1, name);
  }
});

test('a blob that is not there is NotFound with the registry code, a web page says so', async () => {
  await using it = await setUp();
  const missing = { digest: `sha256:${'0'.repeat(64)}` as Digest, size: 5 };
  await assert.rejects(readAllBytes(it.repository.openBlob(missing)), {
    code: 'NotFound',
    reason: 'BLOB_UNKNOWN',
  });
  assert.equal(await it.repository.findBlob(missing.digest), undefined);
  assert.deepEqual(await it.repository.findBlob(it.descriptor.digest), { sizeBytes: 3_000_000 });
  it.registry.intercept = (_request, response) => {
    response
      .writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-length': 6 })
      .end('<html>');
    return true;
  };
  await assert.rejects(readAllBytes(it.repository.openBlob(it.descriptor)), {
    message: /HTML.*is .* a registry\?/,
  });
});

test('a reader who leaves, or aborts, leaves no connection in use behind', async () => {
  await using it = await setUp((request, response) => {
    if (!isGet(request.method, request.url)) return false;
    response.writeHead(200, { 'content-length': 3_000_000 });
    response.write(bytes.subarray(0, 100_000));
    return true;
  });
  for await (const _ of it.repository.openBlob(it.descriptor)) break;
  const controller = new AbortController();
  const reason = new Error('the client went');
  const reading = readAllBytes(it.repository.openBlob(it.descriptor, { signal: controller.signal }));
  await sleep(50);
  controller.abort(reason);
  await assert.rejects(reading, reason);
  await sleep(50);
  assert.ok(it.registry.openConnections() <= 1, String(it.registry.openConnections()));
});

test('after a closed client nothing is under way', async () => {
  await using it = await setUp((request, response) => {
    if (!isGet(request.method, request.url)) return false;
    response.writeHead(200, { 'content-length': 3_000_000 });
    return true;
  });
  const reading = readAllBytes(it.repository.openBlob(it.descriptor));
  const failure = assert.rejects(reading, { code: 'Canceled' });
  await sleep(50);
  await it.client[Symbol.asyncDispose]();
  await failure;
  await sleep(50);
  assert.equal(it.registry.openConnections(), 0);
  await assert.rejects(it.repository.resolve('x'), { code: 'Canceled' });
});

test('a blob at another host comes from there, without the authorization that the registry got', async () => {
  await using store = await startServer((request, response) => {
    store.seen.push({
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      bodyBytes: 0,
    });
    sendBytes(request, response, bytes, {}, 'BLOB_UNKNOWN');
  });
  await using it = await setUp((request, response) => {
    if (request.headers.authorization === undefined) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
      return true;
    }
    if (!isGet(request.method, request.url)) return false;
    response.writeHead(307, { location: `http://${store.host}/blob?signature=secret` }).end();
    return true;
  });
  const repository = it.client.repository(it.repository.name, { username: 'me', password: 'secret' });
  assert.ok((await readAllBytes(repository.openBlob(it.descriptor))).equals(bytes));
  assert.equal(store.seen.length, 1);
  assert.equal(store.seen[0]?.headers.authorization, undefined);
  assert.equal(it.registry.seen.at(-1)?.headers.authorization, `Basic ${btoa('me:secret')}`);
});

test('redirects that lead in a circle end with an error that shows no query', async () => {
  await using it = await setUp((request, response) => {
    if (!isGet(request.method, request.url)) return false;
    response.writeHead(302, { location: '/v2/a/b/blobs/x?signature=secret' }).end();
    return true;
  });
  await assert.rejects(
    readAllBytes(it.repository.openBlob(it.descriptor)),
    (error: Error & { reason: string }) => {
      assert.equal(error.reason, 'TOO_MANY_REDIRECTS');
      assert.ok(!error.message.includes('secret'), error.message);
      return true;
    },
  );
  assert.equal(it.registry.asked().length, 11);
});

test('a registry too busy is asked again after what it says, and no longer than is sensible', async () => {
  const slept: number[] = [];
  await using registry = await startRegistry();
  const descriptor = registry.addBlob(bytes);
  await using client = openTestClient({ clock: sleeplessClock(slept) });
  const repository = client.repository({ domain: registry.host, path: 'a/b' });
  let left = 3;
  registry.intercept = (request, response) => {
    if (!isGet(request.method, request.url) || left-- <= 0) return false;
    const after = left === 2 ? '7' : new Date(Date.parse(new Date().toUTCString()) + 20_000).toUTCString();
    response.writeHead(left === 0 ? 503 : 429, { 'retry-after': after }).end();
    return true;
  };
  assert.equal((await readAllBytes(repository.openBlob(descriptor))).byteLength, 3_000_000);
  assert.equal(slept.length, 3);
  assert.equal(slept[0], 7_000);
  assert.ok(
    slept.slice(1).every((ms) => ms > 18_000 && ms <= 20_000),
    String(slept),
  );
  registry.intercept = (request, response) => {
    if (!isGet(request.method, request.url)) return false;
    response.setHeader('retry-after', '21600');
    refuse(response, 429, 'TOOMANYREQUESTS', 'You have reached your pull rate limit');
    return true;
  };
  await assert.rejects(readAllBytes(repository.openBlob(descriptor)), {
    code: 'ResourceExhausted',
    reason: 'TOOMANYREQUESTS',
    message: /toomanyrequests: You have reached your pull rate limit \(try again after 21600\)/,
  });
  assert.equal(slept.length, 3);
});
