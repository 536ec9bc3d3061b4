import { invalidParameter, validationError } from './errors.ts';

/** How a caller named a function. */
export interface FunctionReference {
  readonly name: string;
  /** A version, an alias or `$LATEST`; undefined when none was named. */
  readonly qualifier: string | undefined;
}

/** What Lambda shows to whoever names a function wrongly, and what names must fit. */
const REFERENCE_PATTERN =
  '(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}(-gov)?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?';
const REFERENCE =
  /^(?:(?:arn:aws[a-zA-Z-]*:lambda:[a-z0-9-]+:|[a-z]{2}(?:-gov)?-[a-z]+-\d:)?(?:\d{12}:)?function:)?([a-zA-Z0-9-_]+)(?::(\$LATEST|[a-zA-Z0-9-_]+))?$/;
const OWNER = /^(?:arn:aws[a-zA-Z-]*:lambda:[a-z0-9-]+:)?(\d{12}):function:/;
const QUALIFIER = /^(?:\$LATEST|[a-zA-Z0-9$_-]{1,128})$/;
const LONGEST_NAME = 64;
const LONGEST_REFERENCE = 170;

/**
 * A name, `name:qualifier`, `ACCOUNT:function:name`, a whole ARN, each with or without a qualifier; and the qualifier that
 * was given beside it. The account, where one is named, must be `accountId`.
 * @throws InvalidArgument ValidationException, or InvalidParameterValueException when two qualifiers differ
 */
export function parseFunctionReference(
  text: string,
  qualifier: string | undefined,
  accountId: string,
): FunctionReference {
  const match = REFERENCE.exec(text);
  const name = match?.[1];
  const owner = OWNER.exec(text)?.[1];
  if (name === undefined || text.length > LONGEST_REFERENCE || name.length > LONGEST_NAME) {
    throw validationError(
      text,
      'functionName',
      `Member must satisfy regular expression pattern: ${REFERENCE_PATTERN}`,
    );
  }
  if (owner !== undefined && owner !== accountId) {
    throw invalidParameter(`${text} is of account ${owner}; the account here is ${accountId}`);
  }
  if (qualifier !== undefined && !QUALIFIER.test(qualifier)) {
    throw validationError(
      qualifier,
      'qualifier',
      'Member must satisfy regular expression pattern: (|[a-zA-Z0-9$_-]+)',
    );
  }
  const own = match?.[2];
  if (own !== undefined && qualifier !== undefined && own !== qualifier) {
    throw invalidParameter(
      'The derived qualifier from the function name does not match the specified qualifier.',
    );
  }
  return { name, qualifier: qualifier ?? own };
}

/** Whose things are meant. */
export interface Place {
  readonly accountId: string;
  readonly region: string;
}

export const functionArn = ({ accountId, region }: Place, name: string, qualifier?: string): string =>
  `arn:aws:lambda:${region}:${accountId}:function:${name}${qualifier === undefined ? '' : `:${qualifier}`}`;

export const layerArn = ({ accountId, region }: Place, name: string): string =>
  `arn:aws:lambda:${region}:${accountId}:layer:${name}`;

export interface LayerReference {
  readonly name: string;
  /** Undefined when the whole layer is meant. */
  readonly version: number | undefined;
}

const LAYER =
  /^(?:arn:aws[a-zA-Z-]*:lambda:[a-z0-9-]+:(\d{12}):layer:)?([a-zA-Z0-9-_]{1,140})(?::(\d{1,15}))?$/;

/** A layer's name or ARN, with or without a version; undefined for anything else, and for another account's. */
export function parseLayerReference(text: string, accountId: string): LayerReference | undefined {
  const [, owner, name, version] = LAYER.exec(text) ?? [];
  if (name === undefined || (owner !== undefined && owner !== accountId)) return undefined;
  return { name, version: version === undefined ? undefined : Number(version) };
}

/** Whether it is the number of a published version. */
export const isVersionNumber = (qualifier: string): boolean => /^\d+$/.test(qualifier);

export const LATEST = '$LATEST';
