import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import {
  AddPermissionCommand,
  CreateAliasCommand,
  CreateFunctionCommand,
  CreateFunctionUrlConfigCommand,
  DeleteFunctionCommand,
  GetAccountSettingsCommand,
  GetAliasCommand,
  GetFunctionCodeSigningConfigCommand,
  GetFunctionCommand,
  GetFunctionConcurrencyCommand,
  GetFunctionConfigurationCommand,
  GetFunctionEventInvokeConfigCommand,
  GetFunctionRecursionConfigCommand,
  GetFunctionUrlConfigCommand,
  GetLayerVersionCommand,
  GetPolicyCommand,
  GetProvisionedConcurrencyConfigCommand,
  GetRuntimeManagementConfigCommand,
  LambdaClient,
  ListTagsCommand,
  ListVersionsByFunctionCommand,
  PublishLayerVersionCommand,
  PublishVersionCommand,
  PutFunctionConcurrencyCommand,
  PutFunctionEventInvokeConfigCommand,
  PutProvisionedConcurrencyConfigCommand,
  paginateListFunctions,
  RemovePermissionCommand,
  ResourceConflictException,
  ResourceNotFoundException,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateFunctionCodeCommand,
  UpdateFunctionConfigurationCommand,
  waitUntilFunctionActiveV2,
  waitUntilFunctionUpdatedV2,
} from '@aws-sdk/client-lambda';
import { LINK_MODE, zipOf } from '../../packages/serverless/src/functions/code/testing.ts';
import { loadRuntimes } from './harness/functions.ts';
import { peers, without } from './harness/peers.ts';
import { useEngine } from './harness/suite.ts';

const REGION = 'eu-central-1';
const ROLE = 'arn:aws:iam::000000000000:role/lambda';
const QUEUE = `arn:aws:sqs:${REGION}:000000000000:failed`;

const objects = await mkdtemp(join(tmpdir(), 'slt-objects-'));
after(() => rm(objects, { recursive: true }));
const engine = await useEngine({ port: 'free', flags: ['--function-code-root', objects] });
await loadRuntimes(engine, ['nodejs22.x', 'python3.11']);
const endpoint = `http://localhost:${engine.port}`;
const made = await engine.slipway('iam', 'create-access-key', '--format', 'json');
const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey } = JSON.parse(made.stdout).AccessKey;
const lambda = new LambdaClient({
  endpoint,
  region: REGION,
  maxAttempts: 1,
  credentials: { accessKeyId, secretAccessKey },
});
after(() => lambda.destroy());

const wait = { client: lambda, maxWaitTime: 30, minDelay: 1, maxDelay: 1 };
const nodeZip = (text = 'exports.handler = async () => 1'): Buffer =>
  zipOf([{ name: 'index.js', content: text }]);
const newFunction = (FunctionName: string, ZipFile = nodeZip()) => ({
  FunctionName,
  Role: ROLE,
  Runtime: 'nodejs22.x' as const,
  Handler: 'index.handler',
  Code: { ZipFile },
});

async function create(name: string, changes: object = {}): Promise<void> {
  await lambda.send(new CreateFunctionCommand({ ...newFunction(name), ...changes }));
  await waitUntilFunctionActiveV2(wait, { FunctionName: name });
}

