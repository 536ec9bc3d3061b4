import { awsError } from '../aws/index.ts';

const GROUP = /^[.\-_/#A-Za-z0-9]{1,512}$/;
const STREAM = /^[^:*]{1,512}$/;

/** @throws InvalidArgument InvalidParameterException */
export function checkGroupName(name: string): string {
  if (GROUP.test(name)) return name;
  throw invalid(`'logGroupName' must be 1 to 512 of letters, digits and . - _ / #: "${name}"`);
}

/** @throws InvalidArgument InvalidParameterException */
export function checkStreamName(name: string): string {
  if (STREAM.test(name)) return name;
  throw invalid(`'logStreamName' must be 1 to 512 characters without : and *: "${name}"`);
}

/** A group's name from its name or ARN, as `logGroupIdentifier` takes both. @throws InvalidArgument InvalidParameterException */
export function groupNameOf(identifier: string): string {
  const [, name] = /^arn:aws[a-z-]*:logs:[^:]*:[0-9]*:log-group:([^:]+)(?::\*)?$/.exec(identifier) ?? [];
  return checkGroupName(name ?? identifier);
}

export const groupArn = (region: string, accountId: string, name: string): string =>
  `arn:aws:logs:${region}:${accountId}:log-group:${name}`;

/** InvalidParameterException */
export const invalid = (message: string) => awsError('InvalidArgument', 'InvalidParameterException', message);

/** ResourceNotFoundException, worded as CloudWatch Logs does. */
export const missing = (what: 'group' | 'stream') =>
  awsError('NotFound', 'ResourceNotFoundException', `The specified log ${what} does not exist.`);
