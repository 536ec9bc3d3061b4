import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { eventually, RunningCommand, sleep } from './harness/command.ts';
import {
  type Fault,
  FaultRegistry,
  largeImage,
  type Phase,
  type RegistryRequest,
} from './harness/fault-registry.ts';
import { SEED, seeded } from './harness/random.ts';
import { useEngine } from './harness/suite.ts';

const LAYER_BYTES = 1 << 20;
/** What may be on its way when a connection is cut. */
const SLACK_BYTES = 64 << 10;

const engine = await useEngine({ port: 'free' });
const entries = (folder: string): string[] => readdirSync(join(engine.dataRoot, folder));
const holdings = () => ({
  blobs: entries('content/blobs/sha256').sort(),
  snapshots: entries('snapshots').sort(),
  ingests: entries('content/ingest'),
  leases: leaseCount(),
});
const before = holdings();

function leaseCount(): number {
  using database = new DatabaseSync(join(engine.dataRoot, 'slipway.db'), { readOnly: true });
  return Number(database.prepare('SELECT count(*) AS count FROM leases').get()?.['count']);
}

/** A registry with an image of its own, under a name that no other test has. */
async function withImage(repository: string) {
  const registry = await FaultRegistry.start();
  const { layerDigests, manifestDigest } = registry.putImage(repository, '1', largeImage(LAYER_BYTES));
  const [large = ''] = layerDigests;
  const blob = registry.blobs.get(large) as Buffer;
  return { registry, repository, large, blob, manifestDigest, name: `${registry.host}/${repository}:1` };
}
type Setting = Awaited<ReturnType<typeof withImage>>;

const only =
  (phase: Phase, fault: Fault) =>
  (request: RegistryRequest): Fault | undefined =>
    request.phase === phase ? fault : undefined;
/** Of the large layer alone. */
const onLarge = (setting: Setting, fault: Fault) => (request: RegistryRequest) =>
  request.target === setting.large ? fault : undefined;
const HTML = {
  status: 200,
  headers: { 'content-type': 'text/html' },
  body: '<html><body>Log in to the network</body></html>',
};

interface Trouble {
  readonly what: string;
  readonly isGuarded?: boolean;
  readonly fault: (setting: Setting) => FaultRegistry['fault'];
  /** What the error says beside registry and repository. */
  readonly says: RegExp;
  /** Bytes of the large layer that the next try does not ask for again. */
  readonly keptBytes?: number;
}

const CUT = /closed the connection|socket hang up/;
const MISMATCH = /sha256:[0-9a-f]{64}.*(not|is|has) sha256:[0-9a-f]{64}/;

const troubles: readonly Trouble[] = [
  {
    what: 'cut before the token',
    isGuarded: true,
    fault: () => only('token', { cutAt: 'once asked' }),
    says: CUT,
  },
  { what: 'cut before the manifest', fault: () => only('manifest', { cutAt: 'once asked' }), says: CUT },
  { what: 'cut within the manifest', fault: () => only('manifest', { cutAt: 50 }), says: CUT },
  { what: 'cut before the configuration', fault: () => only('config', { cutAt: 'once asked' }), says: CUT },
  { what: 'cut within the configuration', fault: () => only('config', { cutAt: 20 }), says: CUT },
  { what: 'cut before a layer', fault: (setting) => onLarge(setting, { cutAt: 'once asked' }), says: CUT },
  { what: 'cut at the first byte of a layer', fault: (setting) => onLarge(setting, { cutAt: 1 }), says: CUT },
  {
    what: 'cut in the middle of a layer',
    fault: (setting) => onLarge(setting, { cutAt: 500_000 }),
    says: /byte 500000 of \d+/,
    keptBytes: 500_000,
  },
  {
    what: 'cut at the last byte of a layer',
    fault: (setting) => onLarge(setting, { cutAt: setting.blob.length - 1 }),
    says: /byte \d+ of \d+/,
    keptBytes: LAYER_BYTES - SLACK_BYTES,
  },
  {
    what: '401 in a loop',
    isGuarded: true,
    fault: ({ registry }) =>
      only('manifest', {
        status: 401,
        headers: { 'www-authenticate': `Bearer realm="http://${registry.host}/token",service="fault"` },
      }),
    says: /pull access denied.*docker login/,
  },
  {
    what: '429 for an hour',
    fault: () => only('manifest', { status: 429, headers: { 'retry-after': 3600 } }),
    says: /toomanyrequests.*try again after 3600/,
  },
  { what: '500 for the manifest', fault: () => only('manifest', { status: 500 }), says: /status 500/ },
  {
    what: '500 for a layer',
    fault: (setting) => onLarge(setting, { status: 500 }),
    says: /blob.*status 500/,
  },
  {
    what: '503 with a page',
    fault: () => only('config', { ...HTML, status: 503 }),
    says: /status 503 with an HTML page/,
  },
  {
    what: 'a layer that is said to be longer',
    fault: (setting) => onLarge(setting, { length: setting.blob.length + 7 }),
    says: /should have \d+ bytes, but the registry sends \d+ bytes/,
  },
  {
    what: 'a layer that is said to be shorter',
    fault: (setting) => onLarge(setting, { length: setting.blob.length - 7 }),
    says: /should have \d+ bytes, but the registry sends \d+ bytes/,
  },
  {
    what: 'another layer of the same length',
    fault: (setting) => onLarge(setting, { bytes: Buffer.alloc(setting.blob.length, 7) }),
    says: MISMATCH,
  },
  {
    what: 'another configuration',
    fault: () => (request) =>
      request.phase === 'config' ? { bytes: Buffer.from('{"os":"linux"}') } : undefined,
    says: /./,
  },
  {
    what: 'another manifest than its digest says',
    fault: () => only('manifest', { bytes: Buffer.from('{"schemaVersion":2}') }),
    says: MISMATCH,
  },
  {
    what: 'a web page for the manifest',
    fault: () => only('manifest', HTML),
    says: /HTML.*is .* a registry\?/,
  },
  { what: 'a web page for a layer', fault: (setting) => onLarge(setting, HTML), says: /HTML/ },
];

