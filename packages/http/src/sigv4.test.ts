import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Sha256 } from '@aws-crypto/sha256-js';
import { DescribeRepositoriesCommand, ECRClient } from '@aws-sdk/client-ecr';
import { collectBytes, silentLogger, systemClock, systemRandom } from '@slipway/base';
import { SignatureV4 } from '@smithy/signature-v4';
import { awsJsonDialect } from './dialects/aws.ts';
import { json } from './reply.ts';
import { serve } from './server.ts';
import { type SignedRequest, verifySigV4 } from './sigv4.ts';

const KEY = { accessKeyId: 'AKIDSLIPWAY', secretAccessKey: 'a/secret+of=forty' };
const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);
const findSecret = (id: string) => (id === KEY.accessKeyId ? KEY.secretAccessKey : undefined);

/** A server that says who signed. */
async function startServer(t: TestContext): Promise<string> {
  const server = await serve({
    listen: { port: 0, host: '127.0.0.1' },
    sites: [
      {
        dialect: awsJsonDialect({ version: '1.1', random: systemRandom }),
        routes: [
          {
            method: 'POST',
            path: '/',
            handler: async ({ method, path, query, headers, body }) => {
              const bytes = await collectBytes(body, 1e6);
              const identity = verifySigV4(
                { method, path, query, headers, body: bytes },
                { findSecret, nowMs: systemClock.nowMs() },
              );
              return json(200, { repositories: [{ repositoryName: Object.values(identity).join(' ') }] });
            },
          },
        ],
      },
    ],
    clock: systemClock,
    logger: silentLogger,
  });
  t.after(() => server[Symbol.asyncDispose]());
  return `http://127.0.0.1:${server.port}`;
}

test('the SDK of AWS is let in with its own signature, and told the exception when its key is wrong', async (t) => {
  const endpoint = await startServer(t);
  const client = (credentials: typeof KEY) => {
    const made = new ECRClient({ endpoint, region: 'eu-central-1', credentials, maxAttempts: 1 });
    t.after(() => made.destroy());
    return made;
  };
  const answer = await client(KEY).send(new DescribeRepositoriesCommand({ repositoryNames: ['a/ü b'] }));
  assert.equal(answer.repositories?.[0]?.repositoryName, 'AKIDSLIPWAY eu-central-1 ecr');
  await assert.rejects(
    client({ ...KEY, secretAccessKey: 'other' }).send(new DescribeRepositoriesCommand({})),
    {
      name: 'InvalidSignatureException',
    },
  );
  await assert.rejects(
    client({ ...KEY, accessKeyId: 'AKIDNOBODY' }).send(new DescribeRepositoriesCommand({})),
    {
      name: 'UnrecognizedClientException',
    },
  );
});

const signer = new SignatureV4({ credentials: KEY, region: 'us-east-1', service: 'lambda', sha256: Sha256 });
const unsigned = {
  method: 'POST',
  protocol: 'http:',
  hostname: 'localhost',
  path: '/2015-03-31/functions/a%3Ab c/invocations',
  query: { 'a-b': '2', a: ['1', 'ü (x)'], Qualifier: '$LATEST' },
  headers: { host: 'localhost', 'x-amz-target': 'T.Op', 'X-Spaced': '  two   blanks ' },
  body: '{"x":1}',
};

type Signed = Awaited<ReturnType<typeof signer.sign>>;

function received({ method, path, query = {}, headers, body }: Signed): SignedRequest {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    [value].flat().map((one) => [name, String(one)] as [string, string]),
  );
  return {
    method,
    path,
    query: new URLSearchParams(pairs),
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
    body: Buffer.from(String(body ?? '')),
  };
}

const sign = async () => received(await signer.sign(unsigned, { signingDate: new Date(NOW) }));
const presign = async (expiresIn: number) =>
  received(await signer.presign(unsigned, { signingDate: new Date(NOW), expiresIn }));
const verify = (request: SignedRequest, nowMs = NOW) => verifySigV4(request, { findSecret, nowMs });
const identity = { accessKeyId: KEY.accessKeyId, region: 'us-east-1', service: 'lambda' };
const invalid = { code: 'Unauthenticated', reason: 'InvalidSignatureException' };

test('paths, queries and headers are made canonical as the signer makes them', async () => {
  assert.deepEqual(verify(await sign()), identity);
});

test('a presigned query holds for as long as it says', async () => {
  const request = await presign(3_600);
  assert.deepEqual(verify(request, NOW + 3_599_000), identity);
  assert.throws(() => verify(request, NOW + 3_601_000), { ...invalid, message: /^Signature expired/ });
  const query = new URLSearchParams(request.query);
  query.set('X-Amz-Expires', '7200');
  assert.throws(() => verify({ ...request, query }, NOW), invalid);
});

test('a signature that is not for this request is refused: other method, path, query, header, body, time', async () => {
  const request = await sign();
  const change = (changes: Partial<SignedRequest>) => () => verify({ ...request, ...changes });
  assert.throws(change({ method: 'PUT' }), invalid);
  assert.throws(change({ path: '/' }), invalid);
  assert.throws(change({ query: new URLSearchParams('a=1') }), invalid);
  assert.throws(change({ headers: { ...request.headers, 'x-amz-target': 'T.Delete' } }), invalid);
  assert.throws(change({ headers: { ...request.headers, 'x-amz-more': '1' } }), invalid);
  assert.throws(change({ body: Buffer.from('{}') }), invalid);
  assert.throws(() => verify(request, NOW + 301_000), { ...invalid, message: /^Signature expired/ });
  assert.throws(() => verify(request, NOW - 301_000), { ...invalid, message: /^Signature not yet current/ });
  assert.doesNotThrow(() => verify(request, NOW + 299_000));
});

test('a body whose hash was not signed is refused', async () => {
  for (const hash of ['UNSIGNED-PAYLOAD', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD']) {
    const headers = { ...unsigned.headers, 'x-amz-content-sha256': hash };
    const request = received(await signer.sign({ ...unsigned, headers }, { signingDate: new Date(NOW) }));
    assert.throws(() => verify(request), { ...invalid, message: new RegExp(hash) });
  }
});

test('a request that is not signed, or half, says so in the words of AWS', () => {
  const bare = { method: 'POST', path: '/', query: new URLSearchParams(), body: Buffer.of() };
  assert.throws(() => verify({ ...bare, headers: {} }), { reason: 'MissingAuthenticationTokenException' });
  for (const authorization of ['Basic eDp5', 'AWS4-HMAC-SHA256 Credential=x', 'AWS4-HMAC-SHA256']) {
    assert.throws(() => verify({ ...bare, headers: { authorization } }), {
      reason: 'IncompleteSignatureException',
    });
  }
});

test('a body may go unsigned where that is allowed, and only when its client said so under the signature', async () => {
  const headers = { ...unsigned.headers, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };
  const request = received(await signer.sign({ ...unsigned, headers }, { signingDate: new Date(NOW) }));
  const allowed = (one: SignedRequest) =>
    verifySigV4(one, { findSecret, nowMs: NOW, allowsUnsignedBody: true });
  assert.deepEqual(allowed({ ...request, body: Buffer.from('{}') }), identity);
  const signed = await sign();
  const claimed = { ...signed.headers, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };
  assert.throws(() => allowed({ ...signed, headers: claimed }), invalid);
});
