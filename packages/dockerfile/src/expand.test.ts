// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these variables are the Dockerfile's

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { expand, expandWord, expandWords } from './index.ts';

const env = new Map([
  ['x', 'value'],
  ['empty', ''],
  ['path', '/usr/local/lib/a.tar.gz'],
  ['two', 'a  b'],
  ['star', 'a*b*c'],
  ['1', 'one'],
  ['é', 'accent'],
]);

test('words expand as BuildKit expands them', () => {
  const cases: [string, string][] = [
    ['$x', 'value'],
    ['${x}y', 'valuey'],
    ['$xy', ''],
    ['$x.$x', 'value.value'],
    ['\\$x', '$x'],
    ["'$x'", '$x'],
    ['"$x"', 'value'],
    ['"\\$x \\" \\a"', '$x " \\a'],
    ['a\\ b', 'a b'],
    ['a\\', 'a'],
    ['$', '$'],
    ['$.', '$.'],
    ['$é', 'accent'],
    ['$12', ''],
    ['$1a', 'onea'],
    ['${nope:-$x}', 'value'],
    ['${nope:-${empty:-deep}}', 'deep'],
    ['${empty:-y}', 'y'],
    ['${empty-y}', ''],
    ['${nope-y}', 'y'],
    ['${x:+y}', 'y'],
    ['${empty:+y}', ''],
    ['${empty+y}', 'y'],
    ['${nope+y}', ''],
    ['${x:?no}', 'value'],
    ['${empty?no}', ''],
    ['${x:-"a}b"}', 'value'],
    ['${nope:-"a}b"}', 'a}b'],
    ['${path#*/}', 'usr/local/lib/a.tar.gz'],
    ['${path##*/}', 'a.tar.gz'],
    ['${path%.*}', '/usr/local/lib/a.tar'],
    ['${path%%.*}', '/usr/local/lib/a'],
    ['${path#nope}', '/usr/local/lib/a.tar.gz'],
    ['${path#/???}', '/local/lib/a.tar.gz'],
    ['${star#*\\*}', 'b*c'],
    ['${star%\\**}', 'a*b'],
    ['${path/l/L}', '/usr/Local/lib/a.tar.gz'],
    ['${path//l/L}', '/usr/LocaL/Lib/a.tar.gz'],
    ['${path//\\//-}', '-usr-local-lib-a.tar.gz'],
    ['${x/*/$two}', 'a  b'],
    ['${x/v?l/}', 'ue'],
    ['${nope/a/b}', ''],
    ['${x//}', 'error'],
  ];
  for (const [word, expected] of cases) {
    if (expected === 'error') assert.throws(() => expandWord(word, env), { code: 'InvalidArgument' });
    else assert.equal(expandWord(word, env), expected, word);
  }
});

test('the escape of the file escapes, and a backslash is then a character', () => {
  assert.equal(expandWord('`$x C:\\dir', env, { escape: '`' }), '$x C:\\dir');
});

test('a here-document keeps its quotes and takes its variables', () => {
  assert.equal(expandWord('\'$x\' "$x" \\$x', env, { quotes: false }), '\'value\' "value" $x');
});

test('values split into words, quoted ones do not', () => {
  assert.deepEqual(expandWords('$two "$two" c\\ d ""', env), ['a', 'b', 'a  b', 'c d']);
  assert.deepEqual(expandWords('pre$two', env), ['prea', 'b']);
});

test('what was used and what is undefined is told', () => {
  const { used, undefined: missing } = expand('$x ${a:-b} $c ${d#e} ${f?}', new Map([...env, ['f', '']]));
  assert.deepEqual([...used], ['x', 'f']);
  assert.deepEqual([...missing], ['a', 'c', 'd']);
});

test('what cannot be expanded is refused in words that say why', () => {
  const cases: [string, RegExp][] = [
    ['"a', /matching double-quote/],
    ["'a", /matching single-quote/],
    ['${', /missing '}'/],
    ['${x', /missing '}'/],
    ['${x:-a', /missing '}'/],
    ['${x:', /missing '}'/],
    ['${}', /bad substitution/],
    ['${:x}', /bad substitution/],
    ['${x!y}', /unsupported modifier \(!\)/],
    ['${x:=y}', /unsupported modifier \(:=\)/],
    ['${x/a', /missing '\/' in/],
    ['${x#\\a}', /invalid escape '\\a'/],
    ['${nope?}', /nope: is not allowed to be unset/],
    ['${empty:?}', /empty: is not allowed to be empty/],
    ['${nope:?say so}', /nope: say so/],
    ['${a:-'.repeat(10_000), /too deep/],
  ];
  for (const [word, message] of cases) {
    assert.throws(() => expandWord(word, env), { code: 'InvalidArgument', reason: 'DOCKERFILE', message });
  }
});

test('text of single quotes comes back as it was', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme' }).filter((text) => !text.includes("'")),
      (text) => assert.equal(expandWord(`'${text}'`, env), text),
    ),
  );
});

test('whatever the word, it is expanded or refused', () => {
  const piece = fc.constantFrom(...'$ { } x : - + ? # % / \\ " \' * a ` ! é'.split(' '), ' ');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      try {
        expandWord(pieces.join(''), env);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'InvalidArgument');
      }
    }),
    { numRuns: 3000 },
  );
});

test('no pattern is slow on any value', () => {
  const long = new Map([['v', 'a'.repeat(3000)]]);
  const before = process.cpuUsage();
  expandWord(`\${v##${'*a'.repeat(30)}b}`, long);
  expandWord(`\${v%%b${'a*'.repeat(30)}}`, long);
  assert.ok(process.cpuUsage(before).user < 2e6);
});
