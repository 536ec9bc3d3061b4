import assert from 'node:assert/strict';
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isSlipwayError } from '@slipway/base';
import fc from 'fast-check';
import { lgetxattr } from '../syscalls.ts';
import { TarParser } from '../tar/parser.ts';
import { formatTarHeader, type NewTarEntry, TAR_END, tarPadding } from '../tar/writer.ts';
import { LayerWriter } from './layer-writer.ts';

/** An archive whose files hold their own names. */
function archive(entries: readonly NewTarEntry[]): Buffer {
  const parts = entries.flatMap((entry) => {
    const body = entry.type === undefined ? Buffer.from(entry.name) : Buffer.alloc(0);
    return [formatTarHeader({ ...entry, sizeBytes: body.length }), body, tarPadding(body.length)];
  });
  return Buffer.concat([...parts, TAR_END]);
}

function unpack(bytes: Buffer, root: string, chunkBytes = bytes.length): void {
  using writer = new LayerWriter(root, { whiteouts: 'overlay' });
  const parser = new TarParser(writer);
  for (let at = 0; at < bytes.length; at += chunkBytes) parser.push(bytes.subarray(at, at + chunkBytes));
  parser.end();
  writer.finish();
}

function withRoot(work: (root: string, outside: string) => void): void {
  const folder = mkdtempSync('/tmp/slipway-store-');
  try {
    const root = mkdtempSync(join(folder, 'root-'));
    work(root, mkdtempSync(join(folder, 'outside-')));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('an entry that would leave the root is refused and nothing is written outside', () => {
  const link = (name: string, linkName: string): NewTarEntry => ({ name, linkName, type: 'symlink' });
  withRoot((root, outside) => {
    const hostile: NewTarEntry[][] = [
      [{ name: '/evil' }],
      [{ name: '../evil' }],
      [{ name: 'a/../../evil' }],
      [link('out', outside), { name: 'out/evil' }],
      [link('up', '../..'), { name: 'up/evil' }],
      [link('one', 'two'), link('two', '..'), { name: 'one/evil' }],
      [link('loop', 'loop'), { name: 'loop/evil' }],
      [link('out', outside), { name: 'out/.wh.evil' }],
      [{ name: 'h', type: 'hardlink', linkName: '../../etc/passwd' }],
      [{ name: 'h', type: 'hardlink', linkName: '/etc/passwd' }],
      [link('out', '/etc'), { name: 'h', type: 'hardlink', linkName: 'out/passwd' }],
      [link('out', outside), { name: 'out/d', type: 'directory' }],
      [{ name: '.wh...' }],
      [{ name: 'f' }, { name: 'f/evil' }],
    ];
    for (const entries of hostile) {
      const fresh = mkdtempSync(join(root, 'r-'));
      assert.throws(
        () => unpack(archive(entries), fresh),
        { code: 'InvalidArgument', reason: 'UNSAFE_ARCHIVE' },
        String(entries.at(-1)?.name),
      );
      assert.deepEqual(readdirSync(outside), []);
    }
    assert.ok(!existsSync(join(root, 'evil')));
  });
});

test('a file in the place of a symlink replaces the link, not what it points to', () => {
  withRoot((root, outside) => {
    const target = join(outside, 'target');
    symlinkSync('nowhere', target);
    unpack(archive([{ name: 'x', type: 'symlink', linkName: target }, { name: 'x' }]), root);
    assert.equal(readFileSync(join(root, 'x'), 'utf8'), 'x');
    assert.ok(lstatSync(target).isSymbolicLink());
  });
});

test('a link inside the root may be a parent, and missing parents are made', () => {
  withRoot((root) => {
    unpack(
      archive([
        { name: 'usr/bin', type: 'directory' },
        { name: 'bin', type: 'symlink', linkName: 'usr/bin' },
        { name: 'bin/tool' },
        { name: './deep/down/file' },
      ]),
      root,
    );
    assert.equal(readFileSync(join(root, 'usr/bin/tool'), 'utf8'), 'bin/tool');
    assert.equal(readFileSync(join(root, 'deep/down/file'), 'utf8'), './deep/down/file');
  });
});

test('what is put into a folder that hands on its group belongs to whom the archive says', () => {
  withRoot((root) => {
    unpack(
      archive([
        { name: 'staff', type: 'directory', gid: 50, mode: 0o2775 },
        { name: 'staff/tool' },
        { name: 'staff/link', type: 'symlink', linkName: 'tool' },
        { name: 'staff/inner', type: 'directory', mode: 0o755 },
        { name: 'staff/inner/tool', gid: 50, mode: 0o2755 },
      ]),
      root,
    );
    const of = (name: string) => {
      const { gid, mode } = lstatSync(join(root, name));
      return [gid, mode & 0o7777];
    };
    assert.deepEqual(of('staff'), [50, 0o2775]);
    assert.deepEqual(of('staff/tool'), [0, 0o644]);
    assert.deepEqual(of('staff/link'), [0, 0o777]);
    assert.deepEqual(of('staff/inner'), [0, 0o755]);
    assert.deepEqual(of('staff/inner/tool'), [50, 0o2755]);
  });
});

test('a folder that a file has taken the place of leaves the file its own time', () => {
  withRoot((root) => {
    unpack(
      archive([
        { name: 'x', type: 'directory', mtimeNs: 5_000_000_000n },
        { name: 'x', mtimeNs: -1_500_000_000n },
      ]),
      root,
    );
    assert.equal(lstatSync(join(root, 'x')).mtimeMs, -1500);
  });
});

test('whiteouts become what overlayfs reads', () => {
  withRoot((root) => {
    unpack(archive([{ name: 'd/.wh.gone' }, { name: 'o/.wh..wh..opq' }, { name: 'o/.wh..wh.plnk' }]), root);
    const { rdev, mode } = lstatSync(join(root, 'd/gone'));
    assert.deepEqual([rdev, mode & 0o170000], [0, 0o020000]);
    assert.equal(lgetxattr(join(root, 'o'), 'trusted.overlay.opaque')?.toString(), 'y');
    assert.deepEqual(readdirSync(join(root, 'o')), []);
  });
});

test("an archive with the overlay's own attributes does not set them", () => {
  withRoot((root) => {
    const xattrs = new Map([['trusted.overlay.redirect', Buffer.from('/etc')]]);
    unpack(archive([{ name: 'd', type: 'directory', xattrs }]), root);
    assert.equal(lgetxattr(join(root, 'd'), 'trusted.overlay.redirect'), undefined);
  });
});

test('any mix of entries unpacks inside the root or is refused with a code, and leaks no descriptor', () => {
  const name = fc
    .array(fc.constantFrom('a', 'b', '..', '.', '', '.wh.a', '.wh..wh..opq'), { maxLength: 4 })
    .map((parts) => parts.join('/'));
  const entry = fc.record({
    name,
    linkName: name,
    type: fc.constantFrom('directory', 'symlink', 'hardlink', 'fifo', undefined),
  });
  withRoot((root, outside) => {
    const before = readdirSync('/proc/self/fd').length;
    fc.assert(
      fc.property(
        fc.array(entry, { maxLength: 12 }),
        fc.integer({ min: 1, max: 2000 }),
        (entries, chunkBytes) => {
          const fresh = mkdtempSync(join(root, 'r-'));
          try {
            unpack(archive(entries as NewTarEntry[]), fresh, chunkBytes);
          } catch (error) {
            assert.ok(isSlipwayError(error), String(error));
          }
          assert.deepEqual(readdirSync(outside), []);
          rmSync(fresh, { recursive: true });
          assert.deepEqual(readdirSync(root), []);
        },
      ),
      { numRuns: 300 },
    );
    assert.equal(readdirSync('/proc/self/fd').length, before);
  });
});
