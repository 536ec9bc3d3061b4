import assert from 'node:assert/strict';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { FunctionConfiguration, GetFunctionResponse } from '@aws-sdk/client-lambda';
import { hostPath, systemClock } from '@slipway/base';
import { zipOf } from './code/testing.ts';
import { MemoryImages, newFunction, nodeZip, openTestFunctions } from './testing.ts';

const ARN = 'arn:aws:lambda:eu-central-1:000000000000:function:hello';

test('a function is answered as Pending with Lambda’s defaults, and is active behind it', async (t) => {
  const { call, settled, functions } = await openTestFunctions(t);
  const created = await call<FunctionConfiguration>('CreateFunction', newFunction('hello'));
  const { RevisionId, LastModified, CodeSize, CodeSha256, ...rest } = created;
  assert.match(RevisionId ?? '', /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.match(LastModified ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$/);
  assert.equal(CodeSize, nodeZip().byteLength);
  assert.equal(Buffer.from(CodeSha256 ?? '', 'base64').byteLength, 32);
  assert.deepEqual(rest, {
    FunctionName: 'hello',
    FunctionArn: ARN,
    Role: 'arn:aws:iam::000000000000:role/lambda',
    Runtime: 'nodejs22.x',
    Handler: 'index.handler',
    Description: '',
    Version: '$LATEST',
    MemorySize: 128,
    Timeout: 3,
    EphemeralStorage: { Size: 512 },
    Architectures: ['x86_64'],
    TracingConfig: { Mode: 'PassThrough' },
    SnapStart: { ApplyOn: 'None', OptimizationStatus: 'Off' },
    LoggingConfig: { LogFormat: 'Text', LogGroup: '/aws/lambda/hello' },
    PackageType: 'Zip',
    State: 'Pending',
    StateReason: 'The function is being created.',
    StateReasonCode: 'Creating',
  });
  assert.throws(() => functions.catalog.resolve('hello'), {
    reason: 'ResourceConflictException',
    message:
      'The operation cannot be performed at this time. The function is currently in the following state: Pending',
  });
  await settled('hello');
  const { version } = functions.catalog.resolve('hello');
  assert.ok(version.code.packageType === 'Zip');
  assert.match(readFileSync(join(version.code.folder, 'index.js'), 'utf8'), /handler/);
  const read = await call<GetFunctionResponse>('GetFunction', { FunctionName: ARN });
  assert.deepEqual(
    [read.Configuration?.State, read.Configuration?.LastUpdateStatus, read.Configuration?.StateReason],
    ['Active', 'Successful', undefined],
  );
});

test('what is written is read back', async (t) => {
  const { call, settled } = await openTestFunctions(t);
  const written = {
    Description: 'says hello',
    MemorySize: 1769,
    Timeout: 900,
    EphemeralStorage: { Size: 10_240 },
    Environment: { Variables: { GREETING: 'hi', EMPTY: '' } },
    TracingConfig: { Mode: 'Active' },
    KMSKeyArn: 'arn:aws:kms:eu-central-1:000000000000:key/1',
    DeadLetterConfig: { TargetArn: 'arn:aws:sqs:eu-central-1:000000000000:dead' },
    LoggingConfig: {
      LogFormat: 'JSON',
      ApplicationLogLevel: 'DEBUG',
      SystemLogLevel: 'WARN',
      LogGroup: '/own',
    },
  };
  const vpc = { SubnetIds: ['subnet-1'], SecurityGroupIds: ['sg-1'] };
  await call('CreateFunction', newFunction('hello', { ...written, VpcConfig: vpc, Tags: { team: 'a' } }));
  await settled('hello');
  const { Configuration, Tags } = await call<GetFunctionResponse>('GetFunction', { FunctionName: 'hello' });
  for (const [key, value] of Object.entries(written)) {
    assert.deepEqual(Configuration?.[key as 'Timeout'], value, key);
  }
  assert.deepEqual(Configuration?.VpcConfig, { ...vpc, VpcId: '', Ipv6AllowedForDualStack: false });
  assert.deepEqual(Tags, { team: 'a' });
  await call('UpdateFunctionConfiguration', {
    FunctionName: 'hello',
    Environment: { Variables: {} },
    DeadLetterConfig: { TargetArn: '' },
    LoggingConfig: { LogFormat: 'Text' },
  });
  const after = await call<FunctionConfiguration>('GetFunctionConfiguration', { FunctionName: 'hello' });
  assert.deepEqual(
    [after.Environment, after.DeadLetterConfig, after.LoggingConfig, after.Timeout],
    [{ Variables: {} }, undefined, { LogFormat: 'Text', LogGroup: '/own' }, 900],
  );
});

test('values that Lambda refuses are refused, as Lambda says it', async (t) => {
  const { call } = await openTestFunctions(t);
  const refused = async (changes: object, reason: string, message: RegExp) =>
    assert.rejects(call('CreateFunction', newFunction('hello', changes)), { reason, message });
  const validation = 'ValidationException';
  const invalid = 'InvalidParameterValueException';
  await refused({ MemorySize: 64 }, validation, /'64' at 'memorySize' .* greater than or equal to 128$/);
  await refused({ MemorySize: 10_241 }, validation, /less than or equal to 10240$/);
  await refused({ Timeout: 0 }, validation, /'0' at 'timeout'/);
  await refused(
    { Timeout: 901 },
    validation,
    /less than or equal to 900.*containers.*--function-timeout 901/,
  );
  await refused({ EphemeralStorage: { Size: 100 } }, validation, /ephemeralStorage\.size/);
  await refused({ Role: 'admin' }, validation, /'admin' at 'role'/);
  await refused({ Role: undefined }, validation, /'role'/);
  await refused({ Handler: 'a b' }, validation, /'handler'/);
  await refused({ Description: 'x'.repeat(257) }, validation, /'description'/);
  await refused({ Runtime: 'ruby3.3' }, invalid, /enum value set: \[nodejs22\.x, python3\.11\]/);
  await refused({ Handler: undefined }, invalid, /Runtime and Handler are mandatory/);
  await refused({ Architectures: ['arm64'] }, invalid, /this machine runs x86_64/);
  await refused(
    { Environment: { Variables: { AWS_REGION: 'x', A: 'b' } } },
    invalid,
    /reserved keys.*: AWS_REGION$/,
  );
  await refused({ Environment: { Variables: { '1A': 'x' } } }, validation, /environment\.variables/);
  await refused({ Environment: { Variables: { KEY: 'x'.repeat(4096) } } }, invalid, /exceeded the 4KB limit/);
  await refused({ FileSystemConfigs: [{}] }, invalid, /EFS/);
  await refused(
    { DeadLetterConfig: { TargetArn: 'arn:aws:sns:eu-central-1:000000000000:t' } },
    invalid,
    /neither a function/,
  );
  await refused({ LoggingConfig: { SystemLogLevel: 'INFO' } }, invalid, /LogFormat to JSON/);
  await refused({ FunctionName: 'a b' }, validation, /'functionName'/);
  await refused({ Code: {} }, invalid, /Please provide a source for function code/);
  await refused({ Code: { ZipFile: Buffer.alloc(0) } }, invalid, /non-empty zip/);
  await refused({ Code: { ZipFile: zipOf([]) } }, invalid, /non-empty zip/);
  await refused(
    { Code: { ZipFile: Buffer.from('no zip') } },
    invalid,
    /^Could not unzip uploaded file\. Please check your file, then try to upload again\./,
  );
  await refused({ Code: { ZipFile: zipOf([{ name: '../x' }]) } }, invalid, /^Could not unzip uploaded file/);
  await assert.rejects(call('GetFunction', { FunctionName: 'hello' }), {
    reason: 'ResourceNotFoundException',
    message: `Function not found: ${ARN}`,
  });
});

test('limits can be raised and lowered', async (t) => {
  const limits = { timeoutSeconds: 3600, zipBytes: 400, unzippedBytes: 1000 };
  const { call } = await openTestFunctions(t, { limits });
  await call('CreateFunction', newFunction('long', { Timeout: 3600 }));
  const large = zipOf([{ name: 'a', content: Buffer.alloc(900, 'abcdefg'), isStored: true }]);
  await assert.rejects(call('CreateFunction', newFunction('large', { Code: { ZipFile: large } })), {
    message: 'Zipped size must be smaller than 400 bytes',
  });
  const unzips = zipOf([{ name: 'a', content: Buffer.alloc(2000) }]);
  await assert.rejects(call('CreateFunction', newFunction('large', { Code: { ZipFile: unzips } })), {
    message: 'Unzipped size must be smaller than 1000 bytes',
  });
});

test('an update runs behind what was before, and others wait for it', async (t) => {
  const images = new MemoryImages();
  const { call, settled, functions } = await openTestFunctions(t, { images });
  images.add('app:1');
  const image = { PackageType: 'Image', Runtime: undefined, Handler: undefined, Code: { ImageUri: 'app:1' } };
  await call('CreateFunction', newFunction('hello', image));
  await settled('hello');
  const update = { FunctionName: 'hello', ImageUri: 'far.example/app:2' };
  const updated = await call<FunctionConfiguration>('UpdateFunctionCode', update);
  assert.deepEqual(
    [updated.State, updated.LastUpdateStatus, updated.LastUpdateStatusReasonCode],
    ['Active', 'InProgress', 'Creating'],
  );
  const { version } = functions.catalog.resolve('hello');
  assert.equal(version.code.packageType === 'Image' && version.code.image, images.find('app:1')?.id);
  const inProgress = {
    reason: 'ResourceConflictException',
    message: `The operation cannot be performed at this time. An update is in progress for resource: ${ARN}`,
  };
  await assert.rejects(call('UpdateFunctionCode', update), inProgress);
  await assert.rejects(
    call('UpdateFunctionConfiguration', { FunctionName: 'hello', Timeout: 9 }),
    inProgress,
  );
  await assert.rejects(call('PublishVersion', { FunctionName: 'hello' }), inProgress);
  const { id } = images.add('far.example/app:2');
  await settled('hello');
  const after = functions.catalog.resolve('hello').version;
  assert.equal(after.code.packageType === 'Image' && after.code.image, id);
  assert.deepEqual(functions.usersOf(id), ['hello']);
});

test('a function waits for its runtime, and fails with what is wrong with that', async (t) => {
  const made = Promise.withResolvers<void>();
  const { call, settled, functions } = await openTestFunctions(t, {
    prepareRuntime: async (name) => {
      if (name === 'python3.11') throw new Error('no mirror can be reached');
      await made.promise;
    },
  });
  const state = async (FunctionName: string) => {
    const { State, StateReason } = await call<FunctionConfiguration>('GetFunctionConfiguration', {
      FunctionName,
    });
    return [State, StateReason];
  };
  await call('CreateFunction', newFunction('hello'));
  assert.equal((await state('hello'))[0], 'Pending');
  assert.throws(() => functions.catalog.resolve('hello'), /currently in the following state: Pending/);
  made.resolve();
  await settled('hello');
  assert.equal((await state('hello'))[0], 'Active');
  await call('CreateFunction', newFunction('snake', { Runtime: 'python3.11' }));
  await settled('snake');
  assert.deepEqual(await state('snake'), ['Failed', 'no mirror can be reached']);
});

test('an update that fails leaves the function as it was; a creation that fails says why', async (t) => {
  const images = new MemoryImages();
  const { call, settled, functions } = await openTestFunctions(t, { images });
  const { id } = images.add('app:1');
  const image = (uri: string) => ({
    PackageType: 'Image',
    Runtime: undefined,
    Handler: undefined,
    Code: { ImageUri: uri },
  });
  await call('CreateFunction', newFunction('hello', image('app:1')));
  await settled('hello');
  images.refuse('app:2');
  await call('UpdateFunctionCode', { FunctionName: 'hello', ImageUri: 'app:2' });
  await settled('hello');
  const failed = await call<GetFunctionResponse>('GetFunction', { FunctionName: 'hello' });
  assert.deepEqual(
    [
      failed.Configuration?.State,
      failed.Configuration?.LastUpdateStatus,
      failed.Configuration?.LastUpdateStatusReasonCode,
    ],
    ['Active', 'Failed', 'ImageAccessDenied'],
  );
  assert.equal(failed.Code?.ImageUri, 'app:1');
  const { version } = functions.catalog.resolve('hello');
  assert.equal(version.code.packageType === 'Image' && version.code.image, id);

  images.refuse('app:3');
  await call('CreateFunction', newFunction('broken', image('app:3')));
  await settled('broken');
  const broken = await call<FunctionConfiguration>('GetFunctionConfiguration', { FunctionName: 'broken' });
  assert.deepEqual([broken.State, broken.StateReasonCode], ['Failed', 'ImageAccessDenied']);
  assert.throws(() => functions.catalog.resolve('broken'), /currently in the following state: Failed/);
});

test('a revision that is not the latest changes nothing, and a dry run neither', async (t) => {
  const { call, settled } = await openTestFunctions(t);
  const created = await call<FunctionConfiguration>('CreateFunction', newFunction('hello'));
  await settled('hello');
  const RevisionId = '00000000-0000-4000-8000-000000000000';
  const stale = { reason: 'PreconditionFailedException', message: /The Revision Id provided does not match/ };
  await assert.rejects(
    call('UpdateFunctionConfiguration', { FunctionName: 'hello', Timeout: 9, RevisionId }),
    stale,
  );
  const ZipFile = nodeZip('2');
  await assert.rejects(call('UpdateFunctionCode', { FunctionName: 'hello', ZipFile, RevisionId }), stale);
  await assert.rejects(call('PublishVersion', { FunctionName: 'hello', RevisionId }), stale);
  const dry = await call<FunctionConfiguration>('UpdateFunctionCode', {
    FunctionName: 'hello',
    ZipFile,
    DryRun: true,
  });
  assert.notEqual(dry.CodeSha256, created.CodeSha256);
  const read = await call<FunctionConfiguration>('GetFunctionConfiguration', { FunctionName: 'hello' });
  assert.deepEqual([read.CodeSha256, read.RevisionId], [created.CodeSha256, created.RevisionId]);
  // What does not exist is said before what is wrong otherwise.
  await assert.rejects(
    call('UpdateFunctionConfiguration', { FunctionName: 'no', Timeout: 9999, RevisionId }),
    {
      reason: 'ResourceNotFoundException',
    },
  );
  await assert.rejects(call('CreateFunction', newFunction('hello')), {
    reason: 'ResourceConflictException',
    message: 'Function already exist: hello',
  });
});

test('of many creations of one name at once, one is', async (t) => {
  const { call } = await openTestFunctions(t);
  const outcomes = await Promise.allSettled(
    Array.from({ length: 8 }, () => call('CreateFunction', newFunction('hello'))),
  );
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') assert.equal(outcome.reason.reason, 'ResourceConflictException');
  }
});

