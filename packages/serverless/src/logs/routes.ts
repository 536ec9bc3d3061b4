import type { Clock } from '@slipway/base';
import type { AwsOperation } from '../aws/index.ts';
import { eventOperations } from './events.ts';
import { groupOperations } from './groups.ts';
import type { LogService } from './service.ts';

/**
 * CloudWatch Logs' API, as far as logs go: no Insights queries, metric filters, subscriptions and exports.
 * @see https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_Operations.html
 */
export const logOperations = (logs: LogService, clock: Clock): AwsOperation[] => [
  ...groupOperations(logs),
  ...eventOperations(logs, clock),
];
