import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError } from '@slipway/base';
import { applyMode } from './mode.ts';

test('modes are octal, or symbolic as chmod(1) has them', () => {
  const cases: [string, number, boolean, number][] = [
    ['0755', 0o600, false, 0o755],
    ['4711', 0o600, false, 0o4711],
    ['u+x', 0o644, false, 0o744],
    ['go-rwx', 0o777, false, 0o700],
    ['a=rX', 0o644, false, 0o444],
    ['a=rX', 0o755, false, 0o555],
    ['a=rX', 0o600, true, 0o555],
    ['g=u', 0o640, false, 0o660],
    ['u+s,g+s,+t', 0o755, false, 0o7755],
    ['u=rw,go=r', 0o4777, false, 0o644],
    ['+x-w', 0o666, false, 0o555],
  ];
  for (const [mode, before, isFolder, after] of cases) {
    assert.equal(applyMode(mode, before, isFolder).toString(8), after.toString(8), mode);
  }
  assert.throws(
    () => applyMode('u+q', 0, false),
    (error) => isSlipwayError(error, 'InvalidArgument'),
  );
});