test('an object store is a folder, and nothing out of it is an object', async (t) => {
  const codeRoot = mkdtempSync(join(tmpdir(), 'slipway-objects-'));
  t.after(() => rmSync(codeRoot, { recursive: true }));
  mkdirSync(join(codeRoot, 'bucket/deep'), { recursive: true });
  writeFileSync(join(codeRoot, 'bucket/deep/app.zip'), nodeZip());
  writeFileSync(join(codeRoot, 'secret.zip'), nodeZip());
  symlinkSync('/etc/passwd', join(codeRoot, 'bucket/link.zip'));
  const { call } = await openTestFunctions(t, { codeRoot: hostPath(codeRoot) });
  const create = (name: string, S3Bucket: string, S3Key: string) =>
    call<FunctionConfiguration>('CreateFunction', newFunction(name, { Code: { S3Bucket, S3Key } }));
  assert.equal((await create('hello', 'bucket', 'deep/app.zip')).CodeSize, nodeZip().byteLength);
  const noKey = /S3 Error Code: NoSuchKey/;
  for (const key of ['none.zip', 'deep', '../../etc/passwd', 'link.zip']) {
    await assert.rejects(create('x', 'bucket', key), noKey, key);
  }
  await assert.rejects(create('x', 'none', 'app.zip'), /S3 Error Code: NoSuchBucket/);
  await assert.rejects(create('x', '..', 'secret.zip'), /NoSuchBucket/);
  const without = await openTestFunctions(t);
  const code = { Code: { S3Bucket: 'bucket', S3Key: 'deep/app.zip' } };
  await assert.rejects(without.call('CreateFunction', newFunction('x', code)), /--function-code-root/);
});

