import assert from 'node:assert/strict';
import { test } from 'node:test';
import type {
  AddLayerVersionPermissionResponse,
  FunctionConfiguration,
  FunctionEventInvokeConfig,
  FunctionUrlConfig,
  GetAccountSettingsResponse,
  GetLayerVersionResponse,
  GetPolicyResponse,
  ListLayersResponse,
  ListLayerVersionsResponse,
  ListTagsResponse,
  PutProvisionedConcurrencyConfigResponse,
} from '@aws-sdk/client-lambda';
import { zipOf } from './code/testing.ts';
import { newFunction, nodeZip, openTestFunctions, type TestFunctions, type TestOptions } from './testing.ts';

const NAME = { FunctionName: 'hello' };
const ARN = 'arn:aws:lambda:eu-central-1:000000000000:function:hello';

async function openHello(
  t: Parameters<typeof openTestFunctions>[0],
  options?: TestOptions,
): Promise<TestFunctions> {
  const functions = await openTestFunctions(t, options);
  await functions.call('CreateFunction', newFunction('hello', { Publish: true }));
  await functions.settled('hello');
  return functions;
}

test('layers are published, listed by what they fit, laid under functions, and outlive their deletion there', async (t) => {
  const { call, settled, functions, runTimers } = await openHello(t);
  const publish = (LayerName: string, text: string, changes: object = {}) =>
    call<GetLayerVersionResponse>('PublishLayerVersion', {
      LayerName,
      Content: { ZipFile: nodeZip(text) },
      CompatibleRuntimes: ['nodejs22.x'],
      ...changes,
    });
  const one = await publish('lib', 'one', {
    Description: 'd',
    LicenseInfo: 'MIT',
    CompatibleArchitectures: ['x86_64'],
  });
  const two = await publish('lib', 'two');
  const other = await publish('other', 'three', { CompatibleRuntimes: ['python3.11'] });
  const layer = 'arn:aws:lambda:eu-central-1:000000000000:layer:lib';
  assert.deepEqual(
    [one.LayerArn, one.LayerVersionArn, one.Version, one.LicenseInfo, one.CompatibleArchitectures],
    [layer, `${layer}:1`, 1, 'MIT', ['x86_64']],
  );
  const named = await call<GetLayerVersionResponse>('GetLayerVersionByArn', { Arn: `${layer}:1` });
  assert.equal(named.Content?.CodeSha256, one.Content?.CodeSha256);
  const python = await call<ListLayersResponse>('ListLayers', { CompatibleRuntime: 'python3.11' });
  assert.deepEqual(
    python.Layers?.map(({ LayerName }) => LayerName),
    ['other'],
  );
  const versions = await call<ListLayerVersionsResponse>('ListLayerVersions', {
    LayerName: 'lib',
    MaxItems: 1,
  });
  assert.equal(versions.LayerVersions?.[0]?.Version, 2);
  const rest = { LayerName: 'lib', Marker: versions.NextMarker };
  const older = await call<ListLayerVersionsResponse>('ListLayerVersions', rest);
  assert.deepEqual(
    older.LayerVersions?.map(({ Version }) => Version),
    [1],
  );

  const use = (Layers: (string | undefined)[]) =>
    call<FunctionConfiguration>('UpdateFunctionConfiguration', { ...NAME, Layers });
  await assert.rejects(use([`${layer}:9`]), { message: `Layer version ${layer}:9 does not exist.` });
  await assert.rejects(
    use([one.LayerVersionArn, two.LayerVersionArn]),
    /Two different versions of the same layer/,
  );
  await assert.rejects(
    use(Array.from({ length: 6 }, () => `${layer}:1`)),
    /Cannot reference more than 5 layers/,
  );
  const used = await use([other.LayerVersionArn, one.LayerVersionArn]);
  assert.deepEqual(
    used.Layers?.map(({ Arn }) => Arn),
    [other.LayerVersionArn, one.LayerVersionArn],
  );
  await settled('hello');
  await call('DeleteLayerVersion', { LayerName: 'lib', VersionNumber: 1 });
  await assert.rejects(call('GetLayerVersion', { LayerName: 'lib', VersionNumber: 1 }), {
    reason: 'ResourceNotFoundException',
  });
  runTimers();
  assert.equal(functions.catalog.resolve('hello').version.layers.length, 2);
  assert.equal((await publish('lib', 'one')).Version, 3);
});

