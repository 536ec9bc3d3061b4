import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { isSlipwayError } from '@slipway/base';
import fc from 'fast-check';
import { mountImage, proveImages } from '../erofs/mount-image.ts';
import type { LayerForm } from '../snapshots/snapshots.ts';
import { lgetxattr, llistxattr } from '../syscalls.ts';
import { formatTarHeader, type NewTarEntry, TAR_END, tarPadding } from '../tar/writer.ts';
import { applyLayer, CONTROL_BYTES } from './apply-layer.ts';

const START_MS = Date.now() - 1000;

interface Applied {
  readonly form: LayerForm;
  readonly inodes: number;
  readonly files: Record<string, SeenFile>;
}

interface SeenFile {
  readonly [fact: string]: unknown;
  /** Undefined where the unpacking itself was the last change. */
  readonly mtimeNs: bigint | undefined;
}

/** The layer's files as they come out; the error when it is refused. */
function applied(blob: Buffer, form: LayerForm, folder: string, hashesPlain = false): Applied | Error {
  mkdirSync(join(folder, 'fs'), { recursive: true });
  writeFileSync(join(folder, 'blob'), blob);
  const fd = openSync(join(folder, 'blob'), 'r');
  const open = [fd];
  try {
    const control = new SharedArrayBuffer(CONTROL_BYTES);
    const job = { fd, watermark: undefined, folder, form, diffId: undefined, hashesPlain, control };
    const { form: became, usage } = applyLayer(job);
    let path = join(folder, 'fs');
    if (became === 'image') {
      const image = mountImage(folder);
      open.push(image.fd);
      path = image.path;
    }
    return { form: became, inodes: usage.inodes, files: describe(path) };
  } catch (error) {
    assert.ok(isSlipwayError(error), String(error));
    return error;
  } finally {
    for (const one of open) closeSync(one);
  }
}

/** Everything that a program can see of a tree. */
function describe(root: string): Record<string, SeenFile> {
  const files: Record<string, SeenFile> = {};
  const firstNames = new Map<bigint, string>();
  const visit = (name: string) => {
    const path = Buffer.from(`${root}/${name === '' ? '.' : name}`, 'latin1');
    const stats = lstatSync(path, { bigint: true });
    const first = firstNames.get(stats.ino) ?? name;
    firstNames.set(stats.ino, first);
    files[name] = {
      mode: stats.mode.toString(8),
      owner: [stats.uid, stats.gid],
      rdev: stats.rdev,
      sameAs: first,
      links: stats.isDirectory() ? undefined : stats.nlink,
      mtimeNs: stats.mtimeMs >= START_MS ? undefined : stats.mtimeNs,
      content: stats.isFile()
        ? readFileSync(path).toString('latin1')
        : stats.isSymbolicLink()
          ? readlinkSync(path, 'latin1')
          : undefined,
      xattrs: llistxattr(path)
        .sort()
        .map((key) => [key, lgetxattr(path, key)?.toString('latin1')]),
    };
    if (!stats.isDirectory()) return;
    for (const child of readdirSync(path, 'latin1').sort()) visit(name === '' ? child : `${name}/${child}`);
  };
  visit('');
  return files;
}

interface Entry extends NewTarEntry {
  readonly body?: string;
}

const archive = (entries: readonly Entry[]): Buffer =>
  Buffer.concat([
    ...entries.flatMap(({ body = '', ...entry }) => {
      const bytes = Buffer.from(entry.type === undefined ? body : '');
      return [formatTarHeader({ ...entry, sizeBytes: bytes.length }), bytes, tarPadding(bytes.length)];
    }),
    TAR_END,
  ]);

