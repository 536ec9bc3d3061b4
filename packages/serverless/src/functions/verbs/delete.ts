import type { DeleteFunctionCommandInput, DeleteFunctionResponse } from '@aws-sdk/client-lambda';
import type { AwsCall } from '../../aws/index.ts';
import { isVersionNumber, LATEST } from '../arn.ts';
import { type FunctionsContext, openTarget } from '../context.ts';
import { conflict, invalidParameter } from '../errors.ts';
import { without } from '../function-record.ts';

/**
 * Removes a function with all that belongs to it, or one of its versions.
 * @throws NotFound; InvalidArgument for `$LATEST` and aliases; Conflict for a version that an alias names
 */
export function deleteFunction(
  context: FunctionsContext,
  input: DeleteFunctionCommandInput,
  call: AwsCall,
): DeleteFunctionResponse {
  const { record, qualifier } = openTarget(context, input, call);
  if (qualifier === undefined) {
    for (const key of Object.keys(record.provisioned))
      context.provisionedStatus.delete(`${record.name}:${key}`);
    context.registry.delete(record.name);
    return { StatusCode: 204 };
  }
  if (qualifier === LATEST) {
    throw invalidParameter('$LATEST version cannot be deleted without deleting the function.');
  }
  if (!isVersionNumber(qualifier)) throw invalidParameter('Deletion of aliases is not currently supported.');
  const users = Object.values(record.aliases)
    .filter(({ version, weights }) => version === qualifier || Object.hasOwn(weights, qualifier))
    .map(({ name }) => name);
  if (users.length > 0) {
    throw conflict(
      `Unable to delete version because the following aliases reference it: [${users.join(', ')}]`,
    );
  }
  if (record.published[qualifier] !== undefined) {
    context.registry.save({
      ...record,
      published: without(record.published, qualifier),
      policies: without(record.policies, qualifier),
      eventInvokeConfigs: without(record.eventInvokeConfigs, qualifier),
      provisioned: without(record.provisioned, qualifier),
      runtimeManagement: without(record.runtimeManagement, qualifier),
    });
  }
  return { StatusCode: 204 };
}
