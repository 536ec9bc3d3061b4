import { conflict, notFound, requireRevision, validationError } from './errors.ts';
import type { PolicyRecord, Statement } from './function-record.ts';

const SID = /^[a-zA-Z0-9-_]{1,100}$/;
const ACTION = /^(?:lambda:(?:\*|[a-zA-Z]+)|\*)$/;
const ACCOUNT = /^\d{12}$/;

/** What a request allows to whom. */
export interface Permission {
  readonly sid: string;
  readonly action: string;
  readonly principal: string;
  readonly resource: string;
  /** Conditions by their operator; those without a value are left out. */
  readonly conditions: Readonly<Record<string, Readonly<Record<string, string | undefined>>>>;
}

/** @throws InvalidArgument ValidationException */
export function toStatement({ sid, action, principal, resource, conditions }: Permission): Statement {
  if (!SID.test(sid)) {
    throw validationError(
      sid,
      'statementId',
      'Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)',
    );
  }
  if (!ACTION.test(action)) {
    throw validationError(
      action,
      'action',
      'Member must satisfy regular expression pattern: (lambda:[*]|lambda:[a-zA-Z]+|[*])',
    );
  }
  if (principal === '')
    throw validationError('', 'principal', 'Member must have length greater than or equal to 1');
  const kept = Object.entries(conditions).flatMap(([operator, keys]) => {
    const given = Object.entries(keys).filter((entry): entry is [string, string] => entry[1] !== undefined);
    return given.length === 0 ? [] : [[operator, Object.fromEntries(given)] as const];
  });
  return {
    Sid: sid,
    Effect: 'Allow',
    Principal: toPrincipal(principal),
    Action: action,
    Resource: resource,
    ...(kept.length === 0 ? {} : { Condition: Object.fromEntries(kept) }),
  };
}

function toPrincipal(principal: string): Statement['Principal'] {
  if (principal === '*') return '*';
  if (ACCOUNT.test(principal)) return { AWS: `arn:aws:iam::${principal}:root` };
  return principal.startsWith('arn:') ? { AWS: principal } : { Service: principal };
}

/** The policy with one statement more. @throws Conflict when it has one of that name; FailedPrecondition */
export function withStatement(
  policy: PolicyRecord | undefined,
  statement: Statement,
  { given, next }: { readonly given: string | undefined; readonly next: string },
): PolicyRecord {
  requireRevision(given, policy?.revisionId, 'GetPolicy');
  const statements = policy?.statements ?? [];
  if (statements.some(({ Sid }) => Sid === statement.Sid)) {
    throw conflict(
      `The statement id (${statement.Sid}) provided already exists. Please provide a new statement id, or remove the existing statement.`,
    );
  }
  return { revisionId: next, statements: [...statements, statement] };
}

/** The policy without a statement; undefined when that was the last. @throws NotFound, FailedPrecondition */
export function withoutStatement(
  policy: PolicyRecord | undefined,
  sid: string,
  { given, next }: { readonly given: string | undefined; readonly next: string },
): PolicyRecord | undefined {
  const left = policy?.statements.filter(({ Sid }) => Sid !== sid) ?? [];
  if (policy === undefined || left.length === policy.statements.length) {
    throw notFound(`Statement ${sid} is not found in resource policy.`);
  }
  requireRevision(given, policy.revisionId, 'GetPolicy');
  return left.length === 0 ? undefined : { revisionId: next, statements: left };
}

/** As IAM writes policies. */
export const formatPolicy = ({ statements }: PolicyRecord): string =>
  JSON.stringify({ Version: '2012-10-17', Id: 'default', Statement: statements });

/** Whether everybody may use a function URL that asks for no signature. */
export const allowsPublicUrl = (policy: PolicyRecord | undefined): boolean =>
  policy?.statements.some(
    ({ Principal, Action, Condition }) =>
      Principal === '*' &&
      ['lambda:InvokeFunctionUrl', 'lambda:*', '*'].includes(Action) &&
      (Condition?.['StringEquals']?.['lambda:FunctionUrlAuthType'] ?? 'NONE') === 'NONE',
  ) ?? false;
