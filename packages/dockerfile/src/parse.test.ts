import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  DockerfileError,
  heredocScript,
  type Instruction,
  parseDockerfile,
  parseInstruction,
} from './index.ts';

const golden = join(import.meta.dirname, 'golden');

/** What was read, without places; or the error as docker prints it. */
function outcome(text: string): string {
  try {
    const { stages, globalArgs, directives, escape: token } = parseDockerfile(text);
    const plain = (_: string, value: unknown) =>
      value instanceof Map ? Object.fromEntries(value) : (value ?? undefined);
    const bare = ({ range, keyword, comments, ...rest }: Instruction) => ({
      lines: `${range.start.line}-${range.end.line}`,
      ...rest,
    });
    const read = {
      directives,
      escape: token,
      globalArgs: globalArgs.map(bare),
      stages: stages.map(({ from, instructions }) => [bare(from), ...instructions.map(bare)]),
    };
    return `${JSON.stringify(read, plain, 2)}\n`;
  } catch (error) {
    if (!(error instanceof DockerfileError)) throw error;
    return `${error.excerpt}\n${error.message}\n`;
  }
}

for (const name of readdirSync(golden)) {
  test(`reads as recorded: ${name}`, () => {
    const folder = join(golden, name);
    const read = outcome(readFileSync(join(folder, 'Dockerfile'), 'utf8'));
    if (process.env['GOLDEN'] === 'write') writeFileSync(join(folder, 'expected'), read);
    assert.equal(read, readFileSync(join(folder, 'expected'), 'utf8'));
  });
}

const instructionOf = (text: string) => parseInstruction(text);
const command = (text: string) => {
  const instruction = instructionOf(text);
  assert.ok('command' in instruction);
  return instruction.command;
};

test('an exec form is JSON, and what is nearly JSON is a line for the shell', () => {
  assert.deepEqual(command('CMD ["a", "b c"]'), { form: 'exec', args: ['a', 'b c'] });
  assert.deepEqual(command("CMD ['a']"), { form: 'shell', line: "['a']", heredocs: [] });
  assert.deepEqual(command('RUN [ -f x ] && y'), { form: 'shell', line: '[ -f x ] && y', heredocs: [] });
  assert.deepEqual(command('ENTRYPOINT []'), { form: 'exec', args: [] });
  assert.throws(() => command('CMD ["a", 1]'), /arrays must be comprised of strings only/);
});

test('a RUN that is only a here-document is a script', () => {
  const script = (text: string) => {
    const read = command(text);
    return read && heredocScript(read)?.content;
  };
  assert.equal(script('RUN <<EOF\n#!/bin/sh\nhi\nEOF'), '#!/bin/sh\nhi\n');
  assert.equal(script('RUN cat <<EOF\nhi\nEOF'), undefined);
});

