import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileTemplate } from './template.ts';

const DATA = {
  Name: '/web',
  State: { Status: 'running', Code: 3 },
  Ports: { '80/tcp': [{ HostPort: '8080' }], '53/udp': null },
  Env: ['A=1', 'B=2'],
  Empty: null,
};

const CASES: readonly (readonly [string, string])[] = [
  ['{{.Name}}', '/web'],
  ['{{ .State.Status | upper }}', 'RUNNING'],
  ['{{json .Env}}', '["A=1","B=2"]'],
  ['{{join .Env ","}}', 'A=1,B=2'],
  ['{{range .Env}}[{{.}}]{{end}}', '[A=1][B=2]'],
  ['{{range $i, $e := .Env}}{{$i}}={{$e}};{{end}}', '0=A=1;1=B=2;'],
  [
    '{{range $p, $b := .Ports}}{{$p}}->{{with $b}}{{(index . 0).HostPort}}{{else}}-{{end}} {{end}}',
    '53/udp->- 80/tcp->8080 ',
  ],
  ['{{(index (index .Ports "80/tcp") 0).HostPort}}', '8080'],
  ['{{if eq .State.Status "exited"}}a{{else if gt .State.Code 2}}b{{else}}c{{end}}', 'b'],
  ['{{if and .Name (not .Empty)}}yes{{end}}', 'yes'],
  ['a {{- " b " -}} c', 'a b c'],
  ['{{/* nothing */}}x', 'x'],
  ['{{printf "%-6s|%03d" "ab" 7}}', 'ab    |007'],
  ['{{slice .Name 1}} {{len .Env}} {{truncate .Name 2}}', 'web 2 /w'],
  ['{{.State}}', 'map[Code:3 Status:running]'],
  ['{{.State.Health}}', '<no value>'],
  ['{{println "x"}}', 'x\n'],
];

for (const [source, expected] of CASES) {
  test(`the template ${source} renders as Go renders it`, () => {
    assert.equal(compileTemplate(source)(DATA), expected);
  });
}

test('a field that there is not is an error, not silence', () => {
  assert.throws(() => compileTemplate('{{.Nmae}}')(DATA), /no field Nmae.*Name/);
  assert.throws(() => compileTemplate('{{if .Name}}'), /no \{\{end\}\}/);
  assert.throws(() => compileTemplate('{{constructor 1}}')(DATA), /not defined/);
});

test('any template renders or is refused with an InvalidArgument', () => {
  const word = fc.constantFrom(
    '{{',
    '}}',
    '.',
    '.Name',
    'if ',
    'end',
    'range ',
    '$x',
    ':=',
    '|',
    '(',
    ')',
    '"',
    ' ',
    'json ',
    'else',
    '1',
    '-',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(word, fc.string({ maxLength: 3 }))), (words) => {
      try {
        compileTemplate(words.join(''))(DATA);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'InvalidArgument', String(error));
      }
    }),
  );
});
