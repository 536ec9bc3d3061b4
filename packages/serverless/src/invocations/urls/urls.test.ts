import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readAnswer } from './answer.ts';
import { corsHeaders, preflight } from './cors.ts';
import { urlEvent } from './event.ts';
import { readPrelude } from './prelude.ts';

const context = {
  urlId: 'abc',
  accountId: '000000000000',
  requestId: 'id',
  nowMs: Date.UTC(2026, 10, 28, 9, 8, 7),
  sourceIp: '127.0.0.1',
  signer: undefined,
};

describe('urlEvent', () => {
  it('tells a request in payload format 2.0', () => {
    const event = urlEvent(
      {
        method: 'POST',
        path: '/a%20b/c',
        search: 'x=1&y=%C3%A9&x=2',
        headers: {
          host: 'abc.lambda-url.eu-central-1.localhost:4566',
          cookie: 'one=1; two=2',
          'content-type': 'application/json; charset=utf-8',
          'user-agent': 'test',
        },
        body: Buffer.from('{"a":"é"}'),
      },
      context,
    );
    assert.deepEqual(event, {
      version: '2.0',
      routeKey: '$default',
      rawPath: '/a%20b/c',
      rawQueryString: 'x=1&y=%C3%A9&x=2',
      cookies: ['one=1', 'two=2'],
      headers: {
        host: 'abc.lambda-url.eu-central-1.localhost:4566',
        'content-type': 'application/json; charset=utf-8',
        'user-agent': 'test',
      },
      queryStringParameters: { x: '1,2', y: 'é' },
      requestContext: {
        accountId: 'anonymous',
        apiId: 'abc',
        domainName: 'abc.lambda-url.eu-central-1.localhost',
        domainPrefix: 'abc',
        http: {
          method: 'POST',
          path: '/a%20b/c',
          protocol: 'HTTP/1.1',
          sourceIp: '127.0.0.1',
          userAgent: 'test',
        },
        requestId: 'id',
        routeKey: '$default',
        stage: '$default',
        time: '28/Nov/2026:09:08:07 +0000',
        timeEpoch: context.nowMs,
      },
      body: '{"a":"é"}',
      isBase64Encoded: false,
    });
  });

  it('gives bodies that are no text as base64, whatever their bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), (body) => {
        const headers = { host: 'h', 'content-type': 'application/x-www-form-urlencoded' };
        const event = urlEvent({ method: 'POST', path: '/', search: '', headers, body }, context) as {
          body: string;
          isBase64Encoded: boolean;
        };
        assert.equal(event.isBase64Encoded, true);
        assert.deepEqual(new Uint8Array(Buffer.from(event.body, 'base64')), body);
      }),
    );
  });

  it('tells who signed', () => {
    const signer = { accessKeyId: 'SLWY1', name: 'ann' };
    const request = { method: 'GET', path: '/', search: '', headers: { host: 'h' }, body: Buffer.alloc(0) };
    const { requestContext } = urlEvent(request, { ...context, signer }) as {
      requestContext: { accountId: string; authorizer: { iam: { accessKey: string; userArn: string } } };
    };
    assert.equal(requestContext.accountId, '000000000000');
    assert.equal(requestContext.authorizer.iam.accessKey, 'SLWY1');
    assert.equal(requestContext.authorizer.iam.userArn, 'arn:aws:iam::000000000000:user/ann');
  });
});

const answer = (value: unknown, hasCors = false) => {
  const read = readAnswer(Buffer.from(JSON.stringify(value)), hasCors);
  return read === undefined ? undefined : { ...read, body: Buffer.from(read.body).toString() };
};

describe('readAnswer', () => {
  const json = { 'content-type': 'application/json' };

  it('takes what has no status for the body', () => {
    assert.deepEqual(answer({ hello: 'you' }), { status: 200, headers: json, body: '{"hello":"you"}' });
    assert.deepEqual(answer('hello'), { status: 200, headers: json, body: 'hello' });
    assert.deepEqual(answer([1, 2]), { status: 200, headers: json, body: '[1,2]' });
    assert.deepEqual(answer(null), { status: 200, headers: json, body: 'null' });
  });

  it('reads status, headers, cookies and body', () => {
    assert.deepEqual(
      answer({
        statusCode: 201,
        headers: { 'Content-Type': 'text/plain', 'X-Number': 7, 'Content-Length': 99 },
        cookies: ['a=1', 'b=2'],
        body: 'é',
      }),
      {
        status: 201,
        headers: { 'content-type': 'text/plain', 'x-number': '7', 'set-cookie': ['a=1', 'b=2'] },
        body: 'é',
      },
    );
  });

  it('decodes a body that is base64', () => {
    const read = readAnswer(Buffer.from('{"statusCode":200,"body":"AP8=","isBase64Encoded":true}'), false);
    assert.deepEqual([...(read?.body ?? [])], [0, 255]);
  });

  it('leaves the headers of CORS to the URL when that has its own', () => {
    const value = { statusCode: 200, headers: { 'Access-Control-Allow-Origin': '*' } };
    assert.deepEqual(answer(value, true)?.headers, json);
    assert.deepEqual(answer(value)?.headers, { ...json, 'access-control-allow-origin': '*' });
  });

  it('takes nothing that HTTP could not say', () => {
    assert.equal(answer({ statusCode: 'no' }), undefined);
    assert.equal(answer({ statusCode: 99 }), undefined);
    assert.equal(answer({ statusCode: 200, headers: { 'a b': '1' } }), undefined);
    assert.equal(answer({ statusCode: 200, headers: { a: '1\r\nb: 2' } }), undefined);
    assert.equal(readAnswer(Buffer.from('{"statusCode":'), false), undefined);
  });
});

