import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from './harness/command.ts';
import { type DockerRegistry, startDockerRegistry } from './harness/docker-registry.ts';
import { FaultProxy, type ProxiedRequest, type ProxyFault } from './harness/fault-proxy.ts';
import { digestOf, FaultRegistry, largeImage } from './harness/fault-registry.ts';
import { without } from './harness/peers.ts';
import { useEngine } from './harness/suite.ts';

const LAYER_BYTES = 3 << 20;

const missing = without('dockerRegistry');
const engine = await useEngine({ port: 'free' });
let behind: DockerRegistry;

before(async () => {
  if (missing !== false) return;
  behind = await startDockerRegistry();
  await using source = await FaultRegistry.start();
  source.putImage('local/app', '1', largeImage(LAYER_BYTES));
  await engine.mustDocker('pull', '-q', `${source.host}/local/app:1`);
  await engine.mustDocker('tag', `${source.host}/local/app:1`, 'app');
  await engine.mustDocker('rmi', `${source.host}/local/app:1`);
});
after(async () => await behind?.[Symbol.asyncDispose]());

/** Every blob of what was pushed is in the registry, and is what its digest says. */
async function assertWhole(host: string, repository: string): Promise<void> {
  const accept =
    'application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json';
  const found = await fetch(`http://${host}/v2/${repository}/manifests/1`, { headers: { accept } });
  assert.equal(found.status, 200);
  const { config, layers } = (await found.json()) as {
    config: { digest: string };
    layers: { digest: string }[];
  };
  assert.equal(layers.length, 2);
  for (const { digest } of [config, ...layers]) {
    const blob = await fetch(`http://${host}/v2/${repository}/blobs/${digest}`);
    assert.equal(digestOf(await blob.bytes()), digest);
  }
}

const isUpload = ({ method, path }: ProxiedRequest, ...methods: string[]) =>
  methods.includes(method) && path.includes('/blobs/uploads/');
const onStart = (fault: ProxyFault) => (request: ProxiedRequest) =>
  isUpload(request, 'POST') ? fault : undefined;
const onSend = (fault: ProxyFault) => (request: ProxiedRequest) =>
  isUpload(request, 'PATCH', 'PUT') ? fault : undefined;
const onManifest =
  (fault: ProxyFault) =>
  ({ method, path }: ProxiedRequest) =>
    method === 'PUT' && path.includes('/manifests/') ? fault : undefined;
const json = (code: string, message: string) => ({
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ errors: [{ code, message }] }),
});

const CUT = /closed the connection|socket hang up|ECONNRESET|EPIPE/;

interface Trouble {
  readonly what: string;
  readonly fault: FaultProxy['fault'];
  readonly says: RegExp;
}

const troubles: readonly Trouble[] = [
  { what: 'cut when an upload starts', fault: onStart({ cutAfterBytes: 0 }), says: CUT },
  { what: '500 when an upload starts', fault: onStart({ status: 500 }), says: /status 500/ },
  {
    what: '429 for an hour',
    fault: onStart({ status: 429, headers: { 'retry-after': 3600 } }),
    says: /toomanyrequests.*try again after 3600/,
  },
  {
    what: '401 in a loop',
    fault: onStart({ status: 401, headers: { 'www-authenticate': 'Basic realm="nobody"' } }),
    says: /push access denied/,
  },
  {
    what: 'a repository that may only be read',
    fault: onStart({ status: 403, ...json('DENIED', 'read only') }),
    says: /push access denied.*read only/,
  },
  { what: 'cut within a layer', fault: onSend({ cutAfterBytes: 700_000 }), says: CUT },
  { what: '500 for a layer', fault: onSend({ status: 500 }), says: /status 500/ },
  {
    what: 'a disk that is full over there',
    fault: onSend({ status: 507, ...json('UNKNOWN', 'no space left over there') }),
    says: /no space left over there/,
  },
  {
    what: 'a web page for a layer',
    fault: onSend({ status: 200, headers: { 'content-type': 'text/html' }, body: '<html>Log in</html>' }),
    says: /HTML|status 200/,
  },
  { what: 'cut before the manifest', fault: onManifest({ cutAfterBytes: 0 }), says: CUT },
  {
    what: 'a manifest that is refused',
    fault: onManifest({ status: 400, ...json('MANIFEST_INVALID', 'no such manifest here') }),
    says: /manifest invalid: no such manifest here/,
  },
];