/** The pull's error, which the test expects. */
async function failedPull(name: string): Promise<string> {
  const { code, stderr, stdout } = await engine.docker('pull', name);
  assert.notEqual(code, 0, `the pull did not fail: ${stdout}`);
  return stderr;
}

describe('a registry that fails', { concurrency: 12 }, () => {
  // The first, as it takes half a minute, and nothing of the machine.
  test('a registry that falls silent within a layer is asked again for the rest', async () => {
    const { registry, large, blob, name } = await withImage('team/silent');
    await using _ = registry;
    registry.fault = ({ target, start }) =>
      target === large && start === 0 ? { stallAt: 400_000 } : undefined;
    await engine.mustDocker('pull', '-q', name);
    assert.equal(registry.sentBytes.get(large), blob.length);
  });

  for (const { what, isGuarded = false, fault, says, keptBytes = 0 } of troubles) {
    test(`${what}: the error names registry, repository and cause, and the next try succeeds`, async () => {
      const setting = await withImage(`team/${what.replace(/\W+/g, '-').toLowerCase()}`);
      await using registry = setting.registry;
      registry.isGuarded = isGuarded;
      registry.fault = fault(setting);
      const error = await failedPull(setting.name);
      assert.match(error, says);
      for (const word of [registry.host, setting.repository]) assert.ok(error.includes(word), error);
      assert.doesNotMatch(error, /undefined|TypeError|token-that/, error);
      assert.equal((await engine.api({ path: '/_ping' })).status, 200);
      assert.notEqual((await engine.docker('image', 'inspect', setting.name)).code, 0);
      registry.fault = () => undefined;
      const asked = registry.requests.length;
      assert.ok(asked <= 15, `asked ${asked} times in vain`);
      await engine.mustDocker('pull', '-q', setting.name);
      const again = registry.requests.slice(asked).filter(({ target }) => target === setting.large);
      if (keptBytes > 0) assert.ok((again[0]?.start ?? 0) >= keptBytes, JSON.stringify(again));
      else assert.ok(again.length <= 1, JSON.stringify(again));
    });
  }

  test('cut again and again, each time a little further: it gets there, and no byte is sent twice', async () => {
    const { registry, large, blob, name } = await withImage('team/further');
    await using _ = registry;
    registry.fault = ({ target, start }) =>
      target === large && start + 200_000 < blob.length ? { cutAt: start + 200_000 } : undefined;
    await engine.mustDocker('pull', '-q', name);
    assert.ok(registry.readsOf(large) >= 5);
    assert.equal(registry.sentBytes.get(large), blob.length);
  });

  test('429 and 503 that pass are waited for, as long as the registry says', async () => {
    const { registry, name } = await withImage('team/passing');
    await using _ = registry;
    const asked = new Map<string, number[]>();
    registry.fault = ({ phase, target }) => {
      const times = asked.get(target) ?? [];
      asked.set(target, [...times, performance.now()]);
      if (times.length > 0) return undefined;
      return phase === 'layer' ? { status: 503 } : { status: 429, headers: { 'retry-after': 2 } };
    };
    await engine.mustDocker('pull', '-q', name);
    const [first = 0, second = 0] = asked.get('1') ?? [];
    assert.ok(second - first >= 1_900, `asked again after ${second - first} ms`);
  });

  test('a blob that another host has: the token stays with the first', async () => {
    const { registry, large, blob, name } = await withImage('team/elsewhere');
    await using _ = registry;
    await using storage = await FaultRegistry.start();
    storage.putBlob(blob, 'application/octet-stream');
    registry.isGuarded = true;
    registry.fault = ({ target, authorization }) =>
      target === large && authorization !== undefined
        ? { status: 307, headers: { location: `http://${storage.host}/v2/any/blobs/${large}?signed=by-it` } }
        : undefined;
    storage.fault = ({ start }) => (start === 0 ? { cutAt: 300_000 } : undefined);
    await engine.mustDocker('pull', '-q', name);
    assert.ok(registry.requests.some(({ authorization }) => authorization?.startsWith('Bearer token-')));
    assert.deepEqual(
      storage.requests.map(({ target, authorization, start }) => [target, authorization, start]),
      [
        [large, undefined, 0],
        [large, undefined, 300_000],
      ],
    );
    assert.ok(!engine.log.includes('token-that'), 'the token is in the log');
  });
});

