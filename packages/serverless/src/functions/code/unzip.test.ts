import assert from 'node:assert/strict';
import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { LINK_MODE, type TestEntry, zipOf } from './testing.ts';
import { readZip, unzip } from './unzip.ts';
import { unzipApart } from './unzip-apart.ts';
import { BadZip, ZipTooLarge } from './zip-plan.ts';

const LIMITS = { unzippedBytes: 1 << 20, entries: 1000 };

/** Unpacks in a folder of its own, with something beside it that must not change. */
async function inFolder(
  zip: Uint8Array,
  check: (folder: string) => void | Promise<void>,
  run: typeof unzip = unzip,
): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'slipway-unzip-'));
  try {
    const path = join(root, 'package.zip');
    writeFileSync(path, zip);
    const folder = join(root, 'code');
    let failure: unknown;
    await run(path, folder, LIMITS).catch((error: unknown) => {
      failure = error;
    });
    assert.deepEqual(
      readdirSync(root).filter((name) => name !== 'code'),
      ['package.zip'],
    );
    if (failure !== undefined) throw failure;
    await check(folder);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

const refuses = (entries: readonly TestEntry[], what: RegExp | typeof BadZip | typeof ZipTooLarge) =>
  assert.rejects(
    inFolder(zipOf(entries), () => {}),
    what,
  );

test('files, folders and links come out with their modes', async () => {
  const zip = zipOf([
    { name: 'bin/', mode: 0o040750 },
    { name: 'bin/bootstrap', content: '#!/bin/sh\n', mode: 0o100755 },
    { name: 'data.txt', content: 'x'.repeat(5000), mode: 0o100400, isStored: true },
    { name: 'empty', content: '' },
    { name: 'run', content: 'bin/bootstrap', mode: LINK_MODE },
    { name: './deep/er/file.js', content: 'exports' },
    { name: 'setuid', content: 'x', mode: 0o104755 },
    { name: 'unknown', content: 'x', mode: 0 },
  ]);
  const check = (folder: string) => {
    const mode = (name: string) => (lstatSync(join(folder, name)).mode & 0o7777).toString(8);
    assert.equal(readFileSync(join(folder, 'bin/bootstrap'), 'utf8'), '#!/bin/sh\n');
    assert.equal(readFileSync(join(folder, 'data.txt'), 'utf8'), 'x'.repeat(5000));
    assert.equal(readFileSync(join(folder, 'deep/er/file.js'), 'utf8'), 'exports');
    assert.equal(readlinkSync(join(folder, 'run')), 'bin/bootstrap');
    assert.deepEqual(['bin', 'bin/bootstrap', 'data.txt', 'empty', 'deep', 'setuid', 'unknown'].map(mode), [
      '750',
      '755',
      '400',
      '644',
      '755',
      '755',
      '644',
    ]);
  };
  await inFolder(zip, check);
  await inFolder(zip, check, (path, folder, limits) => unzipApart({ path, folder, limits }));
});

test('the last of two files with one name counts', async () => {
  await inFolder(
    zipOf([
      { name: 'a', content: 'first' },
      { name: 'a', content: 'second' },
    ]),
    (folder) => assert.equal(readFileSync(join(folder, 'a'), 'utf8'), 'second'),
  );
});

test('names that lead out, or are none, are refused before anything is written', async () => {
  for (const name of [
    '../evil',
    'a/../../evil',
    '/etc/evil',
    '\\..\\evil',
    'c:/evil',
    'a\0b',
    `${'x'.repeat(256)}`,
  ]) {
    await refuses(
      [
        { name: 'good', content: 'x' },
        { name, content: 'evil' },
      ],
      BadZip,
    );
  }
});

test('links that lead out are refused, however they do it', async () => {
  const links: readonly (readonly (readonly [string, string])[])[] = [
    [['l', '/etc/passwd']],
    [['l', '../evil']],
    [['a/l', '../../evil']],
    [
      ['l', '.'],
      ['m', 'l/l/../evil/../..'],
    ],
    [
      ['d', 'a/b'],
      ['l', 'd/../../../evil'],
    ],
    [['l', '']],
  ];
  for (const some of links) {
    const entries = some.map(([name, content]) => ({ name, content, mode: LINK_MODE }));
    await refuses(entries, /leads out/);
  }
  const circle = [
    { name: 'a', content: 'b', mode: LINK_MODE },
    { name: 'b', content: 'a', mode: LINK_MODE },
  ];
  await inFolder(zipOf(circle), (folder) => assert.equal(readlinkSync(join(folder, 'a')), 'b'));
});

test('nothing is written through a link, nor where something else is', async () => {
  await refuses(
    [
      { name: 'd', content: '/tmp', mode: LINK_MODE },
      { name: 'd/evil', content: 'x' },
    ],
    /lies in "d", which is a link/,
  );
  await refuses(
    [
      { name: 'd', content: 'x' },
      { name: 'd/f', content: 'x' },
    ],
    /which is a file/,
  );
  await refuses(
    [
      { name: 'd', content: 'x' },
      { name: 'd', content: 'e', mode: LINK_MODE },
    ],
    /as a file and as a link/,
  );
  await refuses([{ name: 'pipe', content: '', mode: 0o010644 }], /neither a file/);
});

test('bombs are refused by what they declare and by what they are', async () => {
  await refuses([{ name: 'big', content: Buffer.alloc(2 << 20) }], ZipTooLarge);
  await refuses(
    [
      { name: 'a', content: Buffer.alloc(700_000) },
      { name: 'b', content: Buffer.alloc(700_000) },
    ],
    ZipTooLarge,
  );
  // It declares less than it holds, and more than it could.
  await refuses([{ name: 'lie', content: Buffer.alloc(2 << 20), says: { sizeBytes: 10 } }], BadZip);
  await refuses([{ name: 'lie', content: 'x', says: { sizeBytes: 100_000 } }], /zip bomb/);
  await refuses(
    Array.from({ length: 1001 }, (_, index) => ({ name: `f${index}` })),
    /more than 1000/,
  );
});

test('what is damaged, encrypted or packed otherwise is refused', async () => {
  await refuses([{ name: 'a', content: 'hello', says: { crc: 1 } }], /checksum differs/);
  await refuses([{ name: 'a', content: 'hello', isStored: true, says: { crc: 1 } }], /checksum differs/);
  await refuses([{ name: 'a', content: 'hello', isEncrypted: true }], /encrypted/);
  await refuses([{ name: 'a', content: 'hello', method: 14 }], /method 14/);
  await assert.rejects(
    inFolder(Buffer.from('this is no zip'), () => {}),
    BadZip,
  );
  const cut = zipOf([{ name: 'a', content: 'hello' }]);
  await assert.rejects(
    inFolder(cut.subarray(0, -10), () => {}),
    BadZip,
  );
});

test('whatever a zip says, nothing comes to be outside of its folder', async () => {
  const part = fc.constantFrom('..', '.', 'a', 'b', 'l', '', 'ä', 'C:', '*');
  const name = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/'));
  const entry = fc.record({
    name,
    content: fc.oneof(name, fc.string({ maxLength: 20 })),
    mode: fc.constantFrom(0o100644, LINK_MODE, 0o040755, 0, 0o020644),
    isStored: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { maxLength: 6 }), async (entries) => {
      try {
        await inFolder(zipOf(entries), (folder) => {
          for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
            const status = lstatSync(join(folder, path));
            if (!status.isSymbolicLink()) continue;
            const target = resolve(join(folder, path, '..'), readlinkSync(join(folder, path)));
            assert.ok(!relative(folder, target).startsWith('..'), `${path} leads to ${target}`);
          }
        });
      } catch (error) {
        if (!(error instanceof BadZip) && !(error instanceof ZipTooLarge)) throw error;
      }
    }),
    { numRuns: 100 },
  );
});