test('refusals name what is wrong and what was meant', () => {
  const cases: [string, RegExp][] = [
    ['FROM a\nCPOY a b', /line 2: unknown instruction: CPOY \(did you mean COPY\?\)/],
    ['FROM a\nCOPY --form=x a b', /unknown flag: --form \(did you mean from\?\)/],
    ['FROM a\nCOPY --from=x --from=y a b', /duplicate flag specified: --from/],
    ['FROM a\nCOPY a', /COPY requires at least two arguments/],
    ['FROM a b', /FROM requires either one or three arguments/],
    ['FROM a AS 1x', /invalid name for build stage: "1x"/],
    ['FROM a\nENV a', /ENV must have two arguments/],
    ['FROM a\nENV a=b c', /can't find = in "c"/],
    ['FROM a\nENV =b', /ENV names can not be blank/],
    [
      'FROM a\nRUN --mount=type=chache,target=/x y',
      /unsupported mount type "chache" \(did you mean cache\?\)/,
    ],
    ['FROM a\nRUN --mount=type=cache,taget=/x y', /unexpected key 'taget' .*\(did you mean target\?\)/],
    ['FROM a\nRUN --mount=type=bind,uid=1 y', /uid not allowed for "bind" type mounts/],
    ['FROM a\nRUN --mount=type=cache,target=/x,mode=8 y', /invalid value 8 for mode/],
    ['FROM a\nRUN --mount=type=cache,target=/x,sharing=lock y', /unsupported sharing value "lock"/],
    ['FROM a\nRUN --mount=from=$x,target=/y y', /'from' doesn't support variable expansion/],
    ['FROM a\nRUN --network=hosts y', /invalid network mode "hosts" \(did you mean host\?\)/],
    ['FROM a\nHEALTHCHECK --interval=5 CMD x', /time: missing unit in duration "5"/],
    ['FROM a\nHEALTHCHECK --interval=5us CMD x', /cannot be less than 1ms/],
    ['FROM a\nHEALTHCHECK NONE x', /takes no arguments/],
    ['FROM a\nONBUILD FROM b', /FROM isn't allowed as an ONBUILD trigger/],
    ['FROM a\nSHELL sh', /SHELL requires the arguments to be in JSON form/],
    ['FROM a\nCOPY a <<E\nE\n', /cannot accept a heredoc as a destination/],
    ['FROM a\nRUN <<E\nx', /line 2: unterminated heredoc/],
    ['RUN x\nFROM a', /no build stage in current context/],
    ['ARG x', /contains no stages to build/],
    ['# nothing\n', /file with no instructions/],
    ['\n', /the Dockerfile cannot be empty/],
    ['# escape=x\nFROM a', /invalid escape token 'x'/],
    ['# escape=`\n# escape=`\nFROM a', /only one escape parser directive/],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => parseDockerfile(text), { name: 'DockerfileError', code: 'InvalidArgument', message });
  }
});

test('whatever the text, it is read or refused with its place', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      ...'FROM a|RUN <<EOF|EOF|COPY |ADD |ENV a=|LABEL "|HEALTHCHECK CMD|ONBUILD |--mount=type=|--from='.split(
        '|',
      ),
    ),
    fc.constantFrom(
      '\n',
      '\r\n',
      '\\\n',
      ' ',
      '"',
      "'",
      '[',
      ']',
      '#',
      '=',
      '`',
      '\t',
      '<<-',
      '$',
      '{',
      '\uFEFF',
    ),
    fc.string({ unit: 'binary', maxLength: 5 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const text = pieces.join('');
      try {
        parseDockerfile(text);
      } catch (error) {
        assert.ok(error instanceof DockerfileError, String(error));
        for (const { start, end } of error.ranges) {
          assert.ok(start.line >= 1 && end.line >= start.line && end.line <= text.split('\n').length);
        }
        assert.equal(typeof error.excerpt, 'string');
      }
    }),
    { numRuns: 2000 },
  );
});

test('exec forms come back as they were written', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), (args) => {
      assert.deepEqual(command(`CMD ${JSON.stringify(args)}`), { form: 'exec', args });
    }),
  );
});

test('here-documents come back line for line', () => {
  const line = fc.string().filter((text) => !/[\r\n]/.test(text) && text !== 'END');
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      const content = lines.map((text) => `${text}\n`).join('');
      const read = command(`RUN cat <<END\n${content}END\n`);
      assert.equal(read?.form === 'shell' && read.heredocs[0]?.content, content);
    }),
  );
});

test('a line of megabytes is read in time that grows with its length', () => {
  for (const filling of [' ', '\\', 'a ', '"a" ', '--', '# ', '\r', '<<']) {
    const text = `FROM a\nRUN x${filling.repeat(200_000)}x\n`;
    const before = process.cpuUsage();
    try {
      parseDockerfile(text);
    } catch (error) {
      assert.ok(error instanceof DockerfileError);
    }
    assert.ok(process.cpuUsage(before).user < 3e6, `slow for ${JSON.stringify(filling)}`);
  }
});
