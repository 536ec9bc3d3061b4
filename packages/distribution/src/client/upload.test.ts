import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { computeDigest } from '@slipway/oci';
import type { RegistryClientOptions } from './client.ts';
import type { PushableBlob } from './registry.ts';
import { type Intercept, openTestClient, refuse, someBytes, startRegistry } from './testing.ts';

const large = someBytes(3_000_000);
const small = someBytes(1_000);

/** A blob that notes from where it was opened, and yields in pieces. */
function pushable(bytes: Buffer, mountFrom: string[] = []) {
  const opened: number[] = [];
  const sent: number[] = [];
  const blob: PushableBlob = {
    descriptor: { digest: computeDigest(bytes), size: bytes.byteLength },
    mountFrom,
    onProgress: (sentBytes) => sent.push(sentBytes),
    open: async function* (offset) {
      opened.push(offset);
      for (let at = offset; at < bytes.byteLength; at += 50_000) yield bytes.subarray(at, at + 50_000);
    },
  };
  return { blob, opened, sent };
}

async function setUp(intercept: Intercept = () => false, options: Partial<RegistryClientOptions> = {}) {
  const registry = await startRegistry(intercept);
  const client = openTestClient(options);
  return {
    registry,
    repository: client.repository({ domain: registry.host, path: 'a/b' }),
    methods: () => registry.asked().map((line) => line.split(' ')[0]),
    [Symbol.asyncDispose]: async () => {
      await client[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

test('a small blob goes with one PUT, a large one with one PATCH, and one that is there not at all', async () => {
  await using it = await setUp();
  for (const [bytes, methods] of [
    [small, ['HEAD', 'POST', 'PUT']],
    [large, ['HEAD', 'POST', 'PATCH', 'PUT']],
    [Buffer.alloc(0), ['HEAD', 'POST', 'PUT']],
  ] as const) {
    it.registry.seen.length = 0;
    const { blob, sent } = pushable(bytes);
    assert.equal(await it.repository.pushBlob(blob), 'pushed');
    assert.ok(it.registry.blobs.get(blob.descriptor.digest)?.equals(bytes));
    assert.deepEqual(it.methods(), methods);
    if (bytes.byteLength > 0) assert.equal(sent.at(-1), bytes.byteLength);
    it.registry.seen.length = 0;
    assert.equal(await it.repository.pushBlob(blob), 'exists');
    assert.deepEqual(it.methods(), ['HEAD']);
  }
});

test('a blob is mounted from the first repository that has it', async () => {
  await using it = await setUp();
  const { blob, opened } = pushable(large, ['a/b', 'x/y', 'x/z']);
  let has = 'x/z';
  it.registry.intercept = (request, response) => {
    const from = new URL(request.url ?? '', 'http://x').searchParams.get('from');
    if (from === null || from !== has) return false;
    response.writeHead(201).end();
    return true;
  };
  assert.equal(await it.repository.pushBlob(blob), 'mounted');
  assert.deepEqual(opened, []);
  assert.deepEqual(it.methods(), ['HEAD', 'POST', 'DELETE', 'POST']);
  assert.equal(it.registry.uploads.size, 0, 'the session that was not needed is given back');
  has = '';
  it.registry.seen.length = 0;
  assert.equal(await it.repository.pushBlob(blob), 'pushed');
  assert.deepEqual(
    it.methods(),
    ['HEAD', 'POST', 'DELETE', 'POST', 'PATCH', 'PUT'],
    'the last session is used',
  );
});

test('an upload that is cut goes on where the registry has it', async () => {
  let cuts = 2;
  await using it = await setUp(async (request) => {
    if (request.method !== 'PATCH' || cuts-- <= 0) return false;
    const { socket } = request;
    const kept = [it.registry.uploads.get('u0') ?? Buffer.alloc(0)];
    let cameBytes = 0;
    for await (const chunk of request) {
      kept.push(chunk);
      cameBytes += chunk.byteLength;
      if (cameBytes > 500_000) break;
    }
    it.registry.uploads.set('u0', Buffer.concat(kept));
    socket.destroy();
    return true;
  });
  const { blob, opened } = pushable(large);
  assert.equal(await it.repository.pushBlob(blob), 'pushed');
  assert.ok(it.registry.blobs.get(blob.descriptor.digest)?.equals(large));
  assert.equal(opened.length, 3);
  assert.ok(
    opened.every((offset, index) => index === 0 || offset > (opened[index - 1] as number)),
    String(opened),
  );
  const resumed = it.registry.seen.filter(({ method }) => method === 'PATCH').at(-1);
  assert.equal(resumed?.headers['content-range'], `${opened.at(-1)}-2999999`);
});

test('an upload that the registry forgot is begun anew, and one whose end got lost is found', async () => {
  let faults = 1;
  await using it = await setUp((request) => {
    if (request.method !== 'PATCH' || faults-- <= 0) return false;
    it.registry.uploads.clear();
    request.socket.destroy();
    return true;
  });
  const first = pushable(large);
  await it.repository.pushBlob(first.blob);
  assert.deepEqual(first.opened, [0, 0]);

  const second = pushable(someBytes(2_000_000, 'second'));
  it.registry.intercept = (request, response) => {
    if (request.method !== 'PUT') return false;
    // It is stored, and nobody hears of it.
    response.writeHead = () => {
      request.socket.destroy();
      return response;
    };
    return false;
  };
  assert.equal(await it.repository.pushBlob(second.blob), 'pushed');
  assert.deepEqual(second.opened, [0]);
});

test('a registry for which the whole is too large gets chunks, not below the minimum it names', async () => {
  await using it = await setUp((request, response) => {
    if (request.method === 'POST') response.setHeader('oci-chunk-min-length', '400000');
    if (request.method !== 'PATCH' || Number(request.headers['content-length']) <= 800_000) return false;
    response.writeHead(413, { connection: 'close' }).end();
    return true;
  });
  const { blob } = pushable(large);
  assert.equal(await it.repository.pushBlob(blob), 'pushed');
  assert.ok(it.registry.blobs.get(blob.descriptor.digest)?.equals(large));
  const ranges = it.registry.seen
    .filter(({ method, headers }) => method === 'PATCH' && Number(headers['content-length']) <= 800_000)
    .map(({ headers }) => headers['content-range']);
  assert.deepEqual(ranges, ['0-749999', '750000-1499999', '1500000-2249999', '2250000-2999999']);
});

test('what a registry refuses is final, and carries its reason', async () => {
  await using it = await setUp((request, response) => {
    if (request.method !== 'POST') return false;
    refuse(response, 403, 'DENIED', 'requested access to the resource is denied');
    return true;
  });
  await assert.rejects(it.repository.pushBlob(pushable(large).blob), {
    code: 'PermissionDenied',
    reason: 'DENIED',
    message: /^registry 127.*, repository a\/b: the blob sha256:.* was not taken: denied: requested access/,
  });
  assert.deepEqual(it.methods(), ['HEAD', 'POST']);
});

test('a registry that keeps failing is given up, after as many tries as are allowed', async () => {
  for (const status of [500, 503]) {
    await using it = await setUp((request, response) => {
      if (request.method !== 'PATCH') return false;
      request.resume().once('end', () => response.writeHead(status).end());
      return true;
    });
    await assert.rejects(it.repository.pushBlob(pushable(large).blob), {
      code: 'Unavailable',
      message: new RegExp(`repository a/b: the blob .* was not taken: http ${status}`),
    });
    assert.equal(it.methods().filter((method) => method === 'PATCH').length, 5);
  }
});

test('a registry that stops reading is left after a stall', async () => {
  const bytes = someBytes(30_000_000);
  let stalls = 1;
  await using it = await setUp((request) => {
    if (request.method !== 'PATCH' || stalls-- <= 0) return false;
    request.pause();
    return true;
  });
  assert.equal(await it.repository.pushBlob(pushable(bytes).blob), 'pushed');
  assert.ok(it.registry.blobs.get(computeDigest(bytes))?.equals(bytes));
});

test('a source that fails, gives too little or takes its time is told from the network', async () => {
  await using it = await setUp();
  const { blob } = pushable(large);
  const broken = {
    ...blob,
    open: async function* () {
      yield large.subarray(0, 100);
      throw new Error('disk on fire');
    },
  };
  await assert.rejects(it.repository.pushBlob(broken), /disk on fire/);
  const short = {
    ...blob,
    open: async function* () {
      yield large.subarray(0, 100);
    },
  };
  await assert.rejects(it.repository.pushBlob(short), {
    code: 'DataLoss',
    message: /fewer than the 3000000 bytes/,
  });
  const slow = {
    ...blob,
    open: async function* () {
      yield large.subarray(0, 100);
      await sleep(700);
      yield large.subarray(100);
    },
  };
  assert.equal(await it.repository.pushBlob(slow), 'pushed');
});

test('an abort ends an upload, with its reason', async () => {
  await using it = await setUp((request) => request.method === 'PATCH' && request.pause() !== undefined);
  const controller = new AbortController();
  const pushing = it.repository.pushBlob(pushable(someBytes(30_000_000)).blob, { signal: controller.signal });
  const failure = assert.rejects(pushing, /the client went/);
  await sleep(100);
  controller.abort(new Error('the client went'));
  await failure;
  await sleep(50);
  assert.ok(it.registry.openConnections() <= 1);
});
