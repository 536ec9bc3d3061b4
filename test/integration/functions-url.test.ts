import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { describe, test } from 'node:test';
import { Sha256 } from '@aws-crypto/sha256-js';
import {
  AddPermissionCommand,
  CreateFunctionUrlConfigCommand,
  type CreateFunctionUrlConfigRequest,
  PutFunctionConcurrencyCommand,
} from '@aws-sdk/client-lambda';
import { SignatureV4 } from '@smithy/signature-v4';
import { nodeZip, npmFiles, REGION, useFunctions } from './harness/functions.ts';
import { zipOf } from './harness/zip.ts';

const { engine, lambda } = await useFunctions();
const { client } = lambda;

interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

/** One request to a function URL. Its host leads to this machine, but not every resolver knows that. */
async function ask(url: string, { method = 'GET', path = '/', headers = {}, body }: Asked = {}) {
  const { host, port } = new URL(url);
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
  const sent = httpRequest({
    host: '127.0.0.1',
    port,
    method,
    path,
    headers: { host, ...length, ...headers },
    agent: false,
  });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  const at: number[] = [];
  let hasBroken = false;
  try {
    for await (const chunk of response) {
      chunks.push(chunk as Buffer);
      at.push(Date.now());
    }
  } catch {
    hasBroken = true;
  }
  return {
    status: response.statusCode,
    headers: response.headers,
    body: Buffer.concat(chunks),
    text: Buffer.concat(chunks).toString(),
    spreadMs: (at.at(-1) ?? 0) - (at[0] ?? 0),
    hasBroken,
  };
}

async function urlOf(
  FunctionName: string,
  fields: Partial<CreateFunctionUrlConfigRequest> = {},
): Promise<string> {
  const AuthType = fields.AuthType ?? 'NONE';
  const made = await client.send(new CreateFunctionUrlConfigCommand({ FunctionName, AuthType, ...fields }));
  if (AuthType === 'NONE') {
    await client.send(
      new AddPermissionCommand({
        FunctionName,
        StatementId: 'public',
        Action: 'lambda:InvokeFunctionUrl',
        Principal: '*',
        FunctionUrlAuthType: 'NONE',
      }),
    );
  }
  return made.FunctionUrl ?? '';
}

