import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type HostPath, hostPath, isSlipwayError } from '@slipway/base';
import { FileReceiver, type FileStat } from './file-receiver.ts';
import { toGoMode } from './go-mode.ts';

const root = mkdtempSync(join(tmpdir(), 'slipway-receiver-'));
after(() => rmSync(root, { recursive: true }));

let folders = 0;
function newFolder(): HostPath {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  return hostPath(folder);
}

const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const stat = (path: string, fields: Partial<FileStat> & { mode: number }): FileStat => ({
  path,
  ...owner,
  size: 0,
  modTime: Number(1_700_000_000_123_456_789n),
  linkname: '',
  ...fields,
});
const file = (path: string, size: number, permissions = 0o644): FileStat =>
  stat(path, { mode: toGoMode('file', permissions), size });
const directory = (path: string): FileStat => stat(path, { mode: toGoMode('directory', 0o755) });
const symlink = (path: string, linkname: string): FileStat =>
  stat(path, { mode: toGoMode('symlink', 0o777), linkname });

/** Takes what a client has; `contents` are the bytes of the files. Returns the paths that were asked for. */
function receive(
  folder: HostPath,
  stats: readonly FileStat[],
  contents: Readonly<Record<string, string>>,
): string[] {
  using receiver = new FileReceiver(folder);
  const asked: string[] = [];
  for (const told of stats) {
    const id = receiver.take(told);
    if (id === undefined) continue;
    asked.push(told.path);
    const content = contents[told.path];
    if (content !== undefined) receiver.write(id, Buffer.from(content));
    receiver.write(id, Buffer.alloc(0));
  }
  receiver.finish();
  return asked;
}

test('files, folders and links come as they are told', () => {
  const folder = newFolder();
  const told = [directory('d'), file('d/f', 4, 0o4750), symlink('d/l', '/etc/passwd'), file('empty', 0)];
  const hardLink = stat('d/same', { mode: toGoMode('file', 0o4750), size: 4, linkname: 'd/f' });
  receive(folder, [...told, hardLink], { 'd/f': 'text' });
  assert.equal(readFileSync(join(folder, 'd/f'), 'utf8'), 'text');
  assert.equal(statSync(join(folder, 'd/f')).mode & 0o7777, 0o4750);
  assert.equal(Math.round(statSync(join(folder, 'd')).mtimeMs), 1_700_000_000_123);
  assert.equal(readlinkSync(join(folder, 'd/l')), '/etc/passwd');
  assert.equal(statSync(join(folder, 'd/same')).ino, statSync(join(folder, 'd/f')).ino);
  assert.equal(readFileSync(join(folder, 'empty'), 'utf8'), '');
});

test('only what differs is asked for again, and what is no longer told goes', () => {
  const folder = newFolder();
  const before = [
    directory('d'),
    file('d/gone', 1),
    file('d/kept', 4),
    file('turned', 1),
    symlink('was', 'x'),
  ];
  receive(folder, before, { 'd/gone': 'g', 'd/kept': 'kept', turned: 't' });
  const now = [directory('d'), file('d/kept', 4), directory('turned'), file('turned/in', 2), file('was', 3)];
  assert.deepEqual(receive(folder, now, { 'turned/in': 'in', was: 'now' }), ['turned/in', 'was']);
  assert.ok(!existsSync(join(folder, 'd/gone')));
  assert.equal(readFileSync(join(folder, 'turned/in'), 'utf8'), 'in');
  assert.ok(lstatSync(join(folder, 'was')).isFile());
  assert.deepEqual(receive(folder, now, {}), []);
  assert.deepEqual(receive(folder, [...now.slice(0, 1), file('d/kept', 4, 0o600), ...now.slice(2)], {}), [
    'd/kept',
  ]);
});

test('no path leads out of the folder', () => {
  const outside = newFolder();
  writeFileSync(join(outside, 'f'), 'safe');
  const refused = (error: unknown) => isSlipwayError(error, 'InvalidArgument');
  for (const path of ['../f', '/f', 'd/../../f', '', '.', 'a//b', 'a\0b']) {
    assert.throws(() => receive(newFolder(), [directory('d'), file(path, 1)], {}), refused, path);
  }
  // Through a link that the client sends before.
  assert.throws(() => receive(newFolder(), [symlink('l', outside), file('l/f', 1)], {}), refused);
  // Through one that an earlier build left.
  const folder = newFolder();
  symlinkSync(outside, join(folder, 'd'));
  receive(folder, [directory('d'), file('d/f', 3)], { 'd/f': 'new' });
  assert.ok(lstatSync(join(folder, 'd')).isDirectory());
  assert.equal(readFileSync(join(outside, 'f'), 'utf8'), 'safe');
  // A hard link to what is outside.
  const link = stat('h', { mode: toGoMode('file', 0o644), linkname: '../0/d/f' });
  assert.throws(() => receive(newFolder(), [link], {}), refused);
});

test('data that nobody asked for is refused', () => {
  using receiver = new FileReceiver(newFolder());
  assert.throws(() => receiver.write(0, Buffer.from('x')), /data of file 0, which was not asked for/);
});