describe('pulls side by side', () => {
  test('50 at once fetch each blob once, and all succeed', async () => {
    const { registry, name, large } = await withImage('team/popular');
    await using _ = registry;
    const path = `/images/create?fromImage=${encodeURIComponent(name)}`;
    const answers = await Promise.all(Array.from({ length: 50 }, () => engine.api({ method: 'POST', path })));
    for (const { status, text } of answers) {
      assert.equal(status, 200);
      assert.match(text, /Status: (Downloaded newer image|Image is up to date)/);
      assert.doesNotMatch(text, /"error"/);
    }
    const reads = registry.requests.filter(
      ({ phase, method }) => method === 'GET' && /config|layer/.test(phase),
    );
    assert.equal(reads.length, 3, JSON.stringify(reads));
    assert.equal(registry.readsOf(large), 1);
  });

  test('under 20 names at once, with one manifest, each blob comes once', async () => {
    const { registry, name, large } = await withImage('team/names');
    await using _ = registry;
    const manifest = registry.manifests.get('team/names:1');
    const names = Array.from({ length: 20 }, (_each, index) => `tag-${index}`);
    for (const tag of names) registry.manifests.set(`team/names:${tag}`, manifest as never);
    const answers = await Promise.all(
      names.map((tag) =>
        engine.api({
          method: 'POST',
          path: `/images/create?fromImage=${encodeURIComponent(name.replace(/:1$/, ''))}&tag=${tag}`,
        }),
      ),
    );
    for (const { text } of answers) assert.match(text, /Status: Downloaded newer image/);
    assert.equal(registry.readsOf(large), 1);
  });
});

describe('clients that go away', () => {
  const pathOf = (name: string) => `/v1.45/images/create?fromImage=${encodeURIComponent(name)}`;
  const curl = (name: string) => {
    const url = `http://docker${pathOf(name)}`;
    return new RunningCommand(['curl', '-sN', '-X', 'POST', '--unix-socket', engine.socketPath, url]);
  };

  test('a download ends with the last client that waits for it, not before', async () => {
    const { registry, large, blob, name } = await withImage('team/left');
    await using _ = registry;
    registry.fault = ({ target }) => (target === large ? { stallAt: 700_000 } : undefined);
    await using one = curl(name);
    await one.waitForOutput(/Downloading/);
    await using two = curl(name);
    await two.waitForOutput(/Downloading/);
    one.child.kill('SIGKILL');
    await one.result;
    await sleep(300);
    assert.equal(registry.pending, 1, 'the download ended under the one who waits');
    two.child.kill('SIGKILL');
    await eventually('the download ends', () => registry.pending === 0);
    registry.fault = () => undefined;
    await engine.mustDocker('pull', '-q', name);
    assert.equal(registry.readsOf(large), 2);
    assert.equal(registry.sentBytes.get(large), blob.length, 'what had come was fetched again');
  });

  test('20 pulls of 4 images with clients that go at any moment: the others get theirs, nothing is left', async () => {
    const random = seeded(SEED);
    const settings = await Promise.all([1, 2, 3, 4].map((number) => withImage(`team/random-${number}`)));
    for (const { registry, large } of settings)
      registry.fault = ({ target }) => (target === large ? { pauseMs: 400 } : undefined);
    const ended = await Promise.all(
      Array.from({ length: 20 }, async (_each, index) => {
        const { name } = settings[index % 4] as Setting;
        await using client = curl(name);
        // Of one image all go.
        const stays = index % 4 > 0 && random() < 0.4;
        await sleep(random() * 700);
        if (stays) return await client.result;
        client.child.kill('SIGKILL');
        return undefined;
      }),
    );
    for (const result of ended) {
      if (result !== undefined) assert.match(result.stdout, /Status: /, `with SLIPWAY_TEST_SEED=${SEED}`);
    }
    for (const { registry } of settings)
      await eventually('no download goes on', () => registry.pending === 0);
    for (const { registry, name, large, blob } of settings) {
      await engine.mustDocker('pull', '-q', name);
      const sent = registry.sentBytes.get(large) ?? 0;
      assert.ok(sent < 3 * blob.length, `${sent} bytes sent of ${blob.length}`);
      await registry[Symbol.asyncDispose]();
    }
  });
});

test('with the images goes all that the pulls left', async () => {
  const ids = (await engine.mustDocker('images', '-q', '--filter', 'reference=127.0.0.1*/*/*')).split('\n');
  assert.ok(ids.length > 20, String(ids));
  await engine.mustDocker('rmi', '-f', ...new Set(ids));
  await eventually('nothing is left', () => isDeepStrictEqual(holdings(), before)).catch(() =>
    assert.deepEqual(holdings(), before),
  );
});
