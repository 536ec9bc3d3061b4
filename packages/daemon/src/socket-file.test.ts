import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hostPath } from '@slipway/base';
import { lockRoot } from './root-lock.ts';
import { clearSocketPath, protectSocket } from './socket-file.ts';

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-daemon-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

test('a socket that somebody answers on is left alone', async (t) => {
  const path = hostPath(join(folderOf(t), 's.sock'));
  const server = createServer((socket) => socket.end()).listen(path);
  await once(server, 'listening');
  await assert.rejects(clearSocketPath(path), { code: 'Conflict', message: /another program listens/ });
  assert.ok(existsSync(path));
  server.close();
});

test('a socket that a dead daemon left is removed', async (t) => {
  const folder = folderOf(t);
  const path = hostPath(join(folder, 's.sock'));
  const { spawnSync } = await import('node:child_process');
  spawnSync(process.execPath, [
    '-e',
    `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`,
  ]);
  assert.ok(existsSync(path));
  await clearSocketPath(path);
  assert.ok(!existsSync(path));
});

test('a file that is no socket is never removed', async (t) => {
  const path = hostPath(join(folderOf(t), 'precious'));
  writeFileSync(path, 'data');
  await assert.rejects(clearSocketPath(path), { code: 'Conflict', message: /is not a socket/ });
  assert.ok(existsSync(path));
});

test('a path that does not fit into an address is refused before it is bound', async () => {
  await assert.rejects(clearSocketPath(hostPath(`/tmp/${'x'.repeat(120)}`)), { code: 'InvalidArgument' });
});

test('nobody but root and the group may use the socket', async (t) => {
  const path = hostPath(join(folderOf(t), 's.sock'));
  const server = createServer().listen(path);
  await once(server, 'listening');
  protectSocket(path, 'no-such-group');
  assert.equal(statSync(path).mode & 0o777, 0o660);
  server.close();
});

test('a root has one daemon; the lock goes with its holder', (t) => {
  const root = hostPath(folderOf(t));
  const first = lockRoot(root, 4711);
  assert.throws(() => lockRoot(root, 4712), {
    code: 'Conflict',
    message: /another slipwayd \(pid 4711\) uses/,
  });
  first[Symbol.dispose]();
  lockRoot(root, 4712)[Symbol.dispose]();
});
