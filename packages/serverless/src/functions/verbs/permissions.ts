import type {
  AddPermissionCommandInput,
  AddPermissionResponse,
  GetPolicyCommandInput,
  GetPolicyResponse,
  RemovePermissionCommandInput,
} from '@aws-sdk/client-lambda';
import type { AwsCall } from '../../aws/index.ts';
import { functionArn, LATEST } from '../arn.ts';
import {
  type FunctionInput,
  type FunctionsContext,
  keyOf,
  newRevision,
  openTarget,
  requireVersion,
  type Target,
} from '../context.ts';
import { invalidParameter, noSuchResource } from '../errors.ts';
import { entryOf, without } from '../function-record.ts';
import { formatPolicy, toStatement, withoutStatement, withStatement } from '../policy.ts';

/** Lets somebody use a function, one of its versions or an alias. @throws NotFound, InvalidArgument, Conflict */
export function addPermission(
  context: FunctionsContext,
  input: AddPermissionCommandInput,
  call: AwsCall,
): AddPermissionResponse {
  const { record, place, qualifier } = openPolicyTarget(context, input, call);
  const statement = toStatement({
    sid: input.StatementId ?? '',
    action: input.Action ?? '',
    principal: input.Principal ?? '',
    resource: functionArn(place, record.name, qualifier),
    conditions: {
      StringEquals: {
        'AWS:SourceAccount': input.SourceAccount,
        'lambda:EventSourceToken': input.EventSourceToken,
        'lambda:FunctionUrlAuthType': input.FunctionUrlAuthType,
        'aws:PrincipalOrgID': input.PrincipalOrgID,
      },
      Bool: { 'lambda:InvokedViaFunctionUrl': input.InvokedViaFunctionUrl?.toString() },
      ArnLike: { 'AWS:SourceArn': input.SourceArn },
    },
  });
  const key = keyOf(qualifier);
  const revisions = { given: input.RevisionId, next: newRevision(context) };
  const policy = withStatement(entryOf(record.policies, key), statement, revisions);
  context.registry.save({ ...record, policies: { ...record.policies, [key]: policy } });
  return { Statement: JSON.stringify(statement) };
}

/** @throws NotFound, FailedPrecondition */
export function removePermission(
  context: FunctionsContext,
  input: RemovePermissionCommandInput,
  call: AwsCall,
): object {
  const { record, qualifier } = openPolicyTarget(context, input, call);
  const key = keyOf(qualifier);
  const revisions = { given: input.RevisionId, next: newRevision(context) };
  const policy = withoutStatement(entryOf(record.policies, key), input.StatementId ?? '', revisions);
  const others = without(record.policies, key);
  context.registry.save({
    ...record,
    policies: policy === undefined ? others : { ...others, [key]: policy },
  });
  return {};
}

/** @throws NotFound, also where nothing was allowed */
export function getPolicy(
  context: FunctionsContext,
  input: GetPolicyCommandInput,
  call: AwsCall,
): GetPolicyResponse {
  const target = openTarget(context, input, call);
  requireVersion(target);
  const policy = entryOf(target.record.policies, keyOf(target.qualifier));
  if (policy === undefined) throw noSuchResource();
  return { Policy: formatPolicy(policy), RevisionId: policy.revisionId };
}

function openPolicyTarget(context: FunctionsContext, input: FunctionInput, call: AwsCall): Target {
  const target = openTarget(context, input, call);
  if (target.qualifier === LATEST) {
    throw invalidParameter('We currently do not support adding policies for $LATEST.');
  }
  requireVersion(target);
  return target;
}
