import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import { SlipwayError } from '@slipway/base';

/** What of a request is signed. */
export interface SignedRequest {
  readonly method: string;
  /** As it was sent, still percent-encoded, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Uint8Array;
}

/** Who signed, and for what. */
export interface SigV4Identity {
  readonly accessKeyId: string;
  readonly region: string;
  readonly service: string;
}

export interface VerifySigV4Options {
  /** The secret access key; undefined for an access key that does not exist. */
  readonly findSecret: (accessKeyId: string) => string | undefined;
  readonly nowMs: number;
  /** Whether the body may go unsigned where the client says so (`UNSIGNED-PAYLOAD`), as AWS's own services take it. */
  readonly allowsUnsignedBody?: boolean;
}

/** A signature as the client gave it, in the header or in the query. */
interface Claim {
  readonly credential: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  /** `20261121T072309Z` */
  readonly date: string;
  readonly expiresInSeconds: number | undefined;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';
const UNSIGNED_BODY = 'UNSIGNED-PAYLOAD';
/** How far the client's clock may be from ours. */
const SKEW_MS = 5 * 60 * 1000;
const LONGEST_PRESIGNED_SECONDS = 7 * 24 * 3600;

/**
 * Verifies AWS Signature Version 4, in the `Authorization` header or in a presigned query.
 * @throws Unauthenticated with AWS's name of what is wrong as its `reason`: MissingAuthenticationTokenException,
 * IncompleteSignatureException, UnrecognizedClientException, InvalidSignatureException
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
export function verifySigV4(
  request: SignedRequest,
  { findSecret, nowMs, allowsUnsignedBody = false }: VerifySigV4Options,
): SigV4Identity {
  const claim = readClaim(request);
  const [accessKeyId = '', day = '', region = '', service = '', last, ...rest] = claim.credential.split('/');
  if (last !== 'aws4_request' || rest.length > 0 || day !== claim.date.slice(0, 8)) {
    throw incomplete(`the credential must be KEY/${claim.date.slice(0, 8)}/REGION/SERVICE/aws4_request`);
  }
  requireSigned(request.headers, claim);
  requireFresh(claim, nowMs);
  const payloadHash = hashPayload(request, allowsUnsignedBody);
  const secret = findSecret(accessKeyId);
  if (secret === undefined) {
    throw refuse(
      'UnrecognizedClientException',
      'The security token included in the request is invalid: there is no such access key here; "slipway iam create-access-key" makes one',
    );
  }
  const scope = `${day}/${region}/${service}/aws4_request`;
  const canonical = canonicalRequest(request, claim, service, payloadHash);
  const toSign = [ALGORITHM, claim.date, scope, sha256(canonical)].join('\n');
  const key = signingKey(secret, day, region, service);
  if (!isSame(hmac(key, toSign).toString('hex'), claim.signature)) {
    throw refuse(
      'InvalidSignatureException',
      'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.',
    );
  }
  return { accessKeyId, region, service };
}

/** Keys are good for a day, and a client signs with the same one again and again. */
const signingKeys = new Map<string, Uint8Array>();
const MAX_SIGNING_KEYS = 256;

function signingKey(
  secret: string,
  ...scope: readonly [day: string, region: string, service: string]
): Uint8Array {
  const name = [secret, ...scope].join('/');
  let key = signingKeys.get(name);
  if (key === undefined) {
    key = [...scope, 'aws4_request'].reduce<Uint8Array | string>(hmac, `AWS4${secret}`) as Uint8Array;
    if (signingKeys.size >= MAX_SIGNING_KEYS) signingKeys.clear();
    signingKeys.set(name, key);
  }
  return key;
}

function readClaim({ headers, query }: SignedRequest): Claim {
  const header = headers['authorization'];
  if (header !== undefined) return readHeaderClaim(header, headers);
  if (query.has('X-Amz-Algorithm')) return readQueryClaim(query);
  throw refuse(
    'MissingAuthenticationTokenException',
    'Missing Authentication Token: this request is not signed; "slipway iam create-access-key" makes an access key',
  );
}

function readHeaderClaim(header: string, headers: SignedRequest['headers']): Claim {
  const [algorithm, ...rest] = header.split(/\s+/);
  if (algorithm !== ALGORITHM) {
    throw incomplete(`the signature must be made with ${ALGORITHM}`);
  }
  const fields = new Map(
    rest
      .join('')
      .split(',')
      .map((field) => {
        const at = field.indexOf('=');
        return [field.slice(0, at), field.slice(at + 1)] as const;
      }),
  );
  return claimOf({
    credential: fields.get('Credential'),
    signedHeaders: fields.get('SignedHeaders'),
    signature: fields.get('Signature'),
    date: headers['x-amz-date'] ?? compactDate(headers['date']),
    expires: undefined,
  });
}

function readQueryClaim(query: URLSearchParams): Claim {
  if (query.get('X-Amz-Algorithm') !== ALGORITHM) {
    throw incomplete(`the signature must be made with ${ALGORITHM}`);
  }
  return claimOf({
    credential: query.get('X-Amz-Credential'),
    signedHeaders: query.get('X-Amz-SignedHeaders'),
    signature: query.get('X-Amz-Signature'),
    date: query.get('X-Amz-Date'),
    expires: query.get('X-Amz-Expires') ?? '',
  });
}

function claimOf(
  parts: Record<'credential' | 'signedHeaders' | 'signature' | 'date', string | null | undefined> & {
    expires: string | undefined;
  },
): Claim {
  const { credential, signedHeaders, signature, date, expires } = parts;
  if (!credential || !signedHeaders || !signature || !date) {
    throw incomplete('credential, signed headers, signature and date must all be given');
  }
  if (!/^\d{8}T\d{6}Z$/.test(date)) throw incomplete(`the date must be as 20260102T030405Z: "${date}"`);
  const expiresInSeconds = expires === undefined ? undefined : Number(expires || 'NaN');
  if (
    expiresInSeconds !== undefined &&
    !(expiresInSeconds >= 1 && expiresInSeconds <= LONGEST_PRESIGNED_SECONDS)
  ) {
    throw incomplete(`X-Amz-Expires must be 1 to ${LONGEST_PRESIGNED_SECONDS} seconds: "${expires}"`);
  }
  return { credential, signature, date, expiresInSeconds, signedHeaders: signedHeaders.split(';') };
}

/** What decides the meaning of a request must not be exchangeable. */
function requireSigned(headers: SignedRequest['headers'], { signedHeaders }: Claim): void {
  const signed = new Set(signedHeaders);
  const must = Object.keys(headers).filter(
    (name) => name.startsWith('x-amz-') && name !== 'x-amz-user-agent',
  );
  for (const name of ['host', ...must]) {
    if (!signed.has(name)) throw refuse('InvalidSignatureException', `the header ${name} must be signed`);
  }
}

function requireFresh({ date, expiresInSeconds }: Claim, nowMs: number): void {
  const madeMs = Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  const lastMs = madeMs + (expiresInSeconds === undefined ? SKEW_MS : expiresInSeconds * 1000);
  if (!(nowMs <= lastMs)) {
    throw refuse('InvalidSignatureException', `Signature expired: ${date}; check this machine's clock`);
  }
  if (nowMs < madeMs - SKEW_MS) {
    throw refuse(
      'InvalidSignatureException',
      `Signature not yet current: ${date}; check this machine's clock`,
    );
  }
}

function hashPayload({ headers, body }: SignedRequest, allowsUnsigned: boolean): string {
  const claimed = headers['x-amz-content-sha256'];
  if (allowsUnsigned && claimed === UNSIGNED_BODY) return claimed;
  const hash = sha256(body);
  if (claimed === undefined || claimed === hash) return hash;
  const problem = /^[0-9a-f]{64}$/.test(claimed)
    ? 'the body is not the one that was signed'
    : `x-amz-content-sha256: ${claimed}: the hash of the whole body must be signed here`;
  throw refuse('InvalidSignatureException', problem);
}

function canonicalRequest(
  { method, path, query, headers }: SignedRequest,
  { signedHeaders }: Claim,
  service: string,
  payloadHash: string,
): string {
  return [
    method,
    canonicalPath(path, service),
    [...query]
      .filter(([name]) => name !== 'X-Amz-Signature')
      .map(([name, value]) => [encode(name), encode(value)] as const)
      .sort((a, b) => byBytes(a[0], b[0]) || byBytes(a[1], b[1]))
      .map(([name, value]) => `${name}=${value}`)
      .join('&'),
    ...signedHeaders.map((name) => `${name}:${(headers[name] ?? '').trim().replace(/\s+/g, ' ')}`),
    '',
    signedHeaders.join(';'),
    payloadHash,
  ].join('\n');
}

/** Every service but S3 encodes the path once more. */
function canonicalPath(path: string, service: string): string {
  return service === 's3' ? path : path.split('/').map(encode).join('/');
}

/** Percent-encoding of everything but RFC 3986's unreserved characters. */
const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

/** `Date` as HTTP writes it, in the form that is signed. */
function compactDate(date: string | undefined): string | undefined {
  const ms = Date.parse(date ?? '');
  return Number.isNaN(ms) ? undefined : new Date(ms).toISOString().replace(/[-:]|\.\d{3}/g, '');
}

const sha256 = (bytes: Uint8Array | string): string => hash('sha256', bytes);
const hmac = (key: Uint8Array | string, text: string): Buffer =>
  createHmac('sha256', key).update(text).digest();
const byBytes = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function isSame(expected: string, given: string): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(given)];
  return a.byteLength === b.byteLength && timingSafeEqual(a, b);
}

const incomplete = (message: string) => refuse('IncompleteSignatureException', message);
const refuse = (reason: string, message: string) => new SlipwayError('Unauthenticated', message, { reason });
