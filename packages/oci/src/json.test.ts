import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseJsonObject } from './json.ts';

const nested = (depth: number) => `${'{"a":'.repeat(depth - 1)}{}${'}'.repeat(depth - 1)}`;
const read = (text: string) => parseJsonObject(Buffer.from(text), 'manifest');

test('a document is read down to 64 levels and refused beyond, however deep it is', () => {
  assert.deepEqual(read(nested(64)), JSON.parse(nested(64)));
  for (const deep of [nested(65), '{"a":'.repeat(500_000), `{"a":${'['.repeat(2_000_000)}`]) {
    assert.throws(() => read(deep), { code: 'InvalidArgument', message: /nested deeper than the 64 levels/ });
  }
});

test('brackets inside strings are no depth', () => {
  const text = JSON.stringify({ a: `${'['.repeat(200)}"\\`, b: `\\"${'{'.repeat(200)}` });
  assert.deepEqual(read(text), JSON.parse(text));
});

test('what is no JSON object is refused, with what it was to be', () => {
  for (const [text, message] of [
    ['[]', 'the manifest is not valid: it is not a JSON object'],
    ['null', 'the manifest is not valid: it is not a JSON object'],
    ['{"a":', /^the manifest is not JSON: /],
    ['<html>', /^the manifest is not JSON: /],
  ] as const) {
    assert.throws(() => read(text), { code: 'InvalidArgument', message });
  }
  assert.throws(() => parseJsonObject(Buffer.from([0x7b, 0xff, 0x7d]), 'manifest'), /is not JSON/);
});

test('every shallow object comes back as JSON has it', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 5 })), (document) => {
      const text = JSON.stringify(document);
      assert.deepEqual(read(text), JSON.parse(text));
    }),
  );
});
