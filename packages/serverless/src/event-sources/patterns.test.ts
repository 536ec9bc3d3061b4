import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePattern } from './patterns.ts';

const cases: ReadonlyArray<readonly [string, object, unknown, boolean]> = [
  ['a value', { a: ['x', 'y'] }, { a: 'y' }, true],
  ['another value', { a: ['x'] }, { a: 'y' }, false],
  ['a number is not its text', { a: [1] }, { a: '1' }, false],
  ['null', { a: [null] }, { a: null }, true],
  ['null is not what is missing', { a: [null] }, {}, false],
  ['the empty text', { a: [''] }, { a: '' }, true],
  ['all keys', { a: ['x'], b: [1] }, { a: 'x', b: 2 }, false],
  ['deep', { a: { b: { c: [true] } } }, { a: { b: { c: true } } }, true],
  ['a list has it', { a: ['x'] }, { a: ['w', 'x'] }, true],
  ['an object of a list has it', { a: { b: [2] } }, { a: [{ b: 1 }, { b: 2 }] }, true],
  ['prefix', { a: [{ prefix: 'eu-' }] }, { a: 'eu-central-1' }, true],
  ['suffix', { a: [{ suffix: '.png' }] }, { a: 'x.jpg' }, false],
  ['equals-ignore-case', { a: [{ 'equals-ignore-case': 'ALICE' }] }, { a: 'alice' }, true],
  ['wildcard', { a: [{ wildcard: 'dir/*.png' }] }, { a: 'dir/x.png' }, true],
  ['wildcard is no expression', { a: [{ wildcard: 'a.c' }] }, { a: 'abc' }, false],
  ['exists', { a: [{ exists: true }] }, { a: 0 }, true],
  ['exists not', { a: [{ exists: false }] }, {}, true],
  ['exists not, deep', { a: { b: [{ exists: false }] } }, {}, true],
  ['numeric range', { a: [{ numeric: ['>', 0, '<=', 5] }] }, { a: 5 }, true],
  ['out of range', { a: [{ numeric: ['>', 0, '<=', 5] }] }, { a: 6 }, false],
  ['anything but', { a: [{ 'anything-but': ['x', 'y'] }] }, { a: 'z' }, true],
  ['anything but, and it is', { a: [{ 'anything-but': 'x' }] }, { a: 'x' }, false],
  ['anything but a prefix', { a: [{ 'anything-but': { prefix: 'x' } }] }, { a: 'xy' }, false],
  ['anything but wants something', { a: [{ 'anything-but': 'x' }] }, {}, false],
  ['$or', { $or: [{ a: [1] }, { b: [2] }] }, { b: 2 }, true],
  ['$or and more', { $or: [{ a: [1] }, { b: [2] }], c: [3] }, { a: 1 }, false],
];

for (const [name, pattern, event, expected] of cases) {
  test(`pattern: ${name}`, () => {
    assert.equal(parsePattern(JSON.stringify(pattern)).matches(event), expected);
  });
}

test('what is no pattern is refused when it is given', () => {
  for (const pattern of [
    'no',
    '[]',
    '{}',
    '{"a":"x"}',
    '{"a":[]}',
    '{"a":[[1]]}',
    '{"a":[{"begins":"x"}]}',
    '{"a":[{"numeric":[">"]}]}',
    '{"a":[{"numeric":["~",1]}]}',
    '{"a":[{"prefix":1}]}',
    '{"a":[{"anything-but":{"exists":true}}]}',
    '{"a":[{"prefix":"x","suffix":"y"}]}',
  ]) {
    assert.throws(() => parsePattern(pattern), /Invalid filter pattern definition/, pattern);
  }
});