describe('AWS’s SDK for JavaScript', () => {
  test('a function is created, waited for, read, updated, published, aliased and deleted', async () => {
    const FunctionName = 'life';
    const created = await lambda.send(new CreateFunctionCommand(newFunction(FunctionName)));
    assert.deepEqual([created.State, created.StateReasonCode], ['Pending', 'Creating']);
    await waitUntilFunctionActiveV2(wait, { FunctionName });
    const code = nodeZip('exports.handler = async () => 2');
    await lambda.send(new UpdateFunctionCodeCommand({ FunctionName, ZipFile: code }));
    await waitUntilFunctionUpdatedV2(wait, { FunctionName });
    const configured = await lambda.send(
      new UpdateFunctionConfigurationCommand({
        FunctionName,
        Timeout: 30,
        Environment: { Variables: { STAGE: 'b' } },
      }),
    );
    assert.equal(configured.LastUpdateStatus, 'InProgress');
    await waitUntilFunctionUpdatedV2(wait, { FunctionName });
    const { Version, CodeSha256 } = await lambda.send(new PublishVersionCommand({ FunctionName }));
    assert.equal(Version, '1');
    const alias = await lambda.send(
      new CreateAliasCommand({ FunctionName, Name: 'live', FunctionVersion: '1', RoutingConfig: {} }),
    );
    const live = { FunctionName, Qualifier: 'live' };
    const read = await lambda.send(new GetFunctionCommand(live));
    assert.deepEqual(
      [read.Configuration?.FunctionArn, read.Configuration?.CodeSha256, read.Configuration?.Timeout],
      [alias.AliasArn, CodeSha256, 30],
    );
    const location = read.Code?.Location ?? '';
    assert.deepEqual(Buffer.from(await (await fetch(location)).arrayBuffer()), code);
    const forged = location.replace(/Expires=\d/, 'Expires=9');
    assert.equal((await fetch(forged)).status, 403);
    await lambda.send(new DeleteFunctionCommand({ FunctionName }));
    await assert.rejects(lambda.send(new GetFunctionCommand({ FunctionName })), ResourceNotFoundException);
  });

  test('errors come as they are modelled', async () => {
    await create('errors');
    const FunctionName = 'errors';
    await assert.rejects(lambda.send(new CreateFunctionCommand(newFunction('errors'))), (error) => {
      assert.ok(error instanceof ResourceConflictException);
      assert.deepEqual([error.$metadata.httpStatusCode, error.Type], [409, 'User']);
      return true;
    });
    const update = new UpdateFunctionConfigurationCommand({ FunctionName, Timeout: 5, RevisionId: 'other' });
    await assert.rejects(lambda.send(update), { name: 'PreconditionFailedException' });
    await assert.rejects(
      lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName, Timeout: 901 })),
      { name: 'ValidationException', message: /containers are for.*--function-timeout 901/ },
    );
    await assert.rejects(
      lambda.send(
        new PutProvisionedConcurrencyConfigCommand({
          FunctionName,
          Qualifier: '$LATEST',
          ProvisionedConcurrentExecutions: 1,
        }),
      ),
      { name: 'InvalidParameterValueException' },
    );
    await lambda.send(new PublishVersionCommand({ FunctionName }));
    await assert.rejects(
      lambda.send(new GetProvisionedConcurrencyConfigCommand({ FunctionName, Qualifier: '1' })),
      {
        name: 'ProvisionedConcurrencyConfigNotFoundException',
      },
    );
  });

  test('hostile packages are refused with Lambda’s words, and leave nothing', async () => {
    const codeFolder = join(engine.dataRoot, 'functions/code');
    const before = await readdir(codeFolder);
    const bomb = zipOf([{ name: 'zeros', content: Buffer.alloc(20 << 20), says: { sizeBytes: 1 << 20 } }]);
    const zips = {
      'a zip bomb': bomb,
      'out by ..': zipOf([{ name: '../../evil', content: 'x' }]),
      'an absolute path': zipOf([{ name: '/evil', content: 'x' }]),
      'a link out': zipOf([{ name: 'l', content: '../../..', mode: LINK_MODE }]),
      'a corrupt file': zipOf([{ name: 'index.js', content: 'x', says: { crc: 7 } }]),
      'no zip': Buffer.from('PK but no more'),
    };
    for (const [what, zip] of Object.entries(zips)) {
      await assert.rejects(
        lambda.send(new CreateFunctionCommand(newFunction('hostile', zip))),
        (error: Error) => {
          assert.equal(error.name, 'InvalidParameterValueException', what);
          assert.match(
            error.message,
            /^Could not unzip uploaded file\. Please check your file, then try to upload again\./,
          );
          return true;
        },
      );
    }
    const large = zipOf([{ name: 'zeros', content: Buffer.alloc(262_144_001) }]);
    await assert.rejects(lambda.send(new CreateFunctionCommand(newFunction('hostile', large))), {
      message: 'Unzipped size must be smaller than 262144000 bytes',
    });
    assert.deepEqual(await readdir(codeFolder), before);
  });

  test('lists come in pages', async () => {
    const names = ['page-1', 'page-2', 'page-3'];
    for (const name of names) await lambda.send(new CreateFunctionCommand(newFunction(name)));
    const found: (string | undefined)[] = [];
    for await (const page of paginateListFunctions({ client: lambda, pageSize: 2 }, {})) {
      assert.ok((page.Functions?.length ?? 0) <= 2);
      found.push(...(page.Functions ?? []).map(({ FunctionName }) => FunctionName));
    }
    assert.deepEqual(
      found.filter((name) => name?.startsWith('page-')),
      names,
    );
    assert.equal(new Set(found).size, found.length);
  });

  test('an image function keeps its image; what is not there makes it fail', async () => {
    const image = (FunctionName: string, ImageUri: string) =>
      new CreateFunctionCommand({ FunctionName, Role: ROLE, PackageType: 'Image', Code: { ImageUri } });
    await engine.mustDocker('tag', 'busybox:latest', 'function-image:1');
    await lambda.send(image('image', 'function-image:1'));
    await waitUntilFunctionActiveV2(wait, { FunctionName: 'image' });
    const { Code, Configuration } = await lambda.send(new GetFunctionCommand({ FunctionName: 'image' }));
    assert.match(Code?.ResolvedImageUri ?? '', /^function-image@sha256:[0-9a-f]{64}$/);
    assert.deepEqual([Configuration?.PackageType, Configuration?.CodeSize], ['Image', 0]);
    await engine.mustDocker('rmi', 'busybox:latest');
    const removed = await engine.docker('rmi', 'function-image:1');
    assert.match(removed.stderr, /function image is using its referenced image/);
    await lambda.send(image('lost', `localhost:${engine.port}/none:1`));
    await assert.rejects(waitUntilFunctionActiveV2(wait, { FunctionName: 'lost' }));
    const lost = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName: 'lost' }));
    assert.deepEqual([lost.State, lost.StateReasonCode], ['Failed', 'InvalidImage']);
    await lambda.send(new DeleteFunctionCommand({ FunctionName: 'image' }));
    await engine.mustDocker('tag', 'function-image:1', 'busybox:latest');
    await engine.mustDocker('rmi', 'function-image:1');
  });

  test('what is acknowledged is there after kill -9 at any time, and so is its code', async () => {
    const packageOf = (name: string) => nodeZip(`// ${name} `.repeat(2_000));
    const fetchCode = async (FunctionName: string) => {
      const { Code } = await lambda.send(new GetFunctionCommand({ FunctionName }));
      return Buffer.from(await (await fetch(Code?.Location ?? '')).arrayBuffer());
    };
    const acknowledged: string[] = [];
    for (let round = 0; round < 5; round++) {
      const names = Array.from({ length: 6 }, (_, index) => `kill-${round}-${index}`);
      const asking = names.map(async (name) => {
        await lambda.send(new CreateFunctionCommand(newFunction(name, packageOf(name))));
        acknowledged.push(name);
      });
      const asked = Promise.allSettled(asking);
      await Promise.any(asking);
      await setTimeout(round * 3);
      await engine.kill();
      await asked;
      await engine.start();
      for (const FunctionName of acknowledged) {
        await waitUntilFunctionActiveV2(wait, { FunctionName });
        assert.deepEqual(await fetchCode(FunctionName), packageOf(FunctionName));
      }
      const folders = await readdir(join(engine.dataRoot, 'functions/code'));
      assert.ok(
        folders.every((name) => /^[0-9a-f]{64}$/.test(name)),
        folders.join(' '),
      );
    }
    assert.ok(acknowledged.length < 30, 'none was in the middle');
    // A collection of garbage keeps packages.
    await engine.mustDocker('image', 'prune', '-af');
    const [first = ''] = acknowledged;
    assert.deepEqual(await fetchCode(first), packageOf(first));
  });
});

