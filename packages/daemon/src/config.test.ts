import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseFlags } from './arguments.ts';
import { loadConfig } from './config.ts';
import { helpText, OPTION_ROWS } from './options.ts';

const folder = mkdtempSync(join(tmpdir(), 'slipway-config-'));
process.once('exit', () => rmSync(folder, { recursive: true }));

function file(value: unknown): string {
  const path = join(folder, 'daemon.json');
  writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value));
  return path;
}

const load = (flags: string[], env: Record<string, string> = {}) => loadConfig(parseFlags(flags), env);

test('nothing said gives the defaults', () => {
  const config = load([]);
  assert.equal(config.dataRoot, '/var/lib/slipway');
  assert.equal(config.socketPath, '/run/slipway/docker.sock');
  assert.equal(config.logMaxSizeBytes, 20 * 1024 * 1024);
  assert.ok(Object.isFrozen(config));
});

test('a flag goes before a variable, a variable before the file, the file before the default', () => {
  const config = load(
    ['--bridge', 'flag0', '--config', file({ bridge: 'file0', 'data-root': '/file', 'log-level': 'warn' })],
    {
      SLIPWAY_BRIDGE: 'env0',
      SLIPWAY_DATA_ROOT: '/env',
    },
  );
  assert.deepEqual([config.bridgeName, config.dataRoot, config.logLevel], ['flag0', '/env', 'warn']);
});

test('the socket is in the run root unless it is named, by --socket or as dockerd takes it', () => {
  assert.equal(load(['--run-root', '/r']).socketPath, '/r/docker.sock');
  assert.equal(load(['--socket=/s']).socketPath, '/s');
  assert.equal(load(['-H', 'unix:///h']).socketPath, '/h');
  assert.equal(load(['-H', 'unix:///h'], { SLIPWAY_SOCKET: '/env' }).socketPath, '/h');
  assert.throws(() => load(['-H', 'tcp://0.0.0.0:2375']), /--host: .*unix:\/\/PATH/);
});

test('repeated flags and comma-separated variables are lists', () => {
  assert.deepEqual(load(['--dns', '1.1.1.1', '--dns=9.9.9.9']).dns, ['1.1.1.1', '9.9.9.9']);
  assert.deepEqual(load([], { SLIPWAY_DNS: '1.1.1.1,9.9.9.9' }).dns, ['1.1.1.1', '9.9.9.9']);
  assert.deepEqual(load(['--runtime', 'runsc=/usr/bin/runsc']).runtimes, {
    runsc: { path: '/usr/bin/runsc' },
  });
});

test('what functions may ask for is Lambda’s unless it is said', () => {
  const { codeRoot, limits } = load([]).functions;
  assert.equal(codeRoot, undefined);
  assert.deepEqual(
    [limits.timeoutSeconds, limits.memoryMb, limits.environmentBytes, limits.zipBytes, limits.unzippedBytes],
    [900, 10_240, 4_096, 52_428_800, 262_144_000],
  );
  const raised = load([
    '--function-timeout',
    '86400',
    '--function-package',
    '1g',
    '--function-code-root',
    '/objects',
  ]);
  assert.deepEqual(
    [raised.functions.limits.timeoutSeconds, raised.functions.limits.zipBytes, raised.functions.codeRoot],
    [86_400, 1024 ** 3, '/objects'],
  );
  assert.throws(() => load(['--function-timeout', '0']), /--function-timeout/);
});

test('sizes have units, and 0 turns rotation off', () => {
  assert.equal(load(['--log-max-size', '512k']).logMaxSizeBytes, 512 * 1024);
  assert.equal(load(['--log-max-size', '1g']).logMaxSizeBytes, 1024 ** 3);
  assert.equal(load(['--log-max-size', '0']).logMaxSizeBytes, undefined);
});

test('an unknown flag is refused with the nearest one', () => {
  assert.throws(() => load(['--dataroot', '/x']), {
    message: 'unknown option --dataroot; did you mean --data-root?',
  });
  assert.throws(() => load(['--frobnicate']), { message: /slipwayd --help lists them/ });
  assert.throws(() => load(['extra']), { message: /takes no arguments.*"extra"/ });
  assert.throws(() => load(['--data-root']), { message: '--data-root needs a value: --data-root DIR' });
  assert.throws(() => load(['--data-root', '--port']), { message: /needs a value/ });
});

