import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import { Sha256 } from '@aws-crypto/sha256-js';
import { silentLogger, systemClock, systemRandom } from '@slipway/base';
import { serve } from '@slipway/http';
import { openDatabase } from '@slipway/store';
import { SignatureV4 } from '@smithy/signature-v4';
import { FakeEnvironments, type FakeRun } from '../../environments/testing.ts';
import type { FunctionUrl } from '../../functions/index.ts';
import { openInvocations } from '../service.ts';
import { MemoryCatalog, testSettings } from '../testing.ts';
import { functionUrlSite } from './site.ts';

const URL: FunctionUrl = {
  id: 'abc',
  functionName: 'f',
  qualifier: undefined,
  authType: 'NONE',
  invokeMode: 'BUFFERED',
  cors: undefined,
  isPublic: true,
};

interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
  readonly host?: string;
}

/** A door with one function URL behind it, whose function answers what `run` says for an event. */
async function open(
  t: TestContext,
  run: (event: Record<string, never>) => Partial<FakeRun>,
  url: Partial<FunctionUrl> = {},
) {
  const stack = new AsyncDisposableStack();
  t.after(() => stack.disposeAsync());
  const catalog = new MemoryCatalog();
  catalog.put('f');
  catalog.urls.push({ ...URL, ...url });
  const environments = new FakeEnvironments({
    clock: systemClock,
    openMs: 1,
    run: (_version, { payload }) => ({ durationMs: 0, ...run(JSON.parse(Buffer.from(payload).toString())) }),
  });
  const shared = { catalog, clock: systemClock, random: systemRandom };
  const database = stack.use(openDatabase(':memory:'));
  const invoker = stack.use(
    openInvocations({
      ...shared,
      environments,
      database,
      usage: { record: () => {}, recordProvisioned: () => {} },
      logger: silentLogger,
      settings: testSettings(),
    }),
  );
  const accounts = {
    findAccessKey: (id: string) =>
      id === 'KEY'
        ? { accessKeyId: id, secretAccessKey: 'secret', account: 'ann', createdAtMs: 0 }
        : undefined,
    visitor: (name: string) => ({ name, isAdmin: true, may: () => true }),
  };
  const door = { clock: systemClock, asks: 'signature', accounts } as const;
  const server = stack.use(
    await serve({
      listen: { port: 0, host: '127.0.0.1' },
      sites: [functionUrlSite({ ...shared, invoker, door })],
      clock: systemClock,
      logger: silentLogger,
    }),
  );
  const ask = async ({ method = 'GET', path = '/', headers, body, host = 'abc' }: Asked = {}) => {
    const sent = request({
      port: server.port,
      method,
      path,
      headers: { host: `${host}.lambda-url.eu-central-1.localhost:${server.port}`, ...headers },
      agent: false,
    });
    sent.end(body);
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    const text = Buffer.concat(await Array.fromAsync(response)).toString();
    return { status: response.statusCode, headers: response.headers, text };
  };
  return { ask, catalog, port: server.port };
}

const tells = (value: unknown): FakeRun => ({ durationMs: 0, payload: JSON.stringify(value) });

