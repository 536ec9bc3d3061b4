import { bytes, claimedScope, type Site } from '@slipway/http';

const MESSAGE =
  'this client speaks the query protocol, which is not served: use one that speaks AWS JSON (aws CLI 2.13 or newer, an SDK of 2024 or newer)';

const ERROR = Buffer.from(
  `<?xml version="1.0"?><ErrorResponse><Error><Type>Sender</Type><Code>UnsupportedOperation</Code><Message>${MESSAGE}</Message></Error></ErrorResponse>`,
);

/** What tells old clients of queues, whose protocol was another, what to do. */
export function sqsQuerySite(): Site {
  const refusal = () => bytes(400, 'text/xml', ERROR);
  return {
    matches: ({ headers }) =>
      headers['x-amz-target'] === undefined &&
      (headers['content-type']?.startsWith('application/x-www-form-urlencoded') ?? false) &&
      claimedScope(headers)?.service === 'sqs',
    dialect: { headers: () => ({}), error: refusal, notFound: refusal },
    routes: [],
  };
}
