import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { jsonLines, parseJsonLines } from './json-lines.ts';

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

test('values come back whole, however the bytes were cut, also inside a character', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.jsonValue()),
      fc.array(fc.integer({ min: 1, max: 9 })),
      async (values, cuts) => {
        const bytes = Buffer.from((await Array.fromAsync(jsonLines(each(values)))).join(''));
        const chunks: Uint8Array[] = [];
        let at = 0;
        for (const cut of cuts) {
          chunks.push(bytes.subarray(at, at + cut));
          at += cut;
        }
        chunks.push(bytes.subarray(at));
        const got = await Array.fromAsync(parseJsonLines(each(chunks)));
        assert.equal(JSON.stringify(got), JSON.stringify(values));
      },
    ),
  );
});

test('docker’s CRLF line ends, blank lines and a last line without an end are read', async () => {
  const lines = parseJsonLines(each(['{"a":1}\r\n\r\n{"a"', ':2}\n{"a":3}']));
  assert.deepEqual(await Array.fromAsync(lines), [{ a: 1 }, { a: 2 }, { a: 3 }]);
});
