import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DEFAULT_DETACH_KEYS, DetachScanner, parseDetachKeys } from './detach-keys.ts';

test('key names are the bytes that a terminal sends', () => {
  assert.deepEqual([...parseDetachKeys(DEFAULT_DETACH_KEYS)], [16, 17]);
  assert.deepEqual(
    [...parseDetachKeys('ctrl-a,a,ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_')],
    [1, 97, 0, 27, 28, 29, 30, 31],
  );
  assert.deepEqual([...parseDetachKeys('')], []);
});

test('an unknown key is refused by name', () => {
  for (const keys of ['ctrl-1', 'ab', 'ctrl-', 'shift-a', 'a,']) {
    assert.throws(
      () => parseDetachKeys(keys),
      { code: 'InvalidArgument', message: /unknown character/ },
      keys,
    );
  }
});

test('the sequence detaches, also when it comes in pieces', () => {
  const scanner = new DetachScanner(Uint8Array.of(16, 17));
  assert.deepEqual(scanner.push(Buffer.from('ls\x10')), {
    bytes: Uint8Array.from(Buffer.from('ls')),
    detached: false,
  });
  assert.deepEqual(scanner.push(Uint8Array.of(17, 97)), { bytes: new Uint8Array(), detached: true });
});

test('a sequence that was begun and not finished reaches the program', () => {
  const scanner = new DetachScanner(Uint8Array.of(16, 17));
  assert.equal(Buffer.from(scanner.push(Uint8Array.of(16, 97)).bytes).toString(), '\x10a');
  assert.equal(scanner.push(Uint8Array.of(16)).bytes.byteLength, 0);
  assert.deepEqual([...scanner.flush()], [16]);
});

test('no key is lost, none is invented, and the sequence is found wherever it first ends', () => {
  const keyOf = fc.integer({ min: 0, max: 2 });
  fc.assert(
    fc.property(
      fc.array(keyOf, { minLength: 1, maxLength: 4 }),
      fc.array(fc.array(keyOf, { maxLength: 6 }), { maxLength: 6 }),
      (keys, chunks) => {
        const scanner = new DetachScanner(Uint8Array.from(keys));
        const passed: number[] = [];
        let detached = false;
        for (const chunk of chunks) {
          const result = scanner.push(Uint8Array.from(chunk));
          passed.push(...result.bytes);
          detached = result.detached;
          if (detached) break;
        }
        if (!detached) passed.push(...scanner.flush());
        const typed = String.fromCharCode(...chunks.flat());
        const at = typed.indexOf(String.fromCharCode(...keys));
        assert.equal(detached, at !== -1);
        assert.equal(String.fromCharCode(...passed), at === -1 ? typed : typed.slice(0, at));
      },
    ),
  );
});
