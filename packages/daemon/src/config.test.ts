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

test('the help names every option', () => {
  for (const { name } of OPTION_ROWS) assert.match(helpText(), new RegExp(`--${name}\\b`));
});