test('what Terraform’s provider does to make a function with all that belongs to it reads back as it was written', async () => {
  const FunctionName = 'terraform';
  // aws_lambda_layer_version
  const layer = await lambda.send(
    new PublishLayerVersionCommand({
      LayerName: 'terraform',
      Content: { ZipFile: nodeZip('layer') },
      CompatibleRuntimes: ['nodejs22.x'],
      Description: 'shared',
    }),
  );
  const version = { LayerName: layer.LayerArn, VersionNumber: layer.Version };
  const readLayer = await lambda.send(new GetLayerVersionCommand(version));
  assert.deepEqual(
    [readLayer.Description, readLayer.Content?.CodeSha256],
    ['shared', layer.Content?.CodeSha256],
  );
  // aws_lambda_function: made from the object store, waited for, read.
  await mkdir(join(objects, 'artifacts'));
  await writeFile(join(objects, 'artifacts/app.zip'), nodeZip());
  const written = {
    Description: 'made by Terraform',
    MemorySize: 256,
    Timeout: 10,
    Environment: { Variables: { STAGE: 'test' } },
    EphemeralStorage: { Size: 1024 },
    TracingConfig: { Mode: 'PassThrough' as const },
    DeadLetterConfig: { TargetArn: QUEUE },
    LoggingConfig: {
      LogFormat: 'JSON' as const,
      ApplicationLogLevel: 'WARN' as const,
      SystemLogLevel: 'INFO' as const,
      LogGroup: '/tf',
    },
    Architectures: [process.arch === 'arm64' ? ('arm64' as const) : ('x86_64' as const)],
  };
  await lambda.send(
    new CreateFunctionCommand({
      ...newFunction(FunctionName),
      ...written,
      Code: { S3Bucket: 'artifacts', S3Key: 'app.zip' },
      Layers: [layer.LayerVersionArn ?? ''],
      Tags: { team: 'a', stage: 'test' },
      Publish: true,
    }),
  );
  await waitUntilFunctionActiveV2(wait, { FunctionName });
  await lambda.send(new PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions: 20 }));
  const { Configuration, Tags, Concurrency } = await lambda.send(new GetFunctionCommand({ FunctionName }));
  for (const [key, value] of Object.entries(written))
    assert.deepEqual(Configuration?.[key as 'Timeout'], value, key);
  assert.deepEqual(
    Configuration?.Layers?.map(({ Arn }) => Arn),
    [layer.LayerVersionArn],
  );
  assert.deepEqual(Tags, { team: 'a', stage: 'test' });
  assert.equal(Concurrency?.ReservedConcurrentExecutions, 20);
  const signing = await lambda.send(new GetFunctionCodeSigningConfigCommand({ FunctionName }));
  assert.equal(signing.CodeSigningConfigArn, undefined);
  const versions = await lambda.send(new ListVersionsByFunctionCommand({ FunctionName, MaxItems: 10_000 }));
  assert.deepEqual(
    versions.Versions?.map(({ Version }) => Version),
    ['$LATEST', '1'],
  );
  assert.equal(versions.Versions?.at(-1)?.FunctionArn, `${Configuration?.FunctionArn}:1`);
  // aws_lambda_alias, aws_lambda_permission, aws_lambda_provisioned_concurrency_config
  await lambda.send(new CreateAliasCommand({ FunctionName, Name: 'live', FunctionVersion: '1' }));
  const alias = await lambda.send(new GetAliasCommand({ FunctionName, Name: 'live' }));
  assert.deepEqual([alias.FunctionVersion, alias.RoutingConfig], ['1', undefined]);
  const permission = { FunctionName, Qualifier: 'live', StatementId: 'AllowS3' };
  await lambda.send(
    new AddPermissionCommand({
      ...permission,
      Action: 'lambda:InvokeFunction',
      Principal: 's3.amazonaws.com',
      SourceArn: 'arn:aws:s3:::bucket',
    }),
  );
  const { Policy } = await lambda.send(new GetPolicyCommand({ FunctionName, Qualifier: 'live' }));
  const [statement] = JSON.parse(Policy ?? '').Statement;
  assert.deepEqual([statement.Sid, statement.Resource], ['AllowS3', alias.AliasArn]);
  await lambda.send(new RemovePermissionCommand(permission));
  await assert.rejects(
    lambda.send(new GetPolicyCommand({ FunctionName, Qualifier: 'live' })),
    ResourceNotFoundException,
  );
  // aws_lambda_function_event_invoke_config, aws_lambda_function_url, aws_lambda_runtime_management_config
  await lambda.send(
    new PutFunctionEventInvokeConfigCommand({
      FunctionName,
      MaximumRetryAttempts: 1,
      MaximumEventAgeInSeconds: 60,
      DestinationConfig: { OnFailure: { Destination: QUEUE } },
    }),
  );
  const events = await lambda.send(new GetFunctionEventInvokeConfigCommand({ FunctionName }));
  assert.deepEqual(
    [
      events.MaximumRetryAttempts,
      events.MaximumEventAgeInSeconds,
      events.DestinationConfig?.OnFailure?.Destination,
    ],
    [1, 60, QUEUE],
  );
  assert.ok(events.LastModified instanceof Date);
  const Cors = { AllowOrigins: ['*'], AllowMethods: ['GET'], MaxAge: 60 };
  await lambda.send(new CreateFunctionUrlConfigCommand({ FunctionName, AuthType: 'NONE', Cors }));
  const url = await lambda.send(new GetFunctionUrlConfigCommand({ FunctionName }));
  assert.deepEqual([url.AuthType, url.Cors, url.InvokeMode], ['NONE', Cors, 'BUFFERED']);
  const host = new RegExp(`^http://[a-z0-9]{32}\\.lambda-url\\.${REGION}\\.localhost:${engine.port}/$`);
  assert.match(url.FunctionUrl ?? '', host);
  const management = await lambda.send(new GetRuntimeManagementConfigCommand({ FunctionName }));
  assert.equal(management.UpdateRuntimeOn, 'Auto');
  assert.equal(
    (await lambda.send(new GetFunctionRecursionConfigCommand({ FunctionName }))).RecursiveLoop,
    'Terminate',
  );
  // The next plan: tags change, the rest is read again.
  const Resource = Configuration?.FunctionArn ?? '';
  await lambda.send(new TagResourceCommand({ Resource, Tags: { team: 'b' } }));
  await lambda.send(new UntagResourceCommand({ Resource, TagKeys: ['stage'] }));
  assert.deepEqual((await lambda.send(new ListTagsCommand({ Resource }))).Tags, { team: 'b' });
  const concurrency = await lambda.send(new GetFunctionConcurrencyCommand({ FunctionName }));
  assert.equal(concurrency.ReservedConcurrentExecutions, 20);
  const { AccountLimit } = await lambda.send(new GetAccountSettingsCommand({}));
  assert.equal(AccountLimit?.UnreservedConcurrentExecutions, 980);
  await lambda.send(new DeleteFunctionCommand({ FunctionName }));
});

