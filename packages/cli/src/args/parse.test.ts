import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CREATE_FLAGS } from '../run/flags.ts';
import { parseArguments } from './parse.ts';

const run = (...argv: string[]) => parseArguments(argv, CREATE_FLAGS, { interspersed: false });

test('short flags join, take values in every form, and end at the image', () => {
  const { flags, args } = run('-it', '-p80:80', '-p', '81:81', '-p=82:82', '-e', 'A=b', 'img', '-x', '--rm');
  assert.deepEqual([flags.interactive, flags.tty, flags.rm], [true, true, false]);
  assert.deepEqual(flags.publish, ['80:80', '81:81', '82:82']);
  assert.deepEqual(args, ['img', '-x', '--rm']);
});

test('booleans take a value only after an equals sign', () => {
  assert.equal(run('--rm=false', 'img').flags.rm, false);
  assert.deepEqual(run('--rm', 'false').args, ['false']);
  assert.throws(() => run('--rm=maybe'), /invalid argument "maybe" for --rm/);
});

test('flags may follow arguments where the command allows it, up to --', () => {
  const { flags, args } = parseArguments(['a', '--rm', '--', '--tty'], CREATE_FLAGS, { interspersed: true });
  assert.equal(flags.rm, true);
  assert.deepEqual(args, ['a', '--tty']);
});

test('an unknown flag or a missing value is named', () => {
  assert.throws(() => run('--nope'), /unknown flag: --nope/);
  assert.throws(() => run('--__proto__=1'), /unknown flag/);
  assert.throws(() => run('-Z'), /unknown shorthand flag: 'Z' in -Z/);
  assert.throws(() => run('--name'), /flag needs an argument: --name/);
});

test('any words are read or refused with an InvalidArgument', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), (argv) => {
      try {
        run(...argv);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'InvalidArgument');
      }
    }),
  );
});
