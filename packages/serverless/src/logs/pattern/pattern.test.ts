import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parsePattern } from './index.ts';

const LINE = '127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534';
const JSON_LINE = JSON.stringify({
  level: 'error',
  ms: 120,
  user: { name: 'Ada', 'e-mail': 'ada@example.org' },
  tags: ['a', 'b'],
  done: true,
  left: null,
});

/** Patterns, a line, and whether it matches, as the documentation of CloudWatch Logs has it. */
const CASES: readonly (readonly [pattern: string, line: string, matches: boolean])[] = [
  ['', 'anything', true],
  ['ERROR', '[ERROR 400] BAD REQUEST', true],
  ['ERROR', 'error', false],
  ['ERROR REQUEST', '[ERROR 400] BAD REQUEST', true],
  ['ERROR ARGUMENTS', '[ERROR 400] BAD REQUEST', false],
  ['?ERROR ?ARGUMENTS', 'bad ARGUMENTS', true],
  ['?ERROR ?ARGUMENTS', 'fine', false],
  ['ERROR -ARGUMENTS', 'ERROR in ARGUMENTS', false],
  ['ERROR -ARGUMENTS', 'ERROR elsewhere', true],
  ['"INTERNAL SERVER ERROR"', 'an INTERNAL SERVER ERROR', true],
  ['"INTERNAL SERVER ERROR"', 'INTERNAL ERROR of the SERVER', false],
  ['%AUTHORIZED%', 'UNAUTHORIZED 401', true],
  ['%^4[0-9]*$%', '404', true],
  ['%^4[0-9]*$%', '1404', false],
  ['[ip, id, user, time, request, status=4*, bytes]', LINE, true],
  ['[ip, id, user, time, request, status=5*, bytes]', LINE, false],
  ['[..., status = 404 || status = 410, bytes > 1500]', LINE, true],
  ['[..., bytes > 1000 && bytes < 1500]', LINE, false],
  ['[ip != 127.0.0.1, ...]', LINE, false],
  ['[a, b]', LINE, false],
  ['{ $.level = "error" }', JSON_LINE, true],
  ['{ $.level = "err*" && $.ms > 100 }', JSON_LINE, true],
  ['{ $.level != "error" || $.ms < 100 }', JSON_LINE, false],
  ["{ ($.ms >= 120) && ($.user.name = Ada) && ($.user['e-mail'] = *@example.org) }", JSON_LINE, true],
  ['{ $.tags[1] = "b" }', JSON_LINE, true],
  ['{ $.tags[*] = "c" }', JSON_LINE, false],
  ['{ $.done IS TRUE && $.left IS NULL }', JSON_LINE, true],
  ['{ $.none NOT EXISTS }', JSON_LINE, true],
  ['{ $.level = %^err% }', JSON_LINE, true],
  ['{ $.level = "error" }', 'no JSON', false],
];

test('a pattern matches the lines that CloudWatch Logs says it matches', () => {
  for (const [pattern, line, matches] of CASES) {
    assert.equal(parsePattern(pattern)(line), matches, `${pattern} on ${line}`);
  }
});

test('a pattern that is not understood is refused with its place', () => {
  for (const pattern of [
    '"open',
    '{ $.a = }',
    '{ $.a = 1',
    '[a, ..., ...]',
    '%(a+)+%',
    '{ level = 1 }',
    '{ $.a > x }',
  ]) {
    assert.throws(() => parsePattern(pattern), { reason: 'InvalidParameterException' }, pattern);
  }
});

test('no text makes the parser do anything but parse or refuse', () => {
  const words = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    '$.a',
    '=',
    '"',
    '%',
    '&&',
    '||',
    '(',
    ')',
    '?',
    '-',
    '*',
    ' ',
    'x',
    '1',
    '...',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(words).map((parts) => parts.join('')),
      ),
      (text) => {
        try {
          assert.equal(typeof parsePattern(text)('a line "of" [words] {"a":1}'), 'boolean');
        } catch (error) {
          assert.equal((error as { reason?: string }).reason, 'InvalidParameterException');
        }
      },
    ),
    { numRuns: 2_000 },
  );
});
