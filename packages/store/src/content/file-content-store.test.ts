import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemRandom } from '@slipway/base';
import { computeDigest } from '@slipway/oci';
import { readBlobSource } from './blob-source.ts';
import { openContentStore } from './file-content-store.ts';

const open = (root: string) => openContentStore(root, { random: systemRandom });

async function withRoot(work: (root: string) => Promise<void>): Promise<void> {
  const root = mkdtempSync('/tmp/slipway-content-');
  try {
    await work(root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

const keys = async (root: string) => (await Array.fromAsync(open(root).listIngests())).map(({ key }) => key);

/** Larger than a batch, and not the same anywhere. */
const BYTES = Buffer.from(Array.from({ length: 600_000 }, (_, index) => `${index},`).join(''));
const digest = computeDigest(BYTES);

test('an ingest with a key goes on after the bytes that are there, in another store too', () =>
  withRoot(async (root) => {
    {
      await using ingest = await open(root).ingest({ digest, sizeBytes: BYTES.length }, { key: 'k-1' });
      await ingest.write(BYTES.subarray(0, 1_500_000));
    }
    const content = open(root);
    const [info] = await Array.fromAsync(content.listIngests());
    assert.deepEqual([info?.key, info?.sizeBytes], ['k-1', 1_500_000]);
    await using ingest = await content.ingest({ digest, sizeBytes: BYTES.length }, { key: 'k-1' });
    assert.equal(ingest.writtenBytes, 1_500_000);
    using source = ingest.source();
    await ingest.write(BYTES.subarray(ingest.writtenBytes));
    assert.equal((await ingest.commit()).digest, digest);
    const read = Buffer.alloc(BYTES.length + 1);
    assert.equal(
      readBlobSource(source, read, 0, () => false),
      BYTES.length,
    );
    assert.deepEqual(read.subarray(0, BYTES.length), BYTES);
    assert.deepEqual(await content.read(digest), BYTES);
    assert.deepEqual(await keys(root), []);
  }));

test('what was flushed into an ingest with a key survives kill -9 and is carried on', () =>
  withRoot(async (root) => {
    const script = `
      import { openContentStore } from ${JSON.stringify(import.meta.resolve('./file-content-store.ts'))};
      const content = openContentStore(${JSON.stringify(root)}, { random: { hex: () => 'unkeyed' } });
      const bytes = Buffer.from(Array.from({ length: 600_000 }, (_, index) => index + ',').join(''));
      const unkeyed = await content.ingest();
      await unkeyed.write(bytes);
      const ingest = await content.ingest({}, { key: 'upload' });
      await ingest.write(bytes.subarray(0, 1_234_567));
      await ingest.flush();
      await ingest.write(bytes.subarray(1_234_567, 1_300_000));
      console.log('flushed');
      setInterval(() => {}, 1000);
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    const content = open(root);
    assert.deepEqual(readdirSync(join(root, 'ingest')), ['kept-upload']);
    await using ingest = await content.ingest({ digest }, { key: 'upload' });
    assert.equal(ingest.writtenBytes, 1_234_567);
    await ingest.write(BYTES.subarray(1_234_567));
    await ingest.commit();
    assert.deepEqual(await content.read(digest), BYTES);
  }));

test('flush puts all that was taken into the file, also what is less than a batch', () =>
  withRoot(async (root) => {
    await using ingest = await open(root).ingest({}, { key: 'k' });
    await ingest.write(Buffer.from('a'));
    await ingest.write(Buffer.from('b'));
    await ingest.flush();
    assert.equal(readFileSync(ingest.path, 'utf8'), 'ab');
  }));

test('an ingest with a key that turns out wrong is gone, so that the next one starts afresh', () =>
  withRoot(async (root) => {
    const content = open(root);
    const wrong = { digest, sizeBytes: 5 };
    for (const text of ['short', 'sho', 'too long']) {
      await using ingest = await content.ingest(wrong, { key: 'k' });
      assert.equal(ingest.writtenBytes, 0);
      await assert.rejects(
        ingest.write(Buffer.from(text)).then(() => ingest.commit()),
        { code: 'DataLoss' },
      );
      assert.deepEqual(await keys(root), [], text);
    }
    {
      await using ingest = await content.ingest({}, { key: 'k' });
      await ingest.write(Buffer.from('more than five'));
    }
    await using larger = await content.ingest(wrong, { key: 'k' });
    assert.equal(larger.writtenBytes, 0);
  }));

test('an ingest with a key is one writer at a time, and goes only when it is given up or deleted', () =>
  withRoot(async (root) => {
    const content = open(root);
    const first = await content.ingest({}, { key: 'k' });
    await assert.rejects(content.ingest({}, { key: 'k' }), { code: 'Conflict' });
    await assert.rejects(content.deleteIngest('k'), { code: 'Conflict' });
    await first.write(Buffer.from('x'));
    await first[Symbol.asyncDispose]();
    assert.deepEqual(await keys(root), ['k']);
    await content.deleteIngest('k');
    await content.deleteIngest('k');
    assert.deepEqual(await keys(root), []);
    const second = await content.ingest({}, { key: 'k' });
    assert.equal(second.writtenBytes, 0);
    await second.abandon();
    assert.deepEqual(await keys(root), []);
  }));

test('a key that could be a path is refused', () =>
  withRoot(async (root) => {
    for (const key of ['', '.', '..', '../k', 'a/b', 'a\0', 'ä', 'k'.repeat(129)]) {
      await assert.rejects(open(root).ingest({}, { key }), { code: 'InvalidArgument' }, JSON.stringify(key));
    }
  }));
