import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createGlob, createIgnoreMatcher, hasWildcard, parseIgnoreFile } from './index.ts';

const ignored = (patterns: readonly string[], path: string) =>
  createIgnoreMatcher(patterns)(path, false).ignored;

test('an ignore file is read line by line: comments, spaces, slashes, what keeps', () => {
  assert.deepEqual(
    parseIgnoreFile('\uFEFF# c\r\n  a/b/ \r\n\r\n/root\n! keep/./x\n #no comment\n../up\n!\n/\n'),
    ['a/b', 'root', '!keep/x', '#no comment', '../up', '!', '/'],
  );
});

test('patterns fit as moby has it', () => {
  const cases: [string, string, boolean][] = [
    ['a', 'a', true],
    ['a', 'a/b/c', true],
    ['a', 'b/a', false],
    ['*', 'a/b', true],
    ['*.go', 'a.go', true],
    ['*.go', 'b/a.go', false],
    ['**/*.go', 'a.go', true],
    ['**/*.go', 'b/c/a.go', true],
    ['**', 'a/b', true],
    ['a/**', 'a', false],
    ['a/**', 'a/b/c', true],
    ['a/**/b', 'a/b', true],
    ['a/**/b', 'a/x/y/b', true],
    ['a/**/b', 'a/xb', false],
    ['**/b', 'ab', false],
    ['**b', 'a/xb', true],
    ['**/a?c', 'x/abc', true],
    ['a?c', 'a/c', false],
    ['[a-c]x', 'bx', true],
    ['[^a-c]x', 'bx', false],
    ['[\\]]', ']', true],
    ['a\\*b', 'a*b', true],
    ['a\\*b', 'axb', false],
    ['a.b+(c)|{d}$', 'a.b+(c)|{d}$', true],
    ['a.b', 'axb', false],
    ['a/', 'a/b', true],
    ['./a', 'a', true],
    ['é?', 'éé', true],
  ];
  for (const [pattern, path, expected] of cases) {
    assert.equal(ignored([pattern], path), expected, `${pattern} on ${path}`);
  }
});

test('the last pattern that fits decides, of a path or of a folder above it', () => {
  const patterns = ['*', '!src', 'src/**/*.tmp', '!src/keep.tmp'];
  assert.equal(ignored(patterns, 'other'), true);
  assert.equal(ignored(patterns, 'src'), false);
  assert.equal(ignored(patterns, 'src/a/b.ts'), false);
  assert.equal(ignored(patterns, 'src/a/b.tmp'), true);
  assert.equal(ignored(patterns, 'src/keep.tmp'), false);
  assert.equal(ignored(['!a', 'a'], 'a'), true);
});

test('an ignored folder is walked only when something in it may be kept', () => {
  const walk = (patterns: string[], folder: string) => createIgnoreMatcher(patterns)(folder, true);
  assert.deepEqual(walk(['a'], 'a'), { ignored: true, mayHaveKept: false });
  assert.deepEqual(walk(['a', '!a/b/c'], 'a'), { ignored: true, mayHaveKept: true });
  assert.deepEqual(walk(['a', '!a/b/c'], 'a/x'), { ignored: true, mayHaveKept: false });
  assert.deepEqual(walk(['a', '!**/*.md'], 'a/x'), { ignored: true, mayHaveKept: true });
  assert.deepEqual(walk(['a', '!b/*.md'], 'a'), { ignored: true, mayHaveKept: false });
  assert.deepEqual(walk(['a'], 'b'), { ignored: false, mayHaveKept: true });
});

test('patterns that cannot be read are refused by name', () => {
  for (const pattern of ['[a', 'a[]', '[a-]', 'a\\', '!', '[-x]']) {
    assert.throws(() => createIgnoreMatcher([pattern]), { code: 'InvalidArgument' }, pattern);
  }
});

test('a folder that is not to be walked holds nothing that is kept', () => {
  const part = fc.constantFrom('a', 'b', 'ab', '*', '?', '**', '[ab]');
  const pattern = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
  const rule = fc.tuple(fc.boolean(), pattern).map(([keeps, text]) => (keeps ? `!${text}` : text));
  const path = fc.array(fc.constantFrom('a', 'b', 'ab', 'c'), { minLength: 2, maxLength: 5 });
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 6 }), path, (rules, parts) => {
      const matcher = createIgnoreMatcher(rules);
      if (matcher(parts.join('/'), false).ignored) return;
      for (let count = 1; count < parts.length; count++) {
        const folder = parts.slice(0, count).join('/');
        assert.ok(matcher(folder, true).mayHaveKept, `${rules} lose ${parts.join('/')} at ${folder}`);
      }
    }),
    { numRuns: 2000 },
  );
});

test('without `**` a pattern stays within the parts of a path, as COPY has it', () => {
  const fits = (pattern: string, path: string) => createGlob(pattern, { doubleStar: false }).matches(path);
  assert.equal(fits('a/*/c', 'a/b/c'), true);
  assert.equal(fits('a/**', 'a/b/c'), false);
  assert.equal(fits('*', '.hidden'), true);
  assert.equal(hasWildcard('a\\*b'), false);
  assert.equal(hasWildcard('a[b]'), true);
});

test('no pattern is slow on any path', () => {
  const before = process.cpuUsage();
  ignored([`${'*a'.repeat(30)}b*`], 'a'.repeat(2000));
  ignored([`${'**/a/'.repeat(20)}b*`], 'a/'.repeat(500));
  assert.ok(process.cpuUsage(before).user < 3e6);
});