describe('functionUrlSite', () => {
  it('gives the function the request and the client its answer', async (t) => {
    const { ask } = await open(t, (event) =>
      tells({
        statusCode: 201,
        headers: { 'x-path': event['rawPath'] },
        cookies: ['a=1'],
        body: JSON.stringify(event),
      }),
    );
    const { status, headers, text } = await ask({
      method: 'PATCH',
      path: '/some/%7Epath?q=1',
      headers: { 'content-type': 'text/plain' },
      body: 'hello',
    });
    const event = JSON.parse(text);
    assert.deepEqual([status, headers['x-path'], headers['set-cookie']], [201, '/some/%7Epath', ['a=1']]);
    assert.deepEqual(
      [event.rawQueryString, event.body, event.requestContext.http.method],
      ['q=1', 'hello', 'PATCH'],
    );
    assert.equal(event.requestContext.requestId, headers['x-amzn-requestid']);
    assert.equal(event.headers['x-forwarded-for'], '127.0.0.1');
  });

  it('knows no URL that was not made', async (t) => {
    const { ask } = await open(t, () => tells('never'));
    assert.equal((await ask({ host: 'other' })).status, 403);
  });

  it('lets nobody in without signature unless the policy says so', async (t) => {
    const { ask } = await open(t, () => tells('never'), { isPublic: false });
    const { status, text, headers } = await ask();
    assert.deepEqual([status, headers['x-amzn-errortype']], [403, 'AccessDeniedException']);
    assert.match(JSON.parse(text).Message, /^Forbidden\./);
  });

  it('asks for a signature, and tells the function whose it was', async (t) => {
    const { ask, port } = await open(t, (event) => tells(event['requestContext']), { authType: 'AWS_IAM' });
    const refused = await ask();
    assert.equal(refused.status, 403);
    assert.match(JSON.parse(refused.text).Message, /^Missing Authentication Token/);
    const sign = async (secretAccessKey: string) => {
      const host = `abc.lambda-url.eu-central-1.localhost:${port}`;
      const signer = new SignatureV4({
        service: 'lambda',
        region: 'eu-central-1',
        sha256: Sha256,
        credentials: { accessKeyId: 'KEY', secretAccessKey },
      });
      const request = { method: 'GET', protocol: 'http:', hostname: host, path: '/', headers: { host } };
      return (await signer.sign(request)).headers;
    };
    const { text } = await ask({ headers: await sign('secret') });
    assert.equal(JSON.parse(text).authorizer.iam.accessKey, 'KEY');
    assert.equal(JSON.parse(text).authorizer.iam.userArn, 'arn:aws:iam::000000000000:user/ann');
    assert.equal((await ask({ headers: await sign('wrong') })).status, 403);
  });

  it('answers 502 for a function that fails, and for an answer that means nothing', async (t) => {
    const { ask } = await open(t, (event) =>
      event['rawPath'] === '/fail'
        ? { kind: 'error' }
        : event['rawPath'] === '/exit'
          ? { kind: 'exit' }
          : { payload: '{"statusCode":"x"}' },
    );
    for (const path of ['/fail', '/exit', '/nonsense']) {
      const { status, text } = await ask({ path });
      assert.deepEqual([path, status, text], [path, 502, 'Internal Server Error']);
    }
  });

  it('answers 429 with the reason when the function is throttled', async (t) => {
    const { ask, catalog } = await open(t, () => tells('never'));
    catalog.reserved.set('f', 0);
    const { status, text, headers } = await ask();
    assert.deepEqual([status, headers['x-amzn-errortype']], [429, 'TooManyRequestsException']);
    assert.deepEqual(JSON.parse(text), {
      Reason: 'ReservedFunctionConcurrentInvocationLimitExceeded',
      Type: 'User',
      message: 'Rate Exceeded.',
    });
  });

  it('answers 413 for more than 6 MB', async (t) => {
    const { ask } = await open(t, () => tells('never'));
    assert.equal((await ask({ method: 'POST', body: Buffer.alloc(6_291_457) })).status, 413);
  });

  it('answers preflights itself and puts its own CORS over the function’s', async (t) => {
    const origin = 'https://a.example';
    const cors = {
      allowCredentials: true,
      allowHeaders: [],
      allowMethods: ['*'],
      allowOrigins: [origin],
      exposeHeaders: [],
      maxAgeSeconds: undefined,
    };
    const { ask } = await open(
      t,
      () => tells({ statusCode: 200, headers: { 'access-control-allow-origin': '*' } }),
      { cors },
    );
    const preflight = await ask({
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'PUT' },
    });
    assert.deepEqual([preflight.status, preflight.headers['access-control-allow-methods']], [200, '*']);
    const actual = await ask({ headers: { origin } });
    assert.equal(actual.headers['access-control-allow-origin'], origin);
    assert.equal(actual.headers['access-control-allow-credentials'], 'true');
  });

  it('streams what the function says, and cuts the connection when it fails before it has begun', async (t) => {
    const { ask } = await open(
      t,
      (event) => (event['rawPath'] === '/fail' ? { kind: 'error' } : tells('streamed')),
      { invokeMode: 'RESPONSE_STREAM' },
    );
    assert.equal((await ask()).text, '"streamed"');
    assert.equal((await ask({ path: '/fail' })).status, 502);
  });

  it('answers HEAD without a body', async (t) => {
    const { ask } = await open(t, () => tells({ statusCode: 200, headers: { 'x-a': '1' }, body: 'unseen' }));
    const { status, text, headers } = await ask({ method: 'HEAD' });
    assert.deepEqual([status, text, headers['x-a']], [200, '', '1']);
  });
});
