import { AWS_SERVICES } from '@slipway/api/aws';
import type { Accounts } from '@slipway/engine/accounts';
import type { Site } from '@slipway/http';
import { type AwsDoor, type AwsOperation, awsSite, sqsQuerySite } from '@slipway/serverless/aws';
import type { DaemonOptions } from './floors.ts';

/** What the slices of `serverless` serve. */
export interface Serverless {
  /** On the TCP port, where requests are signed. */
  readonly doorSites: readonly Site[];
  /** On the TCP port, before any page is turned away: function URLs, which have rules of their own. */
  readonly openSites: readonly Site[];
  /** On the Unix socket, whose rights are the lock. */
  readonly socketSites: readonly Site[];
}

/** What functions stand on. */
interface Below {
  readonly accounts: Accounts;
}

/** The operations of each service, from whatever slice. */
type Operations = Readonly<Record<keyof typeof AWS_SERVICES, readonly AwsOperation[]>>;

/** Opens the slices in the order in which they need each other, on the stack. */
export async function openServerless(
  options: DaemonOptions,
  { accounts }: Below,
  _stack: AsyncDisposableStack,
): Promise<Serverless> {
  const { config, logger } = options;
  if (config.acceptsAnyAccessKey) {
    logger.warn({}, '--accept-any-access-key: WHOEVER REACHES THE PORT may do everything with functions');
  }
  const operations: Operations = { lambda: [], logs: [], sqs: [], scheduler: [] };
  const asks = config.acceptsAnyAccessKey ? 'any-signature' : 'signature';
  return {
    doorSites: [...sitesOf(options, accounts, operations, asks), sqsQuerySite()],
    openSites: [],
    socketSites: sitesOf(options, accounts, operations, 'socket'),
  };
}

function sitesOf(
  { clock, random, logger }: DaemonOptions,
  accounts: Accounts,
  operations: Operations,
  asks: AwsDoor['asks'],
): readonly Site[] {
  const services = Object.keys(AWS_SERVICES) as (keyof Operations)[];
  return services.map((name) =>
    awsSite(AWS_SERVICES[name], operations[name], {
      asks,
      accounts,
      clock,
      random,
      logger: logger.child({ part: name }),
    }),
  );
}
