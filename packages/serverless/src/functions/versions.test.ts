import assert from 'node:assert/strict';
import { test } from 'node:test';
import type {
  AliasConfiguration,
  FunctionConfiguration,
  ListAliasesResponse,
  ListFunctionsResponse,
  ListVersionsByFunctionResponse,
} from '@aws-sdk/client-lambda';
import type { Random } from '@slipway/base';
import { systemRandom } from '@slipway/base';
import { newFunction, nodeZip, openTestFunctions, type TestFunctions } from './testing.ts';

const NAME = { FunctionName: 'hello' };
const ARN = 'arn:aws:lambda:eu-central-1:000000000000:function:hello';

const publish = ({ call }: TestFunctions, input: object = {}) =>
  call<FunctionConfiguration>('PublishVersion', { ...NAME, ...input });

async function update({ call, settled }: TestFunctions, text: string): Promise<void> {
  await call('UpdateFunctionCode', { ...NAME, ZipFile: nodeZip(text) });
  await settled('hello');
}

test('a version is published once for what it is, and never changes', async (t) => {
  const functions = await openTestFunctions(t);
  const { call, settled } = functions;
  await call('CreateFunction', newFunction('hello'));
  await settled('hello');
  const one = await publish(functions, { Description: 'first' });
  assert.deepEqual([one.Version, one.FunctionArn, one.Description], ['1', `${ARN}:1`, 'first']);
  const again = await publish(functions, { Description: 'other' });
  assert.deepEqual([again.Version, again.Description, again.RevisionId], ['1', 'first', one.RevisionId]);
  await update(functions, '2');
  const two = await publish(functions);
  assert.equal(two.Version, '2');
  const read = await call<FunctionConfiguration>('GetFunctionConfiguration', { ...NAME, Qualifier: '1' });
  assert.equal(read.CodeSha256, one.CodeSha256);
  await assert.rejects(publish(functions, { CodeSha256: one.CodeSha256 }), {
    reason: 'InvalidParameterValueException',
    message: `CodeSHA256 (${one.CodeSha256}) is different from current CodeSHA256 in $LATEST (${two.CodeSha256}). Please try again with the CodeSHA256 in $LATEST.`,
  });
  const { Versions } = await call<ListVersionsByFunctionResponse>('ListVersionsByFunction', NAME);
  assert.deepEqual(
    Versions?.map(({ FunctionArn }) => FunctionArn),
    [`${ARN}:$LATEST`, `${ARN}:1`, `${ARN}:2`],
  );
  const published = await call<FunctionConfiguration>('UpdateFunctionCode', {
    ...NAME,
    ZipFile: nodeZip('3'),
    Publish: true,
  });
  assert.deepEqual([published.Version, published.FunctionArn], ['3', `${ARN}:3`]);
  await settled('hello');
  const three = await call<FunctionConfiguration>('GetFunctionConfiguration', { ...NAME, Qualifier: '3' });
  assert.equal(three.State, 'Active');
});

test('a version goes by itself, unless an alias names it; numbers are never given twice', async (t) => {
  const functions = await openTestFunctions(t);
  const { call, settled } = functions;
  await call('CreateFunction', newFunction('hello', { Publish: true }));
  await settled('hello');
  await call('CreateAlias', { ...NAME, Name: 'live', FunctionVersion: '1' });
  const remove = (Qualifier: string) => call('DeleteFunction', { ...NAME, Qualifier });
  await assert.rejects(remove('1'), {
    reason: 'ResourceConflictException',
    message: /aliases reference it: \[live\]/,
  });
  await assert.rejects(remove('$LATEST'), /\$LATEST version cannot be deleted without deleting the function/);
  await assert.rejects(remove('live'), /Deletion of aliases is not currently supported/);
  await call('DeleteAlias', { ...NAME, Name: 'live' });
  await remove('1');
  await remove('1');
  await assert.rejects(call('GetFunction', { ...NAME, Qualifier: '1' }), {
    message: `Function not found: ${ARN}:1`,
  });
  assert.equal((await publish(functions)).Version, '2');
  await call('DeleteFunction', NAME);
  await assert.rejects(call('DeleteFunction', NAME), { reason: 'ResourceNotFoundException' });
});

test('aliases name versions, and are refused in Lambda’s words', async (t) => {
  const functions = await openTestFunctions(t);
  const { call, settled } = functions;
  await call('CreateFunction', newFunction('hello', { Publish: true }));
  await settled('hello');
  await update(functions, '2');
  await publish(functions);
  const create = (input: object) =>
    call<AliasConfiguration>('CreateAlias', { ...NAME, Name: 'live', FunctionVersion: '1', ...input });
  const alias = await create({ Description: 'd', RoutingConfig: { AdditionalVersionWeights: { 2: 0.1 } } });
  const { RevisionId, ...rest } = alias;
  assert.deepEqual(rest, {
    AliasArn: `${ARN}:live`,
    Name: 'live',
    FunctionVersion: '1',
    Description: 'd',
    RoutingConfig: { AdditionalVersionWeights: { 2: 0.1 } },
  });
  await assert.rejects(create({}), { message: `Alias already exists: ${ARN}:live` });
  await assert.rejects(create({ Name: '12' }), { reason: 'ValidationException' });
  await assert.rejects(create({ Name: 'x', FunctionVersion: '9' }), {
    message: `Function not found: ${ARN}:9`,
  });
  const weights = (AdditionalVersionWeights: object, changes: object = {}) =>
    create({ Name: 'x', RoutingConfig: { AdditionalVersionWeights }, ...changes });
  await assert.rejects(
    weights({ 1: 0.5 }),
    /Function version 1 is already included in routing configuration/,
  );
  await assert.rejects(weights({ 2: 1.5 }), { reason: 'ValidationException' });
  await assert.rejects(weights({ 2: 0.1, 3: 0.1 }), /cannot be greater than 1/);
  await assert.rejects(
    weights({ 2: 0.5 }, { FunctionVersion: '$LATEST' }),
    /\$LATEST is not supported for an alias/,
  );
  await assert.rejects(call('GetAlias', { ...NAME, Name: 'no' }), {
    message: `Cannot find alias arn: ${ARN}:no`,
  });
  const change = { ...NAME, Name: 'live', FunctionVersion: '2', RoutingConfig: {} };
  await assert.rejects(call('UpdateAlias', { ...change, RevisionId: 'x' }), {
    reason: 'PreconditionFailedException',
  });
  const updated = await call<AliasConfiguration>('UpdateAlias', { ...change, RevisionId });
  assert.deepEqual([updated.FunctionVersion, updated.RoutingConfig], ['2', undefined]);
  const list = await call<ListAliasesResponse>('ListAliases', { ...NAME, FunctionVersion: '1' });
  assert.deepEqual(list.Aliases, []);
  const byAlias = await call<FunctionConfiguration>('GetFunctionConfiguration', {
    FunctionName: `${ARN}:live`,
  });
  assert.deepEqual([byAlias.FunctionArn, byAlias.Version], [`${ARN}:live`, '2']);
});

