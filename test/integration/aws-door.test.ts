import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  GetLogEventsCommand,
  ListIntegrationsCommand,
  PutLogEventsCommand,
  StartLiveTailCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { DeleteCodeSigningConfigCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { ListMessageMoveTasksCommand, SQSClient } from '@aws-sdk/client-sqs';
import { peers, without } from './harness/peers.ts';
import { useEngine } from './harness/suite.ts';

const REGION = 'eu-central-1';
/** An operation that this daemon does not serve, and that the oldest clients know. */
const ARN = 'arn:aws:lambda:eu-central-1:000000000000:code-signing-config:csc-0123456789abcdef0';
const PATH = `/2020-04-22/code-signing-configs/${encodeURIComponent(ARN)}`;
const remove = new DeleteCodeSigningConfigCommand({ CodeSigningConfigArn: ARN });

interface AccessKey {
  readonly UserName: string;
  readonly AccessKeyId: string;
  readonly SecretAccessKey: string;
}

const engine = await useEngine({ port: 'free' });
const endpoint = `http://localhost:${engine.port}`;

const made = await engine.slipway('iam', 'create-access-key', '--format', 'json');
const { AccessKey: key } = JSON.parse(made.stdout) as { readonly AccessKey: AccessKey };

const environment = (change: Partial<AccessKey> = {}) => ({
  AWS_ACCESS_KEY_ID: change.AccessKeyId ?? key.AccessKeyId,
  AWS_SECRET_ACCESS_KEY: change.SecretAccessKey ?? key.SecretAccessKey,
  AWS_DEFAULT_REGION: REGION,
  AWS_MAX_ATTEMPTS: '1',
  AWS_PAGER: '',
  HOME: engine.root,
});

const config = (change: Partial<AccessKey> = {}) => ({
  endpoint,
  region: REGION,
  maxAttempts: 1,
  credentials: {
    accessKeyId: change.AccessKeyId ?? key.AccessKeyId,
    secretAccessKey: change.SecretAccessKey ?? key.SecretAccessKey,
  },
});

describe('access keys', () => {
  test('the first is root’s, in AWS’s shape, and the registry asks nobody for a login because of it', async () => {
    assert.deepEqual(Object.keys(key).sort(), [
      'AccessKeyId',
      'CreateDate',
      'SecretAccessKey',
      'Status',
      'UserName',
    ]);
    assert.equal(key.UserName, 'root');
    assert.equal((await fetch(`${endpoint}/v2/`)).status, 200);
    const users = await engine.slipway('registry', 'users', 'ls');
    assert.match(users.stdout, /^root +true +none/m);
  });

  test('they are listed without their secrets, and one that was removed signs nothing', async () => {
    const another = await engine.slipway('iam', 'create-access-key');
    const [, id = '', secret = ''] =
      /^AWS_ACCESS_KEY_ID=(\S+)\nAWS_SECRET_ACCESS_KEY=(\S+)\n$/.exec(another.stdout) ?? [];
    const listed = await engine.slipway('iam', 'list-access-keys', '--format', 'json');
    const { AccessKeyMetadata: keys } = JSON.parse(listed.stdout) as { AccessKeyMetadata: AccessKey[] };
    assert.deepEqual(keys.map((one) => one.AccessKeyId).sort(), [id, key.AccessKeyId].sort());
    assert.doesNotMatch(listed.stdout, /Secret/);
    const client = new LambdaClient(config({ AccessKeyId: id, SecretAccessKey: secret }));
    await assert.rejects(client.send(remove), { name: 'InvalidParameterValueException' });
    await engine.slipway('iam', 'delete-access-key', '--access-key-id', id);
    await assert.rejects(client.send(remove), { name: 'UnrecognizedClientException' });
    client.destroy();
    const nobody = await engine.slipway('iam', 'create-access-key', '--user-name', 'nobody');
    assert.match(nobody.stderr, /there is no account "nobody"/);
  });
});

test('an operation that is not served is named to AWS’s own clients, whatever their protocol', async () => {
  const lambda = new LambdaClient(config());
  const logs = new CloudWatchLogsClient(config());
  const sqs = new SQSClient(config());
  await assert.rejects(lambda.send(remove), {
    name: 'InvalidParameterValueException',
    message: /DeleteCodeSigningConfig is not served here/,
  });
  await assert.rejects(logs.send(new ListIntegrationsCommand()), {
    name: 'InvalidOperationException',
    message: /ListIntegrations is not served here/,
  });
  await assert.rejects(sqs.send(new ListMessageMoveTasksCommand({ SourceArn: 'arn:aws:sqs:::q' })), {
    name: 'UnsupportedOperation',
    message: /ListMessageMoveTasks is not served here/,
  });
  for (const client of [lambda, logs, sqs]) client.destroy();
});

test('log lines are written, read and followed with AWS’s own client', async () => {
  // The client puts `stream-` before the host of this one operation.
  const logs = new CloudWatchLogsClient({ ...config(), disableHostPrefix: true });
  const [logGroupName, logStreamName] = ['/door/test', 'one'];
  const named = { logGroupName, logStreamName };
  await logs.send(new CreateLogGroupCommand({ logGroupName }));
  await logs.send(new CreateLogStreamCommand(named));
  await assert.rejects(logs.send(new CreateLogGroupCommand({ logGroupName })), {
    name: 'ResourceAlreadyExistsException',
  });
  const logGroupIdentifiers = [`arn:aws:logs:${REGION}:000000000000:log-group:${logGroupName}`];
  const { responseStream } = await logs.send(new StartLiveTailCommand({ logGroupIdentifiers }));
  const seen: string[] = [];
  for await (const { sessionStart, sessionUpdate } of responseStream ?? []) {
    if (sessionStart !== undefined) {
      const logEvents = [{ timestamp: Date.now(), message: 'grüß dich' }];
      await logs.send(new PutLogEventsCommand({ ...named, logEvents }));
    }
    seen.push(...(sessionUpdate?.sessionResults ?? []).map(({ message }) => message ?? ''));
    if (seen.length > 0) break;
  }
  assert.deepEqual(seen, ['grüß dich']);
  const { events } = await logs.send(new GetLogEventsCommand({ ...named, startFromHead: true }));
  assert.deepEqual(
    events?.map(({ message }) => message),
    ['grüß dich'],
  );
  logs.destroy();
});

test('unsigned requests, wrong secrets and pages of other sites are refused', async () => {
  const unsigned = await fetch(endpoint + PATH);
  assert.equal(unsigned.status, 403);
  assert.equal(unsigned.headers.get('x-amzn-errortype'), 'MissingAuthenticationTokenException');
  assert.match(unsigned.headers.get('x-amzn-requestid') ?? '', /^[0-9a-f-]{36}$/);
  const client = new LambdaClient(config({ SecretAccessKey: 'wrong' }));
  await assert.rejects(client.send(remove), {
    name: 'InvalidSignatureException',
  });
  client.destroy();
  const foreign = await fetch(endpoint + PATH, { headers: { origin: 'https://example.com' } });
  assert.equal(foreign.status, 403);
  assert.equal(foreign.headers.get('x-amzn-errortype'), null);
});

test('the Unix socket needs no signature, and is Docker’s as before', async () => {
  const answer = await engine.api({ method: 'DELETE', path: PATH });
  assert.equal(answer.status, 400);
  assert.match(answer.text, /DeleteCodeSigningConfig is not served here/);
  const target = { 'x-amz-target': 'AmazonSQS.ListMessageMoveTasks' };
  const queue = await engine.api({ method: 'POST', path: '/', body: {}, headers: target });
  assert.equal(queue.headers['x-amzn-errortype'], 'UnsupportedOperation');
  assert.equal((await engine.api({ path: '/v1.44/info' })).status, 200);
  const groups = await engine.api({ path: '/schedule-groups' });
  assert.equal(groups.headers['x-amzn-errortype'], 'ValidationException');
  assert.match(groups.text, /ListScheduleGroups is not served here/);
});

describe('the aws CLI', { skip: without('aws') }, () => {
  const aws = (change: Partial<AccessKey>, ...args: readonly string[]) =>
    engine.run([peers.aws ?? 'aws', ...args, '--endpoint-url', endpoint], { env: environment(change) });

  test('it is let in with its key, and told what is wrong', async () => {
    const command = ['lambda', 'delete-code-signing-config', '--code-signing-config-arn', ARN];
    const served = await aws({}, ...command);
    assert.match(served.stderr, /\(InvalidParameterValueException\).*is not served here/);
    const wrong = await aws({ SecretAccessKey: 'wrong' }, ...command);
    assert.match(wrong.stderr, /\(InvalidSignatureException\).*does not match/);
    const unknown = await aws({ AccessKeyId: 'AKIDOTHER' }, 'logs', 'describe-resource-policies');
    assert.match(unknown.stderr, /\(UnrecognizedClientException\).*security token/);
  });

  test('one that speaks queues’ old protocol is told to be newer', async () => {
    const old = await aws({}, 'sqs', 'list-queues');
    assert.match(old.stderr, /\(UnsupportedOperation\).*query protocol, which is not served/);
  });
});

describe('boto3', { skip: without('boto3') }, () => {
  test('its clients are let in and get exceptions as they are modelled', async () => {
    const program = `
import boto3
from botocore.exceptions import ClientError
for service, operation, members in (
    ('lambda', 'delete_code_signing_config', {'CodeSigningConfigArn': '${ARN}'}),
    ('logs', 'describe_resource_policies', {}),
):
    client = boto3.client(service, endpoint_url='${endpoint}')
    try:
        getattr(client, operation)(**members)
    except ClientError as error:
        print(type(error).__name__, error.response['Error']['Message'], len(error.response['ResponseMetadata']['RequestId']))
`;
    const { stdout, stderr } = await engine.run(['/usr/bin/python3', '-c', program], { env: environment() });
    assert.match(
      stdout,
      /^InvalidParameterValueException .*DeleteCodeSigningConfig is not served here 36$/m,
      stderr,
    );
    assert.match(
      stdout,
      /^(?:InvalidOperationException|ClientError) .*DescribeResourcePolicies is not served here 36$/m,
    );
  });
});