test('code and layers together are no larger than allowed', async (t) => {
  const { call } = await openHello(t, { limits: { unzippedBytes: 1500 } });
  const ZipFile = zipOf([{ name: 'big', content: Buffer.alloc(1400) }]);
  const { LayerVersionArn } = await call<GetLayerVersionResponse>('PublishLayerVersion', {
    LayerName: 'lib',
    Content: { ZipFile },
  });
  const Layers = [LayerVersionArn];
  await call('UpdateFunctionConfiguration', { ...NAME, Layers });
  const code = { ZipFile: zipOf([{ name: 'index.js', content: Buffer.alloc(200) }]) };
  await assert.rejects(call('CreateFunction', newFunction('two', { Layers, Code: code })), {
    message: 'Unzipped size must be smaller than 1500 bytes',
  });
});

test('layer permissions are a policy of each version', async (t) => {
  const { call } = await openHello(t);
  await call('PublishLayerVersion', { LayerName: 'lib', Content: { ZipFile: nodeZip() } });
  const version = { LayerName: 'lib', VersionNumber: 1 };
  await assert.rejects(call('GetLayerVersionPolicy', version), /No policy is associated/);
  const added = await call<AddLayerVersionPermissionResponse>('AddLayerVersionPermission', {
    ...version,
    StatementId: 'all',
    Action: 'lambda:GetLayerVersion',
    Principal: '*',
  });
  assert.equal(
    JSON.parse(added.Statement ?? '').Resource,
    'arn:aws:lambda:eu-central-1:000000000000:layer:lib:1',
  );
  const { RevisionId } = await call<GetPolicyResponse>('GetLayerVersionPolicy', version);
  assert.equal(RevisionId, added.RevisionId);
  await call('RemoveLayerVersionPermission', { ...version, StatementId: 'all', RevisionId });
  await assert.rejects(call('GetLayerVersionPolicy', version), { reason: 'ResourceNotFoundException' });
});

test('a policy is what was allowed, statement by statement', async (t) => {
  const { call } = await openHello(t);
  const add = (input: object) =>
    call<{ Statement: string }>('AddPermission', { ...NAME, Action: 'lambda:InvokeFunction', ...input });
  const { Statement } = await add({
    StatementId: 's3',
    Principal: 's3.amazonaws.com',
    SourceArn: 'arn:aws:s3:::bucket',
    SourceAccount: '000000000000',
  });
  assert.deepEqual(JSON.parse(Statement), {
    Sid: 's3',
    Effect: 'Allow',
    Principal: { Service: 's3.amazonaws.com' },
    Action: 'lambda:InvokeFunction',
    Resource: ARN,
    Condition: {
      StringEquals: { 'AWS:SourceAccount': '000000000000' },
      ArnLike: { 'AWS:SourceArn': 'arn:aws:s3:::bucket' },
    },
  });
  await assert.rejects(
    add({ StatementId: 's3', Principal: '*' }),
    /statement id \(s3\) provided already exists/,
  );
  await assert.rejects(
    add({ StatementId: 'x', Principal: '*', Qualifier: '$LATEST' }),
    /do not support adding policies for \$LATEST/,
  );
  await assert.rejects(add({ StatementId: 'a b', Principal: '*' }), { reason: 'ValidationException' });
  await assert.rejects(add({ StatementId: 'x', Principal: '*', RevisionId: 'no' }), {
    reason: 'PreconditionFailedException',
  });
  await add({ StatementId: 'account', Principal: '111111111111' });
  const policy = await call<GetPolicyResponse>('GetPolicy', NAME);
  const statements = JSON.parse(policy.Policy ?? '').Statement as { Sid: string; Principal: unknown }[];
  assert.deepEqual(
    statements.map(({ Sid }) => Sid),
    ['s3', 'account'],
  );
  assert.deepEqual(statements[1]?.Principal, { AWS: 'arn:aws:iam::111111111111:root' });
  await assert.rejects(
    call('GetPolicy', { ...NAME, Qualifier: '1' }),
    /The resource you requested does not exist/,
  );
  await call('RemovePermission', { ...NAME, StatementId: 's3' });
  await call('RemovePermission', { ...NAME, StatementId: 'account' });
  await assert.rejects(call('RemovePermission', { ...NAME, StatementId: 's3' }), /Statement s3 is not found/);
  await assert.rejects(call('GetPolicy', NAME), { reason: 'ResourceNotFoundException' });
});

