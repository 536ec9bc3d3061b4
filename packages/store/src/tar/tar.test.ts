import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isSlipwayError } from '@slipway/base';
import fc from 'fast-check';
import { LayerWriter } from '../unpack/layer-writer.ts';
import { packDirectory } from './pack-directory.ts';
import { TarParser } from './parser.ts';
import { readTar } from './reader.ts';
import { formatTarHeader, writeTar } from './writer.ts';

const SCRIPT = `
  mkdir -p deep/$(printf 'n%.0s' $(seq 120))/$(printf 'm%.0s' $(seq 120)); echo text > deep/file; ln deep/file deep/hard
  ln -s ../$(printf 'far/%.0s' $(seq 40)) deep/link; touch -h -d '2001-02-03 04:05:06.123456789' deep/link
  mknod deep/null c 1 3; mkfifo deep/fifo; cp /bin/true deep/suid; chmod 4755 deep/suid; setcap cap_net_raw+ep deep/suid
  truncate -s 3M deep/sparse; printf x | dd of=deep/sparse bs=1 seek=1000000 conv=notrunc status=none
  for i in $(seq 30); do printf y | dd of=deep/many bs=1 seek=$((i*65536)) conv=notrunc status=none; done
  printf z > "deep/$(printf '\\377\\376')"; chown 70000:3000000 deep/file; touch -d '2010-01-01 00:00:00.5' deep/file deep`;

const LIST =
  "find . ! -path . -printf '%p|%m|%s|%U|%G|%n|%y|%l|%T@\\n' | LC_ALL=C sort; find . -type f -exec md5sum {} + | LC_ALL=C sort; getcap -r .";
const shell = (cwd: string, script: string) =>
  execFileSync('bash', ['-c', script], { cwd }).toString('latin1');
const withoutFractions = (list: string) => list.replace(/\.\d{10}$/gm, '');

async function unpack(source: AsyncIterable<Buffer> | Iterable<Buffer>, root: string): Promise<void> {
  using writer = new LayerWriter(root, { whiteouts: 'none' });
  const parser = new TarParser(writer);
  for await (const chunk of source) parser.push(chunk);
  parser.end();
  writer.finish();
}

test("GNU tar's archives of every format give the tree that they were made of, and so do ours", async () => {
  const folder = mkdtempSync('/tmp/slipway-store-');
  try {
    const tree = join(folder, 'tree');
    mkdirSync(tree);
    shell(tree, SCRIPT);
    const expected = shell(tree, LIST);
    const formats = [
      '--format=gnu -S',
      '--format=gnu',
      ...['0.0', '0.1', '1.0'].map(
        (v) => `--format=pax --xattrs --xattrs-include='*' -S --sparse-version=${v}`,
      ),
    ];
    for (const [index, options] of [...formats, 'ours'].entries()) {
      const copy = join(folder, `copy-${index}`);
      mkdirSync(copy);
      const source =
        options === 'ours'
          ? packDirectory(tree)
          : [execFileSync('bash', ['-c', `tar ${options} -cf - *`], { cwd: tree, maxBuffer: 1 << 28 })];
      await unpack(source, copy);
      const actual = shell(copy, LIST);
      if (options.includes('gnu')) {
        // This format has neither fractions of seconds nor capabilities.
        const plain = (list: string) => withoutFractions(list).replace(/^.*cap_net_raw.*\n/gm, '');
        assert.equal(plain(actual), plain(expected), options);
      } else assert.equal(actual, expected, options);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('what is written is read back: bytes of names, numbers, times, attributes', async () => {
  const name = fc
    .uint8Array({ minLength: 1, maxLength: 300 })
    .map((bytes) => Buffer.from(bytes.map((b) => (b === 0 || b === 0x2f ? 0x61 : b))));
  await fc.assert(
    fc.asyncProperty(
      name,
      name,
      fc.nat(0xffffffff),
      fc.bigInt({ min: -(10n ** 18n), max: 10n ** 19n }),
      fc.uint8Array({ maxLength: 2000 }),
      async (entryName, linkName, uid, mtimeNs, bytes) => {
        const xattrs = new Map([['user.a', Buffer.from(bytes)]]);
        const entry = {
          name: entryName,
          linkName,
          uid,
          gid: uid,
          mtimeNs,
          xattrs,
          sizeBytes: bytes.length,
          mode: 0o4711,
        };
        for await (const { entry: read, body } of readTar(writeTar([{ entry, body: [bytes] }]))) {
          assert.deepEqual(Buffer.concat(await Array.fromAsync(body)), Buffer.from(bytes));
          const { name, linkName, uid, gid, mtimeNs, xattrs, sizeBytes, mode } = read;
          assert.deepEqual({ name, linkName, uid, gid, mtimeNs, xattrs, sizeBytes, mode }, entry);
        }
      },
    ),
    { numRuns: 200 },
  );
});

test('damaged archives are refused with a code, however they are cut into chunks', () => {
  const good = Buffer.concat([
    formatTarHeader({ name: 'é'.repeat(80), mtimeNs: 5n }),
    formatTarHeader({ name: 'd', type: 'directory' }),
  ]);
  const flips = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 6 });
  fc.assert(
    fc.property(
      flips,
      fc.integer({ min: 1, max: 700 }),
      fc.nat(good.length),
      (changes, chunkBytes, length) => {
        const bytes = Buffer.from(good.subarray(0, length));
        for (const [at, value] of changes) if (at < length) bytes[at] = value;
        const parser = new TarParser({ entry() {}, data() {}, endEntry() {} });
        try {
          for (let at = 0; at < length; at += chunkBytes) parser.push(bytes.subarray(at, at + chunkBytes));
          parser.end();
        } catch (error) {
          assert.ok(isSlipwayError(error, 'InvalidArgument', 'DataLoss'), String(error));
        }
      },
    ),
    { numRuns: 2000 },
  );
});
