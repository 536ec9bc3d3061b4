/** A request to a function URL, as it came. */
export interface UrlRequest {
  readonly method: string;
  /** As it was sent, percent-encoded. */
  readonly path: string;
  /** As it was sent, without the question mark. */
  readonly search: string;
  /** Lower-case names; values that came more than once are joined. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Uint8Array;
}

/** What else an event tells. */
export interface UrlEventContext {
  readonly urlId: string;
  readonly accountId: string;
  readonly requestId: string;
  readonly nowMs: number;
  readonly sourceIp: string;
  /** Who signed; undefined when nobody had to. */
  readonly signer: { readonly accessKeyId: string; readonly name: string } | undefined;
}

/** Bodies of these are text; all others are base64. */
const TEXT = /^(?:text\/|application\/(?:[\w.+-]+\+)?(?:json|xml|javascript)(?:$|[\s;]))/i;

/**
 * The event of a request, in payload format 2.0.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads
 */
export function urlEvent(request: UrlRequest, context: UrlEventContext): object {
  const { method, path, search, headers, body } = request;
  const { cookie, ...others } = headers;
  const host = headers['host'] ?? '';
  const isText = TEXT.test(headers['content-type'] ?? '');
  const query = queryParameters(search);
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: path,
    rawQueryString: search,
    ...(cookie === undefined ? {} : { cookies: cookie.split(/;\s*/) }),
    headers: others,
    ...(query === undefined ? {} : { queryStringParameters: query }),
    requestContext: {
      accountId: context.signer === undefined ? 'anonymous' : context.accountId,
      apiId: context.urlId,
      ...(context.signer === undefined
        ? {}
        : { authorizer: { iam: iamOf(context.signer, context.accountId) } }),
      domainName: host.replace(/:\d+$/, ''),
      domainPrefix: context.urlId,
      http: {
        method,
        path,
        protocol: 'HTTP/1.1',
        sourceIp: context.sourceIp,
        userAgent: headers['user-agent'] ?? '',
      },
      requestId: context.requestId,
      routeKey: '$default',
      stage: '$default',
      time: formatTime(context.nowMs),
      timeEpoch: context.nowMs,
    },
    ...(body.byteLength === 0
      ? {}
      : {
          body: Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString(
            isText ? 'utf8' : 'base64',
          ),
        }),
    isBase64Encoded: body.byteLength > 0 && !isText,
  };
}

const iamOf = ({ accessKeyId, name }: NonNullable<UrlEventContext['signer']>, accountId: string) => ({
  accessKey: accessKeyId,
  accountId,
  callerId: accessKeyId,
  cognitoIdentity: null,
  principalOrgId: null,
  userArn: `arn:aws:iam::${accountId}:user/${name}`,
  userId: accessKeyId,
});

/** Values of one name are joined with commas. */
function queryParameters(search: string): Record<string, string> | undefined {
  if (search === '') return undefined;
  const parameters = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(search)) {
    const before = parameters.get(name);
    parameters.set(name, before === undefined ? value : `${before},${value}`);
  }
  return Object.fromEntries(parameters);
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `12/Mar/2020:19:03:58 +0000` */
function formatTime(ms: number): string {
  const iso = new Date(ms).toISOString();
  const month = MONTHS[Number(iso.slice(5, 7)) - 1];
  return `${iso.slice(8, 10)}/${month}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000`;
}
