import type {
  AddLayerVersionPermissionCommandInput,
  AddLayerVersionPermissionResponse,
  GetLayerVersionPolicyCommandInput,
  GetLayerVersionPolicyResponse,
  RemoveLayerVersionPermissionCommandInput,
} from '@aws-sdk/client-lambda';
import type { AwsCall } from '../../aws/index.ts';
import { type FunctionsContext, newRevision } from '../context.ts';
import { notFound } from '../errors.ts';
import type { PolicyRecord } from '../function-record.ts';
import { formatPolicy, toStatement, withoutStatement, withStatement } from '../policy.ts';
import { type LayerVersion, layerVersionArn, openLayerVersion } from './layers.ts';

/** @throws NotFound, Conflict, FailedPrecondition, InvalidArgument */
export function addLayerVersionPermission(
  context: FunctionsContext,
  input: AddLayerVersionPermissionCommandInput,
  call: AwsCall,
): AddLayerVersionPermissionResponse {
  const layer = openLayerVersion(context, input, call);
  const statement = toStatement({
    sid: input.StatementId ?? '',
    action: input.Action ?? '',
    principal: input.Principal ?? '',
    resource: layerVersionArn(layer, call),
    conditions: { StringEquals: { 'aws:PrincipalOrgID': input.OrganizationId } },
  });
  const revisions = { given: input.RevisionId, next: newRevision(context) };
  const policy = withStatement(layer.version.policy, statement, revisions);
  save(context, layer, policy);
  return { Statement: JSON.stringify(statement), RevisionId: policy.revisionId };
}

/** @throws NotFound, FailedPrecondition */
export function removeLayerVersionPermission(
  context: FunctionsContext,
  input: RemoveLayerVersionPermissionCommandInput,
  call: AwsCall,
): object {
  const layer = openLayerVersion(context, input, call);
  const revisions = { given: input.RevisionId, next: newRevision(context) };
  save(context, layer, withoutStatement(layer.version.policy, input.StatementId ?? '', revisions));
  return {};
}

/** @throws NotFound, also where nothing was allowed */
export function getLayerVersionPolicy(
  context: FunctionsContext,
  input: GetLayerVersionPolicyCommandInput,
  call: AwsCall,
): GetLayerVersionPolicyResponse {
  const { policy } = openLayerVersion(context, input, call).version;
  if (policy === undefined) throw notFound('No policy is associated with the given resource.');
  return { Policy: formatPolicy(policy), RevisionId: policy.revisionId };
}

function save(
  { registry }: FunctionsContext,
  { record, version }: LayerVersion,
  policy: PolicyRecord | undefined,
): void {
  registry.saveLayer({
    ...record,
    versions: { ...record.versions, [version.version]: { ...version, policy } },
  });
}