function inFolder(work: (folder: string) => void): void {
  const folder = mkdtempSync('/var/tmp/slipway-layer-');
  try {
    work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function assertSameFiles(image: Applied, files: Applied): void {
  const expected = files.files;
  const timesThatCount = Object.entries(image.files).map(([name, file]) =>
    expected[name]?.mtimeNs === undefined ? [name, { ...file, mtimeNs: undefined }] : [name, file],
  );
  assert.deepEqual(Object.fromEntries(timesThatCount), expected);
}

function assertAlike(blob: Buffer, folder: string): Applied {
  const files = applied(blob, 'files', join(folder, 'files'));
  const image = applied(blob, 'image', join(folder, 'image'));
  assert.ok(!(files instanceof Error) && !(image instanceof Error), `${files}; ${image}`);
  assertSameFiles(image, files);
  assert.equal(image.inodes, new Set(Object.values(image.files).map(({ sameAs }) => sameAs)).size);
  return image;
}

const NANOSECOND = 1_234_567_890_123_456_789n;

test('an image shows what unpacked files show, of every kind of file', () => {
  const many: Entry[] = Array.from({ length: 700 }, (_, index) => ({
    name: `many/${'n'.repeat(index % 120)}${index}`,
    body: 'b'.repeat(index * 7),
  }));
  const entries: Entry[] = [
    { name: './', type: 'directory', mode: 0o751, uid: 3, mtimeNs: NANOSECOND },
    { name: 'empty' },
    { name: 'block', body: 'x'.repeat(512), mtimeNs: -1n },
    { name: 'large', body: 'y'.repeat(300_001), uid: 70_000, gid: 4_000_000_000, mode: 0o4755 },
    { name: 'many', type: 'directory', mode: 0o1777, mtimeNs: NANOSECOND },
    ...many,
    { name: 'implied/parent/file', body: 'f' },
    { name: 'link', type: 'symlink', linkName: 'large' },
    ...[100, 400, 440, 448, 512, 4095].map(
      (length): Entry => ({ name: `link-${length}`, type: 'symlink', linkName: 't'.repeat(length) }),
    ),
    { name: 'hard', type: 'hardlink', linkName: 'large' },
    { name: 'hard-link', type: 'hardlink', linkName: 'link' },
    { name: 'null', type: 'character-device', deviceMajor: 1, deviceMinor: 3, mode: 0o666 },
    { name: 'disk', type: 'block-device', deviceMajor: 259, deviceMinor: 70_000 },
    { name: 'pipe', type: 'fifo', gid: 5 },
    {
      name: 'ping',
      body: 'p',
      xattrs: new Map([
        ['security.capability', Buffer.from('0100000200200000000000000000000000000000', 'hex')],
        ['user.note', Buffer.from('n'.repeat(700))],
        ['trusted.overlay.redirect', Buffer.from('/etc')],
        ['nobody.knows', Buffer.from('x')],
      ]),
    },
    { name: 'pipe-note', type: 'fifo', xattrs: new Map([['user.note', Buffer.from('n')]]) },
    { name: 'noted', type: 'directory', xattrs: new Map([['trusted.t', Buffer.from('')]]) },
    { name: 'gone/.wh.file' },
    { name: 'noted/.wh..wh..opq' },
    { name: Buffer.from('latin\xe9', 'latin1'), body: 'e' },
    { name: 'empty', body: 'no longer' },
    { name: 'replaced/by/file', body: '1' },
    { name: 'replaced', body: '2' },
    { name: 'was/folder/below', type: 'directory', mtimeNs: NANOSECOND },
    { name: 'was', body: '3' },
    { name: 'moved/folder', type: 'directory', mtimeNs: NANOSECOND },
    { name: 'kept/folder', type: 'directory', mtimeNs: NANOSECOND + 1n },
    { name: 'moved', type: 'symlink', linkName: 'kept' },
    { name: 'gone/out/folder', type: 'directory', mtimeNs: NANOSECOND },
    { name: 'gone/out', type: 'symlink', linkName: '../..' },
  ];
  inFolder((folder) => {
    assert.equal(assertAlike(archive(entries), folder).form, 'image');
  });
});

test('an image shows what unpacked files show of any mix of entries, and refuses what they refuse', () => {
  const name = fc
    .array(fc.constantFrom('a', 'b', 'c', '..', '.', '', '.wh.a', '.wh..wh..opq'), {
      minLength: 1,
      maxLength: 4,
    })
    .map((parts) => parts.join('/'));
  const entry = fc.record(
    {
      name,
      linkName: fc.oneof(name, fc.constantFrom('a', 'a/b', '../a', '/a')),
      type: fc.constantFrom('directory', 'symlink', 'hardlink', 'fifo', undefined),
      body: fc.string({ maxLength: 600 }),
      mode: fc.nat(0o7777),
      uid: fc.nat(1 << 20),
      mtimeNs: fc.bigInt(-(10n ** 17n), 10n ** 18n),
    },
    { requiredKeys: ['name', 'linkName', 'type'] },
  );
  inFolder((folder) => {
    const before = readdirSync('/proc/self/fd').length;
    let alike = 0;
    fc.assert(
      fc.property(
        fc.array(entry, { maxLength: 14 }),
        fc.boolean(),
        fc.boolean(),
        (entries, zipped, hashesPlain) => {
          const tar = archive(entries as Entry[]);
          const blob = zipped ? gzipSync(tar, { level: 1 }) : tar;
          const fresh = mkdtempSync(join(folder, 'run-'));
          const files = applied(blob, 'files', join(fresh, 'files'), hashesPlain);
          const image = applied(blob, 'image', join(fresh, 'image'), hashesPlain);
          rmSync(fresh, { recursive: true });
          assert.equal(image instanceof Error, files instanceof Error, `${image}; ${files}`);
          if (files instanceof Error || image instanceof Error) return;
          assert.equal(image.form, 'image');
          assertSameFiles(image, files);
          alike++;
        },
      ),
      { numRuns: 300 },
    );
    assert.ok(alike > 30, `only ${alike} archives were not refused`);
    assert.equal(readdirSync('/proc/self/fd').length, before);
  });
});

test('files with holes are in an image as they are, however the archive tells it', () => {
  inFolder((folder) => {
    const tree = join(folder, 'tree');
    mkdirSync(tree);
    for (const [file, parts] of Object.entries({
      middle: [64 << 10, 1 << 20],
      start: [0],
      nowhere: [],
      'not-in-blocks': [(64 << 10) + 5],
    })) {
      const fd = openSync(join(tree, file), 'w');
      for (const at of parts) writeSync(fd, 'data'.repeat(2000), at);
      ftruncateSync(fd, (3 << 20) + 77);
      closeSync(fd);
    }
    for (const format of [
      'gnu',
      'pax --sparse-version=0.0',
      'pax --sparse-version=0.1',
      'pax --sparse-version=1.0',
    ]) {
      const args = [
        '--sparse',
        '--hole-detection=raw',
        `--format=${format}`.split(' '),
        '-C',
        tree,
        '-cf',
        '-',
        '.',
      ].flat();
      const tar = execFileSync('tar', args, { maxBuffer: 1 << 26 });
      const image = assertAlike(tar, join(folder, format.replaceAll(' ', '_')));
      assert.equal(image.form, 'image', format);
    }
  });
});

test('what no image can hold is unpacked', () => {
  const acl = Buffer.from('0200000001000600ffffffff04000400ffffffff20000400ffffffff', 'hex');
  const entries: Entry[] = [
    { name: 'before', body: 'b' },
    { name: 'acl', xattrs: new Map([['system.posix_acl_access', acl]]) },
  ];
  for (const blob of [archive(entries), gzipSync(archive(entries))]) {
    inFolder((folder) => {
      assert.equal(assertAlike(blob, folder).form, 'files');
      assert.deepEqual(readdirSync(join(folder, 'image')).sort(), ['blob', 'fs']);
    });
  }
});

test('an archive that is cut off anywhere is DataLoss, also where its bodies are not read', () => {
  const whole = archive([
    { name: 'first', body: 'x'.repeat(100_000) },
    { name: 'second', body: 'y'.repeat(1000) },
  ]);
  inFolder((folder) => {
    for (const at of [700, 50_000, 100_300, 100_864 + 600, 100_864 + 512 + 1000]) {
      const error = applied(whole.subarray(0, at), 'image', join(folder, String(at)));
      assert.ok(isSlipwayError(error, 'DataLoss'), `${at}: ${error}`);
    }
  });
});

test('this kernel mounts images', () => {
  inFolder((folder) => {
    proveImages(folder);
    assert.deepEqual(readdirSync(folder), []);
  });
});