test('what every object has is no alias, and may be one', async (t) => {
  const functions = await openTestFunctions(t);
  const { call, settled } = functions;
  await call('CreateFunction', newFunction('hello', { Publish: true }));
  await settled('hello');
  for (const name of ['constructor', '__proto__', 'toString']) {
    assert.throws(() => functions.functions.catalog.resolve('hello', name), { code: 'NotFound' });
    await assert.rejects(call('GetFunction', { ...NAME, Qualifier: name }), { code: 'NotFound' });
    await assert.rejects(call('GetAlias', { ...NAME, Name: name }), { code: 'NotFound' });
    const RoutingConfig = { AdditionalVersionWeights: JSON.parse(`{"${name}":0.5}`) as object };
    const weighted = { ...NAME, Name: 'live', FunctionVersion: '1', RoutingConfig };
    await assert.rejects(call('CreateAlias', weighted), { code: 'NotFound' });
    await call('CreateAlias', { ...NAME, Name: name, FunctionVersion: '1' });
    await assert.rejects(call('GetPolicy', { ...NAME, Qualifier: name }), { code: 'NotFound' });
    await assert.rejects(call('GetFunctionUrlConfig', { ...NAME, Qualifier: name }), { code: 'NotFound' });
    assert.equal(functions.functions.catalog.resolve('hello', name).version.version, '1');
    await call('DeleteAlias', { ...NAME, Name: name });
    assert.throws(() => functions.functions.catalog.resolve('hello', name), { code: 'NotFound' });
  }
});

test('an alias with weights sends as many elsewhere as it says', async (t) => {
  let lot = 0;
  const random: Random = {
    hex: systemRandom.hex,
    below: (below) => Math.floor(((lot++ % 100) / 100) * below),
  };
  const functions = await openTestFunctions(t, { random });
  const { call, settled } = functions;
  await call('CreateFunction', newFunction('hello', { Publish: true }));
  await settled('hello');
  await update(functions, '2');
  await publish(functions);
  const RoutingConfig = { AdditionalVersionWeights: { 2: 0.3 } };
  await call('CreateAlias', { ...NAME, Name: 'live', FunctionVersion: '1', RoutingConfig });
  const { catalog } = functions.functions;
  const versions = Array.from({ length: 100 }, () => catalog.resolve('hello', 'live'));
  assert.equal(versions.filter(({ version }) => version.version === '2').length, 30);
  assert.deepEqual([versions[0]?.qualifier, versions[0]?.invokedArn], ['live', `${ARN}:live`]);
  assert.equal(catalog.resolve('hello').invokedArn, ARN);
  assert.equal(catalog.resolve('hello').version, catalog.resolve(ARN, '$LATEST').version);
  assert.throws(() => catalog.resolve('hello:live', '1'), { reason: 'InvalidParameterValueException' });
  assert.throws(() => catalog.resolve('hello', 'no'), { message: `Function not found: ${ARN}:no` });
});

test('lists come in pages that neither repeat nor leave out', async (t) => {
  const { call, settled } = await openTestFunctions(t);
  const names = Array.from({ length: 7 }, (_, index) => `f${index}`);
  for (const name of names) await call('CreateFunction', newFunction(name, { Publish: name === 'f3' }));
  for (const name of names) await settled(name);
  const list = async (input: object) => {
    const found: string[] = [];
    let Marker: string | undefined;
    do {
      const page: ListFunctionsResponse = await call('ListFunctions', { ...input, MaxItems: 3, Marker });
      assert.ok((page.Functions?.length ?? 0) <= 3);
      for (const { FunctionName, Version, State } of page.Functions ?? []) {
        assert.equal(State, undefined);
        found.push(`${FunctionName}:${Version}`);
      }
      Marker = page.NextMarker;
    } while (Marker !== undefined);
    return found;
  };
  assert.deepEqual(
    await list({}),
    names.map((name) => `${name}:$LATEST`),
  );
  const all = await list({ FunctionVersion: 'ALL' });
  assert.equal(all.length, 8);
  assert.deepEqual(all.slice(3, 5), ['f3:$LATEST', 'f3:1']);
  await assert.rejects(call('ListFunctions', { Marker: 'x' }), { reason: 'InvalidParameterValueException' });
});