describe('a function URL', () => {
  test('gives the function the request, and the client what it answers', async () => {
    const source = `export const handler = async (event) => ({
      statusCode: 202, headers: { 'X-Method': event.requestContext.http.method }, cookies: ['a=1', 'b=2'],
      body: Buffer.from(JSON.stringify(event)).toString('base64'), isBase64Encoded: true });`;
    await lambda.create('echo', nodeZip(source));
    const url = await urlOf('echo');
    const answer = await ask(url, {
      method: 'DELETE',
      path: '/things/%C3%A9?x=1&x=2',
      headers: { cookie: 'c=3; d=4', 'content-type': 'application/octet-stream' },
      body: '\u00ff',
    });
    assert.deepEqual([answer.status, answer.headers['x-method']], [202, 'DELETE']);
    assert.deepEqual(answer.headers['set-cookie'], ['a=1', 'b=2']);
    const event = JSON.parse(answer.text);
    assert.equal(event.version, '2.0');
    assert.deepEqual([event.rawPath, event.rawQueryString], ['/things/%C3%A9', 'x=1&x=2']);
    assert.deepEqual([event.cookies, event.queryStringParameters], [['c=3', 'd=4'], { x: '1,2' }]);
    assert.deepEqual([event.isBase64Encoded, Buffer.from(event.body, 'base64').toString()], [true, '\u00ff']);
    assert.equal(event.requestContext.accountId, 'anonymous');
  });

  test('is closed to everybody until the policy opens it', async () => {
    await lambda.create('closed', nodeZip('export const handler = async () => "in";'));
    const made = await client.send(
      new CreateFunctionUrlConfigCommand({ FunctionName: 'closed', AuthType: 'NONE' }),
    );
    const answer = await ask(made.FunctionUrl ?? '');
    assert.equal(answer.status, 403);
    assert.match(JSON.parse(answer.text).Message, /^Forbidden/);
    assert.equal((await ask(`http://nobody.lambda-url.${REGION}.localhost:${engine.port}/`)).status, 403);
  });

  test('asks for a signature where it has to, and knows a wrong one', async () => {
    await lambda.create(
      'signed',
      nodeZip('export const handler = async (e) => e.requestContext.authorizer.iam;'),
    );
    const url = await urlOf('signed', { AuthType: 'AWS_IAM' });
    const { hostname, port, host } = new URL(url);
    const sign = async (secretAccessKey: string) => {
      const signer = new SignatureV4({
        service: 'lambda',
        region: REGION,
        sha256: Sha256,
        credentials: { ...lambda.key, secretAccessKey },
      });
      const { headers } = await signer.sign({
        method: 'POST',
        protocol: 'http:',
        hostname,
        port: Number(port),
        path: '/a',
        headers: { host },
        body: 'hello',
      });
      return await ask(url, { method: 'POST', path: '/a', headers, body: 'hello' });
    };
    assert.equal((await ask(url)).status, 403);
    const right = await sign(lambda.key.secretAccessKey);
    assert.deepEqual([right.status, JSON.parse(right.text).accessKey], [200, lambda.key.accessKeyId]);
    assert.equal((await sign('wrong')).status, 403);
  });

  test('answers for functions that fail, are throttled, or get too much', async () => {
    const source = `export const handler = async (e) => { if (e.rawPath === '/throw') throw new Error('no'); process.exit(1); };`;
    await lambda.create('failing', nodeZip(source));
    const url = await urlOf('failing');
    for (const path of ['/throw', '/exit']) {
      const { status, text } = await ask(url, { path });
      assert.deepEqual([status, text], [502, 'Internal Server Error']);
    }
    const large = { method: 'POST', body: 'x'.repeat(6_291_457) };
    assert.equal((await ask(url, large)).status, 413);
    await client.send(
      new PutFunctionConcurrencyCommand({ FunctionName: 'failing', ReservedConcurrentExecutions: 0 }),
    );
    const throttled = await ask(url);
    assert.deepEqual([throttled.status, JSON.parse(throttled.text).message], [429, 'Rate Exceeded.']);
  });

  test('speaks CORS for the function, to pages of other sites', async () => {
    await lambda.create('shared', nodeZip('export const handler = async () => ({ ok: true });'));
    const origin = 'https://app.example';
    const url = await urlOf('shared', {
      Cors: {
        AllowOrigins: [origin],
        AllowMethods: ['PUT'],
        AllowHeaders: ['x-a'],
        ExposeHeaders: ['x-b'],
        MaxAge: 60,
      },
    });
    const preflight = await ask(url, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'x-a' },
    });
    assert.equal(preflight.status, 200);
    assert.equal(preflight.headers['access-control-allow-origin'], origin);
    assert.equal(preflight.headers['access-control-allow-methods'], 'PUT');
    assert.equal(preflight.headers['access-control-max-age'], '60');
    const actual = await ask(url, { headers: { origin } });
    assert.deepEqual([actual.status, actual.text], [200, '{"ok":true}']);
    assert.equal(actual.headers['access-control-expose-headers'], 'x-b');
    const foreign = await ask(url, { headers: { origin: 'https://other.example' } });
    assert.equal(foreign.headers['access-control-allow-origin'], undefined);
  });

  test('streams, with status and headers before the body, and breaks off when the function does', async () => {
    const source = `export const handler = awslambda.streamifyResponse(async (event, stream) => {
      const out = awslambda.HttpResponseStream.from(stream, { statusCode: 207, headers: { 'content-type': 'text/plain', 'x-a': '1' }, cookies: ['s=1'] });
      for (let n = 0; n < 3; n++) { out.write('part ' + n + ';'); await new Promise((r) => setTimeout(r, 200)); }
      if (event.rawPath === '/fail') throw new Error('half way');
      out.end();
    });`;
    await lambda.create('streaming', nodeZip(source), { Timeout: 10 });
    const url = await urlOf('streaming', { InvokeMode: 'RESPONSE_STREAM' });
    const whole = await ask(url);
    assert.deepEqual([whole.status, whole.text], [207, 'part 0;part 1;part 2;']);
    assert.deepEqual([whole.headers['x-a'], whole.headers['set-cookie']], ['1', ['s=1']]);
    assert.ok(whole.spreadMs >= 300, `the parts came within ${whole.spreadMs} ms`);
    assert.equal(whole.hasBroken, false);
    assert.equal((await ask(url, { path: '/fail' })).hasBroken, true);
  });

  test('has a web framework behind it: express, through serverless-http', async () => {
    const source = `
      import express from 'express';
      import serverless from 'serverless-http';
      const app = express();
      app.use(express.json());
      app.use(express.urlencoded({ extended: false }));
      app.get('/things/:id', (req, res) => res.cookie('seen', req.params.id).json({ id: req.params.id, q: req.query.q }));
      app.post('/things', (req, res) => res.status(201).location('/things/1').json(req.body));
      app.get('/image', (req, res) => res.type('png').send(Buffer.from([137, 80, 78, 71, 0, 255])));
      export const handler = serverless(app, { binary: ['image/*'] });`;
    const files = { ...(await npmFiles('express')), ...(await npmFiles('serverless-http')) };
    await lambda.create('framework', zipOf({ 'index.mjs': source, ...files }), {
      Timeout: 10,
      MemorySize: 256,
    });
    const url = await urlOf('framework');
    const got = await ask(url, { path: '/things/7?q=x%20y' });
    assert.deepEqual(JSON.parse(got.text), { id: '7', q: 'x y' });
    assert.match(got.headers['set-cookie']?.[0] ?? '', /^seen=7/);
    const json = { 'content-type': 'application/json' };
    const posted = await ask(url, { method: 'POST', path: '/things', headers: json, body: '{"a":"é"}' });
    assert.deepEqual(
      [posted.status, posted.headers['location'], JSON.parse(posted.text)],
      [201, '/things/1', { a: 'é' }],
    );
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const sent = await ask(url, { method: 'POST', path: '/things', headers: form, body: 'a=1&b=2' });
    assert.deepEqual(JSON.parse(sent.text), { a: '1', b: '2' });
    const image = await ask(url, { path: '/image' });
    assert.deepEqual([...image.body], [137, 80, 78, 71, 0, 255]);
    assert.equal((await ask(url, { path: '/nowhere' })).status, 404);
  });
});