test('a bad value is refused, naming where it was written', () => {
  assert.throws(() => load(['--port', '70000']), { message: /^--port: "70000": must be a whole number/ });
  assert.throws(() => load([], { SLIPWAY_LOG_LEVEL: 'loud' }), { message: /^SLIPWAY_LOG_LEVEL: "loud"/ });
  assert.throws(() => load(['--config', file({ dns: ['x'] })]), {
    message: /^"dns" in the settings file: \["x"\]/,
  });
  assert.throws(() => load(['--config', file({ dnss: [] })]), { message: /knows no "dnss"/ });
  assert.throws(() => load(['--config', file('{')]), { message: /is not JSON/ });
  assert.throws(() => load(['--config', file('[]')]), { message: /must hold one JSON object/ });
  assert.throws(() => load(['--config', join(folder, 'none.json')]), { code: 'NotFound' });
  assert.throws(() => load(['--bridge', 'much-too-long-a-name']), { message: /interface name/ });
});

test('the port is 4566 unless it is named, and the daemon knows which', () => {
  assert.deepEqual([load([]).port, load([]).isPortAsked], [4566, false]);
  assert.deepEqual([load(['--port', '4566']).isPortAsked, load([], { SLIPWAY_PORT: '0' }).port], [true, 0]);
});

test('mirrors are Docker Hub’s unless a host is named, in the order in which they were given', () => {
  const flags = [
    '--registry-mirror',
    'https://m.example/',
    '--registry-mirror=reg.x:5000=http://10.0.0.1:5001/hub',
  ];
  assert.deepEqual(load(flags).registryMirrors, [
    { domain: 'docker.io', url: 'https://m.example' },
    { domain: 'reg.x:5000', url: 'http://10.0.0.1:5001/hub' },
  ]);
  for (const bad of ['m.example', 'ftp://m', 'https://m?x=1', 'a b=https://m', 'https://u:secret@m']) {
    assert.throws(() => load(['--registry-mirror', bad]), {
      message: /^(?!.*secret)--registry-mirror: .*\[HOST=\]URL/,
    });
  }
});

test('insecure registries are hosts or networks', () => {
  const named = ['reg.x', 'reg.x:5000', '10.0.0.0/8', '[::1]:5000', 'fd00::/8'];
  assert.deepEqual(load([], { SLIPWAY_INSECURE_REGISTRY: named.join(',') }).insecureRegistries, named);
  for (const bad of ['http://reg.x', '10.0.0.0/33', 'reg/8', '']) {
    assert.throws(() => load(['--insecure-registry', bad]), { message: /^--insecure-registry: .*HOST:PORT/ });
  }
});

test('the registry’s settings: a pull-through cache keeps its password to itself', () => {
  assert.deepEqual(load([]).registry, {
    anonymousPull: false,
    isReadOnly: false,
    immutableTags: false,
    defaultQuotaBytes: undefined,
    gcIntervalMs: 3_600_000,
    upstreams: [],
  });
  const flags = [
    '--registry-proxy',
    'hub=https://ada:s%3Aecret@registry-1.docker.io',
    '--registry-proxy=http://up:5000/',
  ];
  const switches = ['--registry-anonymous-pull', '--registry-read-only', '--registry-immutable-tags'];
  const sizes = ['--registry-quota', '2t', '--registry-gc-interval', '0'];
  assert.deepEqual(load([...flags, ...switches, ...sizes]).registry, {
    anonymousPull: true,
    isReadOnly: true,
    immutableTags: true,
    defaultQuotaBytes: 2 * 1024 ** 4,
    gcIntervalMs: 0,
    upstreams: [
      {
        prefix: 'hub',
        url: 'https://registry-1.docker.io',
        credentials: { username: 'ada', password: 's:ecret' },
      },
      { prefix: '', url: 'http://up:5000' },
    ],
  });
  assert.throws(() => load(['--registry-proxy', 'Hub=https://ada:secret@up']), {
    message: /^(?!.*secret)--registry-proxy: .*\[PREFIX=\]URL/,
  });
});

test('prices are AWS’s unless a whole table of others is named', () => {
  assert.equal(load([]).functions.usage.prices.currency, 'USD');
  const table = {
    currency: 'EUR',
    perRequest: 0,
    perGbSecond: 1,
    perProvisionedGbSecond: 2,
    perKeptGbSecond: 3,
  };
  assert.deepEqual(load(['--function-prices', file(table)]).functions.usage.prices, table);
  assert.throws(() => load(['--function-prices', file({ currency: 'EUR' })]), /function-prices.*perRequest/s);
  assert.throws(() => load(['--function-prices', '/none']), /function-prices.*ENOENT/s);
});

test('proxies are those of the environment, in both cases', () => {
  const env = { HTTPS_PROXY: 'http://p:1', no_proxy: 'localhost', HTTP_PROXY: '' };
  assert.deepEqual(load([], env).proxyEnv, { HTTPS_PROXY: 'http://p:1', no_proxy: 'localhost' });
});

test('the help names every option', () => {
  for (const { name } of OPTION_ROWS) assert.match(helpText(), new RegExp(`--${name}\\b`));
});
