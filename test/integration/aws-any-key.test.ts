import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LambdaClient, ListFunctionsCommand } from '@aws-sdk/client-lambda';
import { useEngine } from './harness/suite.ts';

const engine = await useEngine({ port: 'free', flags: ['--accept-any-access-key'] });

test('a daemon that was told so takes any access key, and says it in its log and in every answer', async () => {
  const endpoint = `http://localhost:${engine.port}`;
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const client = new LambdaClient({ endpoint, region: 'us-east-1', credentials, maxAttempts: 1 });
  assert.deepEqual((await client.send(new ListFunctionsCommand())).Functions, []);
  client.destroy();
  const unsigned = await fetch(`${endpoint}/2015-03-31/functions`);
  assert.equal(unsigned.status, 403);
  assert.match(unsigned.headers.get('x-slipway-warning') ?? '', /any access key/);
  assert.match(engine.log, /--accept-any-access-key/);
});