test('tags come and go, on functions alone', async (t) => {
  const { call, functions } = await openHello(t);
  const tags = async () => (await call<ListTagsResponse>('ListTags', { Resource: ARN })).Tags;
  await call('TagResource', { Resource: ARN, Tags: { a: '1', b: '2' } });
  await call('UntagResource', { Resource: ARN, TagKeys: ['a', 'none'] });
  assert.deepEqual(await tags(), { b: '2' });
  await assert.rejects(call('ListTags', { Resource: `${ARN}:1` }), /Tags on function aliases and versions/);
  await assert.rejects(call('ListTags', { Resource: `${ARN}x` }), { reason: 'ResourceNotFoundException' });
  await assert.rejects(call('ListTags', { Resource: 'hello' }), { reason: 'ValidationException' });
  await assert.rejects(call('TagResource', { Resource: ARN, Tags: { 'aws:x': '1' } }), /reserved/);
  const many = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`k${index}`, 'v']));
  await assert.rejects(call('TagResource', { Resource: ARN, Tags: many }), /exceeds resource tag limit/);
  // Another slice's resources have theirs where they are.
  let kept: Readonly<Record<string, string>> = {};
  functions.setTagged('event-source-mapping', {
    tags: () => kept,
    setTags(_id, next) {
      kept = next;
    },
  });
  const mapping =
    'arn:aws:lambda:eu-central-1:000000000000:event-source-mapping:00000000-0000-4000-8000-000000000000';
  await call('TagResource', { Resource: mapping, Tags: { a: '1' } });
  assert.deepEqual(kept, { a: '1' });
});

test('concurrency is reserved out of the account’s, and told to who runs functions', async (t) => {
  const { call, functions } = await openHello(t);
  const changes: string[] = [];
  using _listening = functions.catalog.onChange((name) => changes.push(name));
  const put = (ReservedConcurrentExecutions: number) =>
    call('PutFunctionConcurrency', { ...NAME, ReservedConcurrentExecutions });
  await assert.rejects(put(901), /UnreservedConcurrentExecution below its minimum value of \[100\]/);
  await assert.rejects(put(-1), { reason: 'ValidationException' });
  await put(900);
  assert.deepEqual(changes, ['hello']);
  assert.equal(functions.catalog.reservedConcurrency('hello'), 900);
  assert.equal(functions.catalog.unreservedConcurrency, 100);
  const { AccountLimit } = await call<GetAccountSettingsResponse>('GetAccountSettings', {});
  assert.deepEqual(
    [AccountLimit?.ConcurrentExecutions, AccountLimit?.UnreservedConcurrentExecutions],
    [1000, 100],
  );
  await put(0);
  assert.equal(functions.catalog.reservedConcurrency('hello'), 0);
  await call('DeleteFunctionConcurrency', NAME);
  assert.deepEqual(await call('GetFunctionConcurrency', NAME), {});
});

