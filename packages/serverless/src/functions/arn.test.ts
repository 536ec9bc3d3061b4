import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFunctionReference, parseLayerReference } from './arn.ts';

const ACCOUNT = '000000000000';
const parse = (text: string, qualifier?: string) => parseFunctionReference(text, qualifier, ACCOUNT);
const ARN = `arn:aws:lambda:eu-central-1:${ACCOUNT}:function:hello`;

test('a function is named by its name, a partial or a whole ARN, with a version or an alias', () => {
  for (const text of ['hello', 'function:hello', `${ACCOUNT}:function:hello`, ARN]) {
    assert.deepEqual(parse(text), { name: 'hello', qualifier: undefined }, text);
    assert.deepEqual(parse(`${text}:live`), { name: 'hello', qualifier: 'live' }, text);
    assert.deepEqual(parse(`${text}:$LATEST`), { name: 'hello', qualifier: '$LATEST' }, text);
    assert.deepEqual(parse(text, '7'), { name: 'hello', qualifier: '7' }, text);
  }
  assert.deepEqual(parse(`${ARN}:live`, 'live'), { name: 'hello', qualifier: 'live' });
});

test('two qualifiers that differ, and names that are none, are refused', () => {
  assert.throws(() => parse('hello:live', 'test'), {
    reason: 'InvalidParameterValueException',
    message: 'The derived qualifier from the function name does not match the specified qualifier.',
  });
  for (const text of ['', 'a b', 'a/b', '../x', 'x'.repeat(65), 'arn:aws:s3:::bucket', `${ARN}:a:b`, 'ü']) {
    assert.throws(() => parse(text), { reason: 'ValidationException' }, text);
  }
  assert.throws(() => parse('hello', 'no such'), { reason: 'ValidationException' });
});

test('a function of another account is none of ours', () => {
  assert.throws(
    () => parse('arn:aws:lambda:eu-central-1:111111111111:function:hello'),
    /account 111111111111/,
  );
});

test('layers are named by name or ARN, with or without a version', () => {
  const arn = `arn:aws:lambda:eu-central-1:${ACCOUNT}:layer:lib`;
  assert.deepEqual(parseLayerReference('lib', ACCOUNT), { name: 'lib', version: undefined });
  assert.deepEqual(parseLayerReference(arn, ACCOUNT), { name: 'lib', version: undefined });
  assert.deepEqual(parseLayerReference(`${arn}:12`, ACCOUNT), { name: 'lib', version: 12 });
  assert.equal(parseLayerReference(`${arn}:x`, ACCOUNT), undefined);
  assert.equal(parseLayerReference(arn.replace(ACCOUNT, '111111111111'), ACCOUNT), undefined);
});
