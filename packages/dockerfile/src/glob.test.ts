import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGlob } from './glob.ts';
import { createIgnoreMatcher } from './ignore.ts';

test("a component fits as with Go's filepath.Match", () => {
  const fits = (pattern: string, name: string) => createGlob(pattern, { doubleStar: false }).matches(name);
  for (const [pattern, name] of [
    ['*', 'anything'],
    ['a?c', 'abc'],
    ['[a-c]x', 'bx'],
    ['[^a-c]x', 'dx'],
    ['\\*', '*'],
    ['a+(b)', 'a+(b)'],
    ['ä*', 'äß'],
    ['?', '😀'],
  ] as const) {
    assert.ok(fits(pattern, name), `${pattern} ${name}`);
  }
  for (const [pattern, name] of [
    ['a?c', 'ac'],
    ['[a-c]x', 'dx'],
    ['[^a-c]x', 'ax'],
    ['\\*', 'a'],
    ['a.c', 'abc'],
    ['*', 'a/b'],
  ] as const) {
    assert.ok(!fits(pattern, name), `${pattern} ${name}`);
  }
});

test('the last pattern that fits decides, and a folder takes along what is in it', () => {
  const matcher = createIgnoreMatcher(['node_modules', '**/*.log', '!keep.log', '/dist/', 'a/*/c']);
  const excluded = (path: string) => matcher(path, false).ignored;
  for (const path of ['node_modules', 'node_modules/x/y', 'x.log', 'deep/er/x.log', 'dist/x', 'a/b/c']) {
    assert.ok(excluded(path), path);
  }
  for (const path of ['keep.log', 'src/node_modules', 'a/b/d', 'distant']) assert.ok(!excluded(path), path);
  const excepting = createIgnoreMatcher(['dist', '!dist/keep']);
  assert.deepEqual(excepting('dist', true), { ignored: true, mayHaveKept: true });
});