test('provisioned concurrency is under way until the pool says more', async (t) => {
  const { call, functions } = await openHello(t);
  const put = (Qualifier: string, ProvisionedConcurrentExecutions: number) =>
    call<PutProvisionedConcurrencyConfigResponse>('PutProvisionedConcurrencyConfig', {
      ...NAME,
      Qualifier,
      ProvisionedConcurrentExecutions,
    });
  const get = (Qualifier: string) =>
    call<PutProvisionedConcurrencyConfigResponse>('GetProvisionedConcurrencyConfig', { ...NAME, Qualifier });
  await assert.rejects(put('$LATEST', 1), /cannot be applied to unpublished function versions/);
  await assert.rejects(put('9', 1), { reason: 'ResourceNotFoundException' });
  await assert.rejects(get('1'), { reason: 'ProvisionedConcurrencyConfigNotFoundException' });
  assert.equal((await put('1', 2)).Status, 'IN_PROGRESS');
  const [asked] = functions.catalog.provisioned();
  assert.ok(asked);
  assert.deepEqual([asked.qualifier, asked.count, asked.version.version], ['1', 2, '1']);
  functions.catalog.setProvisionedStatus(asked, {
    status: 'READY',
    allocated: 2,
    available: 1,
    reason: undefined,
  });
  const ready = await get('1');
  assert.deepEqual(
    [
      ready.Status,
      ready.AllocatedProvisionedConcurrentExecutions,
      ready.AvailableProvisionedConcurrentExecutions,
    ],
    ['READY', 2, 1],
  );
  await call('CreateAlias', { ...NAME, Name: 'live', FunctionVersion: '1' });
  await assert.rejects(put('live', 1), /already Provisioned version/);
  await assert.rejects(
    call('PutFunctionConcurrency', { ...NAME, ReservedConcurrentExecutions: 1 }),
    /lower than function's total provisioned concurrency \[2\]/,
  );
  await call('DeleteProvisionedConcurrencyConfig', { ...NAME, Qualifier: '1' });
  await put('live', 1);
  await assert.rejects(put('1', 1), /Version is pointed by a Provisioned Concurrency alias/);
  assert.equal(functions.catalog.provisioned()[0]?.qualifier, 'live');
});

test('what becomes of events is said for a function, a version or an alias', async (t) => {
  const { call, functions } = await openHello(t);
  const queue = 'arn:aws:sqs:eu-central-1:000000000000:failed';
  const put = (input: object) =>
    call<FunctionEventInvokeConfig>('PutFunctionEventInvokeConfig', { ...NAME, ...input });
  await assert.rejects(put({}), /at least one of error handling or destination/);
  await assert.rejects(put({ MaximumRetryAttempts: 3 }), { reason: 'ValidationException' });
  await assert.rejects(put({ MaximumEventAgeInSeconds: 59 }), { reason: 'ValidationException' });
  await assert.rejects(
    put({ DestinationConfig: { OnSuccess: { Destination: ARN } } }),
    /destination for itself/,
  );
  const config = await put({
    MaximumRetryAttempts: 0,
    DestinationConfig: { OnFailure: { Destination: queue } },
  });
  assert.ok(config.LastModified instanceof Date);
  assert.deepEqual(
    [
      config.FunctionArn,
      config.MaximumRetryAttempts,
      config.MaximumEventAgeInSeconds,
      config.DestinationConfig,
    ],
    [`${ARN}:$LATEST`, 0, undefined, { OnSuccess: {}, OnFailure: { Destination: queue } }],
  );
  const updated = await call<FunctionEventInvokeConfig>('UpdateFunctionEventInvokeConfig', {
    ...NAME,
    MaximumEventAgeInSeconds: 60,
  });
  assert.deepEqual([updated.MaximumRetryAttempts, updated.MaximumEventAgeInSeconds], [0, 60]);
  const { catalog } = functions;
  assert.deepEqual(catalog.eventInvokeConfig(catalog.resolve('hello')), {
    maxRetries: 0,
    maxAgeSeconds: 60,
    onSuccess: undefined,
    onFailure: queue,
    deadLetterTarget: undefined,
  });
  assert.equal(catalog.eventInvokeConfig(catalog.resolve('hello:1')).maxRetries, 2);
  await call('DeleteFunctionEventInvokeConfig', NAME);
  await assert.rejects(call('GetFunctionEventInvokeConfig', NAME), {
    message: `The function ${ARN}:$LATEST doesn't have an EventInvokeConfig`,
  });
});

