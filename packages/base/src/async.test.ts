import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AsyncQueue, collectBytes, KeyedLock, mapConcurrent, orAborted } from './async.ts';
import { isSlipwayError } from './errors.ts';

test('tasks with one key run one after another, those with different keys side by side', async () => {
  const lock = new KeyedLock();
  const order: string[] = [];
  const first = Promise.withResolvers<void>();
  const runs = [
    lock.run('a', async () => {
      await first.promise;
      order.push('a1');
    }),
    lock.run('a', async () => void order.push('a2')),
    lock.run('b', async () => void order.push('b')),
  ];
  await runs[2];
  first.resolve();
  await Promise.all(runs);
  assert.deepEqual(order, ['b', 'a1', 'a2']);
});

test('a task that fails lets the next one in', async () => {
  const lock = new KeyedLock();
  await assert.rejects(lock.run('a', () => Promise.reject(new Error('no'))));
  assert.equal(await lock.run('a', async () => 1), 1);
});

test('a full queue forgets the oldest, or cuts the reader off, or makes the writer wait', async () => {
  const forgetful = new AsyncQueue<number>({ capacity: 2, onOverflow: 'drop-oldest' });
  for (const item of [1, 2, 3]) forgetful.push(item);
  forgetful.end();
  assert.deepEqual(await Array.fromAsync(forgetful), [2, 3]);

  const strict = new AsyncQueue<number>({ capacity: 2, onOverflow: 'fail' });
  for (const item of [1, 2, 3]) strict.push(item);
  await assert.rejects(Array.fromAsync(strict), (error) => isSlipwayError(error, 'ResourceExhausted'));

  const patient = new AsyncQueue<number>({ capacity: 1, onOverflow: 'wait' });
  patient.push(1);
  let written = false;
  const writing = patient.pushWhenRoom(2).then(() => {
    written = true;
  });
  await Promise.resolve();
  assert.equal(written, false);
  assert.equal((await patient.next()).value, 1);
  await writing;
  assert.ok(written);
});

test('a reader that leaves frees the writer that waits for it', async () => {
  const queue = new AsyncQueue<number>({ capacity: 1, onOverflow: 'wait' });
  queue.push(1);
  const writing = queue.pushWhenRoom(2);
  await queue.return();
  await writing;
});

test('bytes are collected up to the limit and refused past it', async () => {
  const source = async function* () {
    yield Buffer.from('ab');
    yield Buffer.from('c');
  };
  assert.equal((await collectBytes(source(), 3)).toString(), 'abc');
  await assert.rejects(collectBytes(source(), 2), /larger than the 2 bytes/);
});

test('work runs at most so many at once, and its results keep the order', async () => {
  let running = 0;
  let most = 0;
  const results = await mapConcurrent([3, 1, 2, 5], 2, async (item) => {
    most = Math.max(most, ++running);
    await Promise.resolve();
    running--;
    return item * 2;
  });
  assert.deepEqual(results, [6, 2, 4, 10]);
  assert.equal(most, 2);
});

test('nobody waits for work once its signal aborted, and what it comes to then harms nobody', async () => {
  const controller = new AbortController();
  const { signal } = controller;
  assert.equal(await orAborted(Promise.resolve(1), signal), 1);
  const work = Promise.withResolvers<void>();
  const waiting = orAborted(work.promise, signal);
  controller.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
  work.reject(new Error('too late'));
  await assert.rejects(orAborted(Promise.resolve(1), signal), /enough/);
});