test('what functions have beyond Lambda’s is said in tags, a source folder over the Unix socket alone', async (t) => {
  const { call, settled, functions } = await openTestFunctions(t);
  const tags = { 'slipway:network': 'none', 'slipway:isolation': 'runc' };
  await call('CreateFunction', newFunction('hello', { Tags: tags }));
  await settled('hello');
  const before = functions.catalog.resolve('hello').version;
  assert.deepEqual([before.network, before.isolation, before.sourceFolder], ['none', 'runc', undefined]);
  const tag = (Tags: object, caller?: object) =>
    call('TagResource', { Resource: ARN, Tags }, caller === undefined ? {} : { caller: caller as never });
  await assert.rejects(tag({ 'slipway:source': '/srv/app' }), { reason: 'AccessDeniedException' });
  await assert.rejects(tag({ 'slipway:network': 'all' }), /outbound or none/);
  await assert.rejects(tag({ 'slipway:isolation': 'kata' }), /one of crun, runc/);
  await assert.rejects(tag({ 'slipway:other': 'x' }), /slipway:network, slipway:isolation/);
  await assert.rejects(tag({ 'slipway:source': 'app' }, { kind: 'root' }), /absolute path/);
  await tag({ 'slipway:source': '/srv/app' }, { kind: 'root' });
  const after = functions.catalog.resolve('hello').version;
  assert.equal(after.sourceFolder, '/srv/app');
  assert.notEqual(after.revisionId, before.revisionId);
});

