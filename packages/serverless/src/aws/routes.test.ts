import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { CloudWatchLogsClient, DescribeLogGroupsCommand } from '@aws-sdk/client-cloudwatch-logs';
import {
  CreateFunctionCommand,
  type CreateFunctionCommandInput,
  type FunctionConfiguration,
  GetLayerVersionByArnCommand,
  type InvocationResponse,
  InvokeCommand,
  type InvokeCommandInput,
  InvokeWithResponseStreamCommand,
  LambdaClient,
  ListLayersCommand,
} from '@aws-sdk/client-lambda';
import { AWS_SERVICES } from '@slipway/api/aws';
import { silentLogger, systemClock, systemRandom } from '@slipway/base';
import { serve } from '@slipway/http';
import { type AwsCall, type AwsDoor, awsError, awsSite, operation } from './index.ts';

const KEY = { accessKeyId: 'SLWYKEY', secretAccessKey: 'its-secret' };
const GUEST = { accessKeyId: 'SLWYGUEST', secretAccessKey: 'another-secret' };
const keys = [
  { ...KEY, account: 'ada', createdAtMs: 0 },
  { ...GUEST, account: 'guest', createdAtMs: 0 },
];
const accounts: AwsDoor['accounts'] = {
  findAccessKey: (id) => keys.find((key) => key.accessKeyId === id),
  visitor: (name) => ({ name, isAdmin: name === 'ada', may: () => true }),
};

/** Operations that say what they were given. */
const calls: AwsCall[] = [];
const operations = [
  operation<CreateFunctionCommandInput, FunctionConfiguration>('CreateFunction', (input, call) => {
    calls.push(call);
    if (input.FunctionName === 'taken') {
      throw awsError('Conflict', 'ResourceConflictException', 'Function already exist: taken');
    }
    return { FunctionName: input.FunctionName, CodeSize: input.Code?.ZipFile?.byteLength };
  }),
  operation<InvokeCommandInput, Omit<InvocationResponse, 'Payload'>>('Invoke', (input) => {
    if (input.Qualifier === 'busy') {
      throw awsError('ResourceExhausted', 'TooManyRequestsException', 'Rate Exceeded.', {
        details: { Reason: 'ReservedFunctionConcurrentInvocationLimitExceeded', retryAfterSeconds: '2' },
      });
    }
    if (input.Qualifier === 'broken') throw new Error('a secret of ours');
    const { Payload } = input;
    return { StatusCode: 200, ExecutedVersion: '$LATEST', FunctionError: 'Unhandled', Payload };
  }),
  operation('InvokeWithResponseStream', () => ({
    StatusCode: 200,
    EventStream: (async function* () {
      yield { PayloadChunk: { Payload: Buffer.from('one ') } };
      yield { PayloadChunk: { Payload: Buffer.from('two') } };
      yield { InvokeComplete: { LogResult: 'bG9n' } };
    })(),
  })),
  operation('ListLayers', () => ({ Layers: [{ LayerName: 'a layer' }] })),
];

async function open(t: TestContext, asks: AwsDoor['asks'] = 'signature') {
  const options = { asks, accounts, clock: systemClock, random: systemRandom, logger: silentLogger };
  const server = await serve({
    listen: { host: '127.0.0.1', port: 0 },
    sites: [awsSite(AWS_SERVICES.lambda, operations, options), awsSite(AWS_SERVICES.logs, [], options)],
    clock: systemClock,
    logger: silentLogger,
  });
  const config = {
    endpoint: `http://127.0.0.1:${server.port}`,
    region: 'eu-central-1',
    credentials: KEY,
    maxAttempts: 1,
  };
  const client = new LambdaClient(config);
  t.after(async () => {
    client.destroy();
    await server[Symbol.asyncDispose]();
  });
  return { client, config };
}

const role = 'arn:aws:iam::000000000000:role/any';

test('an operation is run with its input, the caller and the id that the client sees', async (t) => {
  const { client, config } = await open(t);
  const made = await client.send(
    new CreateFunctionCommand({ FunctionName: 'f', Role: role, Code: { ZipFile: Buffer.alloc(5) } }),
  );
  assert.equal(made.FunctionName, 'f');
  assert.equal(made.CodeSize, 5);
  assert.equal(made.$metadata.httpStatusCode, 201);
  const call = calls.at(-1);
  assert.deepEqual(call?.caller, { kind: 'account', name: 'ada', isAdmin: true });
  assert.equal(call?.requestId, made.$metadata.requestId);
  assert.equal(call?.region, 'eu-central-1');
  assert.equal(`http://${call?.host}`, config.endpoint);
});