test('a function URL is found by its first label, and public where the policy says so', async (t) => {
  const { call, functions } = await openHello(t);
  const create = (input: object) =>
    call<FunctionUrlConfig>('CreateFunctionUrlConfig', { ...NAME, AuthType: 'NONE', ...input });
  const url = await create({ Cors: { AllowOrigins: ['https://a.example'], MaxAge: 60 } });
  const id =
    /^http:\/\/([a-z0-9]{32})\.lambda-url\.eu-central-1\.localhost:4566\/$/.exec(
      url.FunctionUrl ?? '',
    )?.[1] ?? '';
  const { catalog } = functions;
  assert.deepEqual(catalog.findUrl(id), {
    id,
    functionName: 'hello',
    qualifier: undefined,
    authType: 'NONE',
    invokeMode: 'BUFFERED',
    cors: {
      allowCredentials: false,
      allowHeaders: [],
      allowMethods: [],
      allowOrigins: ['https://a.example'],
      exposeHeaders: [],
      maxAgeSeconds: 60,
    },
    isPublic: false,
  });
  await call('AddPermission', {
    ...NAME,
    StatementId: 'url',
    Action: 'lambda:InvokeFunctionUrl',
    Principal: '*',
    FunctionUrlAuthType: 'NONE',
  });
  assert.equal(catalog.findUrl(id)?.isPublic, true);
  await assert.rejects(create({}), /FunctionUrlConfig exists for this Lambda function/);
  await assert.rejects(create({ Qualifier: '1' }), { reason: 'ValidationException' });
  await assert.rejects(create({ AuthType: 'ALL', Qualifier: 'live' }), {
    reason: 'ResourceNotFoundException',
  });
  await call('CreateAlias', { ...NAME, Name: 'live', FunctionVersion: '1' });
  const alias = await create({ Qualifier: 'live', InvokeMode: 'RESPONSE_STREAM' });
  assert.equal(alias.FunctionArn, `${ARN}:live`);
  const changed = await call<FunctionUrlConfig>('UpdateFunctionUrlConfig', {
    ...NAME,
    AuthType: 'AWS_IAM',
    Cors: {},
  });
  assert.deepEqual(
    [changed.AuthType, changed.Cors, changed.FunctionUrl],
    ['AWS_IAM', undefined, url.FunctionUrl],
  );
  await call('DeleteFunctionUrlConfig', NAME);
  assert.equal(catalog.findUrl(id), undefined);
  await assert.rejects(call('GetFunctionUrlConfig', NAME), /The resource you requested does not exist/);
});

test('what else Terraform reads is answered', async (t) => {
  const { call } = await openHello(t);
  assert.deepEqual(await call('GetFunctionCodeSigningConfig', NAME), {});
  assert.deepEqual(await call('ListCodeSigningConfigs', {}), { CodeSigningConfigs: [] });
  await assert.rejects(call('GetCodeSigningConfig', { CodeSigningConfigArn: 'x' }), {
    reason: 'ResourceNotFoundException',
  });
  assert.deepEqual(await call('GetRuntimeManagementConfig', NAME), {
    UpdateRuntimeOn: 'Auto',
    FunctionArn: ARN,
  });
  assert.deepEqual(await call('GetFunctionRecursionConfig', NAME), { RecursiveLoop: 'Terminate' });
  const manual = { ...NAME, UpdateRuntimeOn: 'Manual' };
  await assert.rejects(call('PutRuntimeManagementConfig', manual), /RuntimeVersionArn is required/);
  const RuntimeVersionArn = 'arn:aws:lambda:eu-central-1::runtime:x';
  await call('PutRuntimeManagementConfig', { ...manual, RuntimeVersionArn });
  assert.deepEqual(await call('GetRuntimeManagementConfig', NAME), {
    UpdateRuntimeOn: 'Manual',
    FunctionArn: ARN,
    RuntimeVersionArn,
  });
});