const environment = {
  AWS_ACCESS_KEY_ID: accessKeyId,
  AWS_SECRET_ACCESS_KEY: secretAccessKey,
  AWS_DEFAULT_REGION: REGION,
  AWS_MAX_ATTEMPTS: '1',
  AWS_PAGER: '',
  HOME: engine.root,
};

test('the aws CLI creates, waits, updates, lists and deletes', { skip: without('aws') }, async () => {
  const zip = join(engine.root, 'function.zip');
  await writeFile(zip, nodeZip('cli'));
  const aws = async (...args: readonly string[]) => {
    const run = await engine.run(
      [peers.aws ?? 'aws', 'lambda', ...args, '--endpoint-url', endpoint, '--output', 'json'],
      { env: environment },
    );
    assert.equal(run.code, 0, run.stderr);
    return run.stdout === '' ? {} : JSON.parse(run.stdout);
  };
  const named = ['--function-name', 'cli'];
  const code = ['--zip-file', `fileb://${zip}`];
  const how = ['--runtime', 'python3.11', '--handler', 'app.handler', '--role', ROLE];
  const created = await aws('create-function', ...named, ...how, ...code, '--tags', 'a=b', '--no-publish');
  assert.equal(created.State, 'Pending');
  await aws('wait', 'function-active', ...named);
  await aws(
    'update-function-configuration',
    ...named,
    '--environment',
    'Variables={STAGE=b}',
    '--memory-size',
    '512',
  );
  await aws('wait', 'function-updated', ...named);
  await aws('update-function-code', ...named, ...code, '--publish');
  await aws('wait', 'function-updated', ...named);
  await aws('create-alias', ...named, '--name', 'live', '--function-version', '1');
  const read = await aws('get-function', ...named, '--qualifier', 'live');
  assert.deepEqual(
    [read.Configuration.Version, read.Configuration.MemorySize, read.Configuration.Environment, read.Tags],
    ['1', 512, { Variables: { STAGE: 'b' } }, { a: 'b' }],
  );
  const listed = await aws('list-functions', '--max-items', '1');
  assert.equal(listed.Functions.length, 1);
  await aws('delete-function', ...named);
});