describe('a registry that fails while it is pushed to', { skip: missing, concurrency: 12 }, () => {
  for (const { what, fault, says } of troubles) {
    test(`${what}: the error names registry, repository and cause, and the next push succeeds`, async () => {
      await using proxy = await FaultProxy.start(behind.host);
      const repository = `push/${what.replace(/\W+/g, '-').toLowerCase()}`;
      const name = `${proxy.host}/${repository}:1`;
      await engine.mustDocker('tag', 'app', name);
      proxy.fault = fault;
      const { code, stderr } = await engine.docker('push', name);
      assert.notEqual(code, 0, 'the push did not fail');
      assert.match(stderr, says);
      for (const word of [proxy.host, repository]) assert.ok(stderr.includes(word), stderr);
      assert.doesNotMatch(stderr, /undefined|TypeError/);
      assert.ok(proxy.requests.length < 60, `asked ${proxy.requests.length} times in vain`);
      proxy.fault = () => undefined;
      await engine.mustDocker('push', name);
      await assertWhole(behind.host, repository);
      await engine.mustDocker('rmi', name);
    });
  }

  test('cut once within every layer, and an answer lost: the push gets through by itself', async () => {
    await using proxy = await FaultProxy.start(behind.host);
    const name = `${proxy.host}/push/once:1`;
    await engine.mustDocker('tag', 'app', name);
    const cut = new Set<string>();
    proxy.fault = (asked) => {
      const kind = `${asked.method} ${asked.path.includes('/manifests/') ? 'manifest' : asked.path.slice(0, 60)}`;
      if (asked.method === 'HEAD' || asked.method === 'GET' || cut.has(kind)) return undefined;
      cut.add(kind);
      return asked.method === 'PUT' ? 'lose the answer' : { cutAfterBytes: 1_000 };
    };
    await engine.mustDocker('push', name);
    await assertWhole(behind.host, 'push/once');
    await engine.mustDocker('rmi', name);
  });
});

/** Runs until the progress matches, and kills the daemon then. */
async function killWithin(path: string, pattern: RegExp): Promise<void> {
  const outgoing = request({ socketPath: engine.socketPath, method: 'POST', path, agent: false });
  outgoing.setHeader('x-registry-auth', Buffer.from('{}').toString('base64'));
  outgoing.on('error', () => {});
  const killed = Promise.withResolvers<void>();
  outgoing.once('response', (response) => {
    response.on('error', () => {});
    let told = '';
    let isTold = false;
    response.on('data', (chunk) => {
      told += chunk;
      if (isTold || !pattern.test(told)) return;
      isTold = true;
      engine.kill().then(killed.resolve, killed.reject);
    });
    response.once('end', () => {
      if (!isTold) killed.reject(new Error(`it ended without ${pattern}: ${told}`));
    });
  });
  outgoing.end();
  await killed.promise;
}

describe('kill -9', { skip: missing }, () => {
  test('within a pull: the next one goes on with what had come', async () => {
    await using source = await FaultRegistry.start();
    const { layerDigests } = source.putImage('local/killed', '1', largeImage(6 << 20));
    const large = layerDigests[0] as string;
    source.fault = ({ target, start }) =>
      target === large && start === 0 ? { stallAt: 5 << 20 } : undefined;
    const name = `${source.host}/local/killed`;
    const folder = join(engine.dataRoot, 'content/ingest');
    const pulling = engine.docker('pull', `${name}:1`);
    const sizes = () => readdirSync(folder).map((file) => statSync(join(folder, file)).size);
    await eventually('most of it is on disk', () => Math.max(0, ...sizes()) >= 4 << 20);
    await engine.kill();
    await pulling;
    await engine.start();
    await engine.mustDocker('pull', '-q', `${name}:1`);
    const again = source.requests.filter(({ target, start }) => target === large && start > 0);
    assert.equal(again.length, 1, JSON.stringify(source.requests));
    assert.ok((again[0]?.start ?? 0) >= 4 << 20, JSON.stringify(again));
    await engine.mustDocker('rmi', `${name}:1`);
  });

  test('within a push to docker-registry: the next one gets all there', async () => {
    await using proxy = await FaultProxy.start(behind.host);
    const name = `${proxy.host}/push/killed`;
    await engine.mustDocker('tag', 'app', `${name}:1`);
    await killWithin(`/images/${name}/push?tag=1`, /Pushing/);
    await engine.start();
    assert.equal((await fetch(`http://${behind.host}/v2/push/killed/manifests/1`)).status, 404);
    await engine.mustDocker('push', `${name}:1`);
    await assertWhole(behind.host, 'push/killed');
    await engine.mustDocker('rmi', `${name}:1`);
  });

  test('straight after a push into our own registry was told to be done: all of it is there', async () => {
    for (const round of [1, 2, 3]) {
      const repository = `own/app-${round}`;
      const name = `127.0.0.1:${engine.port}/${repository}`;
      await engine.mustDocker('tag', 'app', `${name}:1`);
      await killWithin(`/images/${name}/push?tag=1`, /1: digest: sha256:[0-9a-f]{64}/);
      await engine.start();
      await assertWhole(`127.0.0.1:${engine.port}`, repository);
    }
  });

  test('within pushes into our own registry: the next push finds nothing broken', async () => {
    const name = `127.0.0.1:${engine.port}/own/broken`;
    await engine.mustDocker('tag', 'app', `${name}:1`);
    await killWithin(`/images/${name}/push?tag=1`, /Preparing|Waiting|The push refers/);
    await engine.start();
    await engine.mustDocker('push', `${name}:1`);
    await assertWhole(`127.0.0.1:${engine.port}`, 'own/broken');
  });

  test('nothing of all that is left half done', async () => {
    const folder = join(engine.dataRoot, 'content/ingest');
    await eventually('no ingest is left', () => readdirSync(folder).length === 0).catch(() =>
      assert.deepEqual(readdirSync(folder), []),
    );
  });
});
