import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { MemoryImages, newFunction, nodeZip, openTestFunctions } from './testing.ts';

const NAME = { FunctionName: 'hello' };

/** Everything that can be read of a function. */
async function readAll(call: (name: string, input: object) => Promise<object>) {
  return {
    versions: await call('ListVersionsByFunction', NAME),
    aliases: await call('ListAliases', NAME),
    policy: await call('GetPolicy', { ...NAME, Qualifier: 'live' }),
    tags: await call('ListTags', { Resource: 'arn:aws:lambda:eu-central-1:000000000000:function:hello' }),
    concurrency: await call('GetFunctionConcurrency', NAME),
    provisioned: await call('ListProvisionedConcurrencyConfigs', NAME),
    events: await call('ListFunctionEventInvokeConfigs', NAME),
    urls: await call('ListFunctionUrlConfigs', NAME),
    management: await call('GetRuntimeManagementConfig', NAME),
    recursion: await call('GetFunctionRecursionConfig', NAME),
    layers: await call('ListLayers', {}),
  };
}

test('everything is there again when the records are opened again', async (t) => {
  const first = await openTestFunctions(t);
  const { call, settled, root } = first;
  const { LayerVersionArn } = await call<{ LayerVersionArn: string }>('PublishLayerVersion', {
    LayerName: 'lib',
    Content: { ZipFile: nodeZip('lib') },
  });
  await call(
    'CreateFunction',
    newFunction('hello', { Publish: true, Layers: [LayerVersionArn], Tags: { a: 'b' } }),
  );
  await settled('hello');
  await call('UpdateFunctionConfiguration', { ...NAME, Timeout: 9 });
  await settled('hello');
  await call('PublishVersion', { ...NAME, Description: 'second' });
  const routing = { AdditionalVersionWeights: { 1: 0.25 } };
  await call('CreateAlias', { ...NAME, Name: 'live', FunctionVersion: '2', RoutingConfig: routing });
  const permission = { StatementId: 's', Action: 'lambda:InvokeFunction', Principal: 's3.amazonaws.com' };
  await call('AddPermission', { ...NAME, Qualifier: 'live', ...permission });
  await call('PutFunctionConcurrency', { ...NAME, ReservedConcurrentExecutions: 5 });
  await call('PutProvisionedConcurrencyConfig', {
    ...NAME,
    Qualifier: '2',
    ProvisionedConcurrentExecutions: 1,
  });
  await call('PutFunctionEventInvokeConfig', { ...NAME, MaximumRetryAttempts: 0 });
  await call('CreateFunctionUrlConfig', { ...NAME, AuthType: 'NONE', Cors: { AllowOrigins: ['*'] } });
  await call('PutRuntimeManagementConfig', { ...NAME, UpdateRuntimeOn: 'FunctionUpdate' });
  await call('PutFunctionRecursionConfig', { ...NAME, RecursiveLoop: 'Allow' });
  const before = await readAll(call);
  await first[Symbol.asyncDispose]();

  const second = await openTestFunctions(t, { root });
  const withoutSignatures = (value: object) => JSON.stringify(value).replace(/\?Expires[^"]*/g, '');
  assert.equal(withoutSignatures(await readAll(second.call)), withoutSignatures(before));
  const resolved = second.functions.catalog.resolve('hello:2');
  assert.equal(resolved.version.timeoutMs, 9000);
  assert.equal(resolved.version.layers.length, 1);
});

test('what a crash cut off is taken up again, and what nobody names is removed', async (t) => {
  const images = new MemoryImages();
  const first = await openTestFunctions(t, { images });
  const { call, root } = first;
  const image = {
    PackageType: 'Image',
    Runtime: undefined,
    Handler: undefined,
    Code: { ImageUri: 'far/app' },
  };
  await call('CreateFunction', newFunction('image', image));
  await call('CreateFunction', newFunction('hello'));
  await first[Symbol.asyncDispose]();
  // The package is in the content store; its folder can be made again.
  const code = join(root, 'functions/code');
  for (const name of readdirSync(code)) rmSync(join(code, name), { recursive: true });
  mkdirSync(join(code, '.unpacking-0123456789abcdef/half'), { recursive: true });
  mkdirSync(join(code, 'f'.repeat(64)));
  writeFileSync(join(code, 'f'.repeat(64), 'orphan.js'), '');

  const here = new MemoryImages();
  here.add('far/app');
  const second = await openTestFunctions(t, { root, images: here });
  await second.settled('image');
  await second.settled('hello');
  assert.equal(readdirSync(code).length, 1);
  const { version } = second.functions.catalog.resolve('hello');
  assert.ok(version.code.packageType === 'Zip');
  assert.deepEqual(readdirSync(version.code.folder), ['index.js']);
  assert.equal(second.functions.catalog.resolve('image').version.code.packageType, 'Image');
});

test('a function whose code folder was lost while it was active has it again', async (t) => {
  const first = await openTestFunctions(t);
  await first.call('CreateFunction', newFunction('hello'));
  await first.settled('hello');
  await first[Symbol.asyncDispose]();
  const code = join(first.root, 'functions/code');
  for (const name of readdirSync(code)) rmSync(join(code, name), { recursive: true });
  const second = await openTestFunctions(t, { root: first.root });
  const { version } = second.functions.catalog.resolve('hello');
  assert.ok(version.code.packageType === 'Zip');
  assert.deepEqual(readdirSync(version.code.folder), ['index.js']);
});