test('boto3 creates, waits, publishes layers and gets exceptions as they are modelled', {
  skip: without('boto3'),
}, async () => {
  const zip = join(engine.root, 'boto.zip');
  await writeFile(zip, nodeZip('boto'));
  const program = `
import boto3
client = boto3.client('lambda', endpoint_url='${endpoint}')
package = open('${zip}', 'rb').read()
layer = client.publish_layer_version(LayerName='boto', Content={'ZipFile': package})
client.create_function(FunctionName='boto', Role='${ROLE}', Runtime='python3.11', Handler='app.handler',
                       Code={'ZipFile': package}, Layers=[layer['LayerVersionArn']])
client.get_waiter('function_active').wait(FunctionName='boto')
client.put_function_concurrency(FunctionName='boto', ReservedConcurrentExecutions=0)
print(client.get_function(FunctionName='boto')['Concurrency'])
config = client.put_function_event_invoke_config(FunctionName='boto', MaximumRetryAttempts=0)
print(config['LastModified'].year > 2000)
try:
    client.create_function(FunctionName='boto', Role='${ROLE}', Runtime='python3.11', Handler='a.b', Code={'ZipFile': package})
except client.exceptions.ResourceConflictException as error:
    print(error.response['Error']['Message'])
names = [f['FunctionName'] for page in client.get_paginator('list_functions').paginate(PaginationConfig={'PageSize': 1}) for f in page['Functions']]
print('boto' in names)
client.delete_function(FunctionName='boto')
`;
  const { stdout, stderr } = await engine.run(['/usr/bin/python3', '-c', program], { env: environment });
  assert.equal(
    stdout,
    "{'ReservedConcurrentExecutions': 0}\nTrue\nFunction already exist: boto\nTrue\n",
    stderr,
  );
});

test('over the Unix socket no signature is asked for, and a folder of the host may be the source', async () => {
  const tags = { 'slipway:source': '/srv/app', 'slipway:network': 'none' };
  await create('socket');
  const arn = `arn:aws:lambda:${REGION}:000000000000:function:socket`;
  await assert.rejects(lambda.send(new TagResourceCommand({ Resource: arn, Tags: tags })), {
    name: 'AccessDeniedException',
  });
  const path = `/2017-03-31/tags/${encodeURIComponent(arn)}`;
  const tagged = await engine.api({ method: 'POST', path, body: { Tags: tags } });
  assert.equal(tagged.status, 204, tagged.text);
  assert.deepEqual((await lambda.send(new ListTagsCommand({ Resource: arn }))).Tags, tags);
  const read = await engine.api({ path: '/2015-03-31/functions/socket' });
  assert.match(JSON.parse(read.text).Code.Location, new RegExp(`^http://localhost:${engine.port}/slipway/`));
  assert.doesNotMatch(engine.log, /Signature=/);
});