test('an invocation’s payload and headers come through, and its events one by one', async (t) => {
  const { client } = await open(t);
  const Payload = Buffer.from([0, 1, 255]);
  const result = await client.send(new InvokeCommand({ FunctionName: 'arn:aws:lambda:f', Payload }));
  assert.deepEqual(Buffer.from(result.Payload ?? []), Payload);
  assert.equal(result.FunctionError, 'Unhandled');
  assert.equal(result.ExecutedVersion, '$LATEST');
  const streamed = await client.send(new InvokeWithResponseStreamCommand({ FunctionName: 'f' }));
  const events: string[] = [];
  for await (const { PayloadChunk, InvokeComplete } of streamed.EventStream ?? []) {
    events.push(InvokeComplete?.LogResult ?? Buffer.from(PayloadChunk?.Payload ?? []).toString());
  }
  assert.deepEqual(events, ['one ', 'two', 'bG9n']);
});

test('exceptions arrive as they are modelled, and what broke says nothing of why', async (t) => {
  const { client } = await open(t);
  await assert.rejects(
    client.send(new CreateFunctionCommand({ FunctionName: 'taken', Role: role, Code: {} })),
    { name: 'ResourceConflictException', Type: 'User', message: 'Function already exist: taken' },
  );
  await assert.rejects(client.send(new InvokeCommand({ FunctionName: 'f', Qualifier: 'busy' })), {
    name: 'TooManyRequestsException',
    Reason: 'ReservedFunctionConcurrentInvocationLimitExceeded',
    retryAfterSeconds: '2',
  });
  await assert.rejects(client.send(new InvokeCommand({ FunctionName: 'f', Qualifier: 'broken' })), {
    name: 'ServiceException',
    message: 'internal error',
  });
});

test('operations on one path are told apart by the query, and one that is not served is named', async (t) => {
  const { client, config } = await open(t);
  assert.equal((await client.send(new ListLayersCommand())).Layers?.[0]?.LayerName, 'a layer');
  await assert.rejects(client.send(new GetLayerVersionByArnCommand({ Arn: 'arn:a' })), {
    name: 'InvalidParameterValueException',
    message: /GetLayerVersionByArn is not served/,
  });
  const logs = new CloudWatchLogsClient(config);
  await assert.rejects(logs.send(new DescribeLogGroupsCommand()), {
    name: 'InvalidOperationException',
    message: /DescribeLogGroups is not served/,
  });
  logs.destroy();
});

test('who does not sign, or not with a key that is ours, is refused in AWS’s words', async (t) => {
  const { config } = await open(t);
  const unsigned = await fetch(`${config.endpoint}/2015-03-31/functions/`);
  assert.equal(unsigned.status, 403);
  assert.equal(unsigned.headers.get('x-amzn-errortype'), 'MissingAuthenticationTokenException');
  assert.match(((await unsigned.json()) as { message: string }).message, /^Missing Authentication Token/);
  const refused = async (change: object, name: string, message: RegExp) => {
    const client = new LambdaClient({ ...config, ...change });
    await assert.rejects(client.send(new ListLayersCommand()), (error: Error & { $metadata: object }) => {
      assert.equal(error.name, name);
      assert.match(error.message, message);
      assert.equal((error.$metadata as { httpStatusCode: number }).httpStatusCode, 403);
      return true;
    });
    client.destroy();
  };
  const credentials = (change: object) => ({ credentials: { ...KEY, ...change } });
  await refused(
    credentials({ accessKeyId: 'OTHER' }),
    'UnrecognizedClientException',
    /security token.*invalid/,
  );
  await refused(credentials({ secretAccessKey: 'no' }), 'InvalidSignatureException', /does not match/);
  await refused(credentials(GUEST), 'AccessDeniedException', /guest is not authorized.*lambda:ListLayers/);
  await refused({ systemClockOffset: -3_600_000 }, 'InvalidSignatureException', /^Signature expired/);
  await refused({ signingName: 'sqs' }, 'InvalidSignatureException', /scoped to correct service: 'lambda'/);
});

test('in development any key is taken, loudly; on the socket none is asked for', async (t) => {
  const { config } = await open(t, 'any-signature');
  const path = '/2018-10-31/layers';
  assert.equal((await fetch(config.endpoint + path)).status, 403);
  const authorization = 'AWS4-HMAC-SHA256 Credential=any/20260101/us-west-2/lambda/aws4_request';
  const taken = await fetch(config.endpoint + path, { headers: { authorization } });
  assert.equal(taken.status, 200);
  assert.match(taken.headers.get('x-slipway-warning') ?? '', /any access key/);
  const socket = await open(t, 'socket');
  assert.equal((await fetch(socket.config.endpoint + path)).status, 200);
});

test('an operation that its service does not have, or has twice, is a mistake of ours', () => {
  const options = {
    asks: 'socket',
    accounts,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  } as const;
  const one = operation('Fly', () => ({}));
  assert.throws(() => awsSite(AWS_SERVICES.lambda, [one], options), { code: 'NotFound' });
  const twice = [...operations, ...operations];
  assert.throws(() => awsSite(AWS_SERVICES.lambda, twice, options), { code: 'AlreadyExists' });
});