async function* inPieces(bytes: Uint8Array, sizeBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += sizeBytes) yield bytes.subarray(at, at + sizeBytes);
}

describe('readPrelude', () => {
  it('reads the head and passes the body on, however the stream is cut', async () => {
    const head = { statusCode: 418, headers: { 'x-a': 'b' }, cookies: ['c=1'] };
    await fc.assert(
      fc.asyncProperty(fc.uint8Array(), fc.integer({ min: 1, max: 90 }), async (body, size) => {
        const whole = Buffer.concat([Buffer.from(JSON.stringify(head)), Buffer.alloc(8), body]);
        const read = await readPrelude(inPieces(whole, size), false);
        assert.equal(read?.status, 418);
        assert.deepEqual(read.headers, {
          'content-type': 'application/json',
          'x-a': 'b',
          'set-cookie': ['c=1'],
        });
        assert.deepEqual(Buffer.concat(await Array.fromAsync(read.body)), Buffer.from(body));
      }),
    );
  });

  it('gives up on what never ends, or is none', async () => {
    assert.equal(await readPrelude(inPieces(Buffer.alloc(1_000_000, 'x'), 4096), false), undefined);
    assert.equal(
      await readPrelude(inPieces(Buffer.from('no json\0\0\0\0\0\0\0\0rest'), 4), false),
      undefined,
    );
    assert.equal(await readPrelude(inPieces(Buffer.from('{"statusCode":200}'), 4), false), undefined);
  });
});

describe('CORS', () => {
  const cors = {
    allowCredentials: false,
    allowHeaders: ['x-a', 'x-b'],
    allowMethods: ['GET', 'POST'],
    allowOrigins: ['https://a.example', 'https://*.b.example'],
    exposeHeaders: ['x-c'],
    maxAgeSeconds: 60,
  };
  const asks = (origin: string) => ({ origin, 'access-control-request-method': 'POST' });

  it('answers a preflight with what the URL allows', () => {
    const reply = preflight(cors, 'OPTIONS', asks('https://x.b.example'));
    assert.deepEqual(reply, {
      kind: 'empty',
      status: 200,
      headers: {
        'access-control-allow-origin': 'https://x.b.example',
        vary: 'Origin',
        'access-control-allow-methods': 'GET,POST',
        'access-control-allow-headers': 'x-a,x-b',
        'access-control-max-age': '60',
      },
    });
  });

  it('allows other origins nothing', () => {
    for (const origin of ['https://b.example', 'https://a.example.evil', 'https://evil/.b.example', 'null']) {
      assert.deepEqual(preflight(cors, 'OPTIONS', asks(origin)), {
        kind: 'empty',
        status: 200,
        headers: { vary: 'Origin' },
      });
      assert.deepEqual(corsHeaders(cors, { origin }), {});
    }
  });

  it('leaves OPTIONS to a function whose URL has no CORS, and what is no preflight', () => {
    assert.equal(preflight(undefined, 'OPTIONS', asks('https://a.example')), undefined);
    assert.equal(preflight(cors, 'OPTIONS', {}), undefined);
    assert.equal(preflight(cors, 'POST', asks('https://a.example')), undefined);
  });

  it('says * to everybody, but the origin itself where credentials are allowed', () => {
    const any = { ...cors, allowOrigins: ['*'] };
    const origin = 'https://z.example';
    assert.equal(corsHeaders(any, { origin })['access-control-allow-origin'], '*');
    assert.deepEqual(corsHeaders({ ...any, allowCredentials: true }, { origin }), {
      'access-control-allow-origin': origin,
      vary: 'Origin',
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': 'x-c',
    });
  });
});