test('a zip with a byte changed is unpacked as it was, or refused', async () => {
  const zip = zipOf([
    { name: 'a.js', content: 'exports.handler = async () => 1;'.repeat(20) },
    { name: 'dir/b', content: 'b', isStored: true },
    { name: 'l', content: 'dir/b', mode: LINK_MODE },
  ]);
  await fc.assert(
    fc.asyncProperty(fc.nat(zip.byteLength - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
      const changed = Buffer.from(zip);
      changed[at] = (changed[at] as number) ^ change;
      try {
        await inFolder(changed, (folder) => void readdirSync(folder));
      } catch (error) {
        if (!(error instanceof BadZip) && !(error instanceof ZipTooLarge)) throw error;
      }
    }),
    { numRuns: 100 },
  );
});

test('what a zip holds is known before it is unpacked', async () => {
  const root = mkdtempSync(join(tmpdir(), 'slipway-unzip-'));
  const path = join(root, 'package.zip');
  writeFileSync(
    path,
    zipOf([
      { name: 'a', content: 'hello' },
      { name: 'b/c', content: 'hi' },
    ]),
  );
  await using zip = await readZip(path, LIMITS);
  assert.equal(zip.unzippedBytes, 7);
  assert.deepEqual([...zip.plan.keys()], ['a', 'b/c']);
  rmSync(root, { recursive: true });
});