test('a package that proves bad while it is unpacked leaves nothing', async (t) => {
  const { call, root } = await openTestFunctions(t);
  const entries = Array.from({ length: 200 }, (_, index) => ({ name: `d${index}/f`, content: `${index}` }));
  const ZipFile = zipOf([...entries, { name: 'bad', content: 'x', says: { crc: 1 } }, ...entries]);
  await assert.rejects(call('CreateFunction', newFunction('bad', { Code: { ZipFile } })), /Could not unzip/);
  assert.deepEqual(readdirSync(join(root, 'functions/code')), []);
  while (readdirSync(join(root, 'content/blobs/sha256')).length > 0) await systemClock.sleep(5);
});

test('code that was taken for nothing goes too', async (t) => {
  const { call, root, runTimers } = await openTestFunctions(t, { limits: { unzippedBytes: 500 } });
  const { LayerVersionArn } = await call<{ LayerVersionArn: string }>('PublishLayerVersion', {
    LayerName: 'lib',
    Content: { ZipFile: zipOf([{ name: 'lib', content: 'x'.repeat(400), isStored: true }]) },
  });
  const code = { ZipFile: zipOf([{ name: 'index.js', content: 'y'.repeat(400), isStored: true }]) };
  const request = newFunction('large', { Code: code, Layers: [LayerVersionArn] });
  await assert.rejects(call('CreateFunction', request), /Unzipped size/);
  runTimers();
  while (readdirSync(join(root, 'functions/code')).length > 1) await systemClock.sleep(5);
  while (readdirSync(join(root, 'content/blobs/sha256')).length > 1) await systemClock.sleep(5);
});

test('code is there once, however many have it, and stays until nothing has it', async (t) => {
  const { call, settled, root, runTimers } = await openTestFunctions(t);
  const folders = () => readdirSync(join(root, 'functions/code'));
  const blobs = () => readdirSync(join(root, 'content/blobs/sha256'));
  await call('CreateFunction', newFunction('one'));
  await call('CreateFunction', newFunction('two'));
  await settled('two');
  assert.deepEqual([folders().length, blobs().length], [1, 1]);
  await call('DeleteFunction', { FunctionName: 'one' });
  runTimers();
  await settled('two');
  assert.equal(folders().length, 1);
  await call('UpdateFunctionCode', { FunctionName: 'two', ZipFile: nodeZip('2') });
  await settled('two');
  // What runs may still need the old code.
  assert.equal(folders().length, 2);
  runTimers();
  while (folders().length > 1 || blobs().length > 1) await systemClock.sleep(5);
  assert.equal(folders().length, 1);
});
