import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { computeDigest } from '@slipway/oci';
import { ADMIN, movableClock, openTestRegistry, piecesOf } from './testing.ts';

const DAY_MS = 24 * 60 * 60_000;

describe('an upload', () => {
  it('goes on after a restart where it was', async (t) => {
    const before = await openTestRegistry(t);
    const { id, ...rest } = await before.registry.startUpload('r', ADMIN).then(async (upload) => {
      await upload.append(piecesOf('one, ', 'two, '));
      return { id: upload.id, receivedBytes: upload.receivedBytes };
    });
    assert.equal(rest.receivedBytes, 10);
    const { registry } = await before.restart();
    const upload = await registry.getUpload('r', id);
    assert.equal(upload.receivedBytes, 10);
    await upload.append(piecesOf('three'));
    const digest = computeDigest('one, two, three');
    await upload.commit(digest);
    assert.equal((await registry.getBlob('r', digest)).sizeBytes, 15);
    await assert.rejects(registry.getUpload('r', id), { reason: 'BLOB_UPLOAD_UNKNOWN' });
    assert.equal((await registry.status()).uploads, 0);
  });

  it('loses nothing that was acknowledged when the daemon is killed', async (t) => {
    const before = await openTestRegistry(t);
    const child = spawn(
      process.execPath,
      [
        '--input-type=module',
        '--eval',
        `const { ADMIN, openRegistryIn, piecesOf } = await import(process.argv[1]);
         const { registry } = await openRegistryIn(process.argv[2]);
         const upload = await registry.startUpload('r', ADMIN);
         await upload.append(piecesOf('one, two, '));
         console.log(upload.id);
         await upload.append((async function* () {
           yield Buffer.from('thr');
           process.kill(process.pid, 'SIGKILL');
         })());`,
        import.meta.resolve('./testing.ts'),
        before.root,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const [[id], [, signal]] = await Promise.all([once(child.stdout, 'data'), once(child, 'exit')]);
    assert.equal(signal, 'SIGKILL');
    const { registry } = await before.restart();
    const upload = await registry.getUpload('r', String(id).trim());
    assert.ok(upload.receivedBytes >= 10, `${upload.receivedBytes} bytes were kept`);
    await upload.append(piecesOf('one, two, three'.slice(upload.receivedBytes)));
    await upload.commit(computeDigest('one, two, three'));
  });

  it('tells of a full disk, and goes on when there is room', async (t) => {
    const { registry } = await openTestRegistry(t, { diskSize: '6m' });
    const other = await registry.startUpload('r', ADMIN);
    await other.append(piecesOf(Buffer.alloc(3 << 20)));
    const content = Buffer.alloc(4 << 20, 'x');
    const upload = await registry.startUpload('r', ADMIN);
    await assert.rejects(upload.append(piecesOf(content)), { code: 'ResourceExhausted', reason: 'ENOSPC' });
    assert.ok(upload.receivedBytes < content.length);
    await other.cancel();
    await upload.append(piecesOf(content.subarray(upload.receivedBytes)));
    await upload.commit(computeDigest(content));
    assert.equal((await registry.getBlob('r', computeDigest(content))).sizeBytes, content.length);
  });

  it('that got nothing yet is there after a restart too', async (t) => {
    const before = await openTestRegistry(t);
    const { id } = await before.registry.startUpload('r', ADMIN);
    const { registry } = await before.restart();
    assert.equal((await registry.getUpload('r', id)).receivedBytes, 0);
  });

  it('keeps what came before the connection was cut', async (t) => {
    const { registry, store } = await openTestRegistry(t);
    const upload = await registry.startUpload('r', ADMIN);
    const cut = async function* () {
      yield Buffer.from('half');
      throw new Error('the connection was cut');
    };
    await assert.rejects(upload.append(cut()), /the connection was cut/);
    assert.equal(upload.receivedBytes, 4);
    await upload.append(piecesOf(' and half'));
    await upload.commit(computeDigest('half and half'));
    assert.deepEqual(await Array.fromAsync(store.content.listIngests()), []);
  });

  it('is gone when its digest is another', async (t) => {
    const { registry, store } = await openTestRegistry(t);
    const upload = await registry.startUpload('r', ADMIN);
    await upload.append(piecesOf('this'));
    await assert.rejects(upload.commit(computeDigest('that')), {
      code: 'InvalidArgument',
      reason: 'DIGEST_INVALID',
    });
    await assert.rejects(registry.getUpload('r', upload.id), { reason: 'BLOB_UPLOAD_UNKNOWN' });
    await assert.rejects(upload.append(piecesOf('more')), { reason: 'BLOB_UPLOAD_UNKNOWN' });
    assert.deepEqual(await Array.fromAsync(store.content.listIngests()), []);
    assert.deepEqual(await Array.fromAsync(store.content.list()), []);
  });

  it('is for its repository alone', async (t) => {
    const { registry } = await openTestRegistry(t);
    const { id } = await registry.startUpload('a', ADMIN);
    await registry.createRepository('b', {});
    await assert.rejects(registry.getUpload('b', id), { reason: 'BLOB_UPLOAD_UNKNOWN' });
    await assert.rejects(registry.getUpload('c', id), { reason: 'NAME_UNKNOWN' });
  });

  it('takes one request at a time', async (t) => {
    const { registry } = await openTestRegistry(t);
    const upload = await registry.startUpload('r', ADMIN);
    const gate = Promise.withResolvers<void>();
    const slow = async function* () {
      yield Buffer.from('slow');
      await gate.promise;
    };
    const first = upload.append(slow());
    await assert.rejects(upload.append(piecesOf('x')), { code: 'Conflict' });
    await assert.rejects(upload.commit(computeDigest('slow')), { code: 'Conflict' });
    gate.resolve();
    await first;
    await upload.commit(computeDigest('slow'));
  });

  it('can be empty', async (t) => {
    const { registry } = await openTestRegistry(t);
    const upload = await registry.startUpload('r', ADMIN);
    await upload.commit(computeDigest(''));
    assert.equal((await registry.getBlob('r', computeDigest(''))).sizeBytes, 0);
  });

  it('expires a day after its last byte, with what transfers left', async (t) => {
    const { clock, advance } = movableClock();
    const { registry, store } = await openTestRegistry(t, { clock });
    await registry.createRepository('r', {});
    const idle = await registry.startUpload('r', ADMIN);
    await (await store.content.ingest({}, { key: 'pull-sha256-x' }))[Symbol.asyncDispose]();
    advance(DAY_MS - 60_000);
    assert.equal((await registry.collectGarbage()).removedUploads, 0);
    await idle.append(piecesOf('x'));
    advance(120_000);
    assert.equal((await registry.collectGarbage()).removedUploads, 1);
    await assert.rejects(registry.getUpload('r', idle.id), { reason: 'BLOB_UPLOAD_UNKNOWN' });
    assert.deepEqual(await Array.fromAsync(store.content.listIngests()), []);
  });
});
