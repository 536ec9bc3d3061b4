import type {
  GetFunctionRecursionConfigCommandInput,
  GetFunctionRecursionConfigResponse,
  GetFunctionScalingConfigCommandInput,
  GetFunctionScalingConfigResponse,
  GetRuntimeManagementConfigCommandInput,
  PutFunctionRecursionConfigCommandInput,
  PutRuntimeManagementConfigCommandInput,
  PutRuntimeManagementConfigResponse,
} from '@aws-sdk/client-lambda';
import type { AwsCall } from '../../aws/index.ts';
import { functionArn } from '../arn.ts';
import { checkOneOf } from '../configuration.ts';
import { type FunctionInput, type FunctionsContext, keyOf, openTarget, requireVersion } from '../context.ts';
import { invalidParameter } from '../errors.ts';
import { entryOf, type RuntimeManagementRecord } from '../function-record.ts';
import { present } from '../wire.ts';

/** Kept as it was said: runtimes here are updated with Slipway. @throws NotFound, InvalidArgument */
export function putRuntimeManagementConfig(
  context: FunctionsContext,
  input: PutRuntimeManagementConfigCommandInput,
  call: AwsCall,
): PutRuntimeManagementConfigResponse {
  const target = openTarget(context, input, call);
  requireVersion(target);
  checkOneOf(input.UpdateRuntimeOn, 'updateRuntimeOn', ['Auto', 'Manual', 'FunctionUpdate']);
  const updateRuntimeOn = input.UpdateRuntimeOn ?? 'Auto';
  const { RuntimeVersionArn: runtimeVersionArn } = input;
  if ((updateRuntimeOn === 'Manual') !== (runtimeVersionArn !== undefined)) {
    throw invalidParameter(
      updateRuntimeOn === 'Manual'
        ? 'RuntimeVersionArn is required when UpdateRuntimeOn is Manual.'
        : 'RuntimeVersionArn can be given when UpdateRuntimeOn is Manual alone.',
    );
  }
  const { record, qualifier } = target;
  const management: RuntimeManagementRecord = { updateRuntimeOn, runtimeVersionArn };
  context.registry.save({
    ...record,
    runtimeManagement: { ...record.runtimeManagement, [keyOf(qualifier)]: management },
  });
  return getRuntimeManagementConfig(context, input, call);
}

/** @throws NotFound */
export function getRuntimeManagementConfig(
  context: FunctionsContext,
  input: GetRuntimeManagementConfigCommandInput,
  call: AwsCall,
): PutRuntimeManagementConfigResponse {
  const target = openTarget(context, input, call);
  requireVersion(target);
  const { record, place, qualifier } = target;
  const { updateRuntimeOn = 'Auto', runtimeVersionArn } =
    entryOf(record.runtimeManagement, keyOf(qualifier)) ?? {};
  return {
    UpdateRuntimeOn: updateRuntimeOn,
    FunctionArn: functionArn(place, record.name, qualifier),
    ...present({ RuntimeVersionArn: runtimeVersionArn }),
  };
}

/** @throws NotFound, InvalidArgument */
export function putFunctionRecursionConfig(
  context: FunctionsContext,
  input: PutFunctionRecursionConfigCommandInput,
  call: AwsCall,
): GetFunctionRecursionConfigResponse {
  const { record } = openTarget(context, input, call);
  checkOneOf(input.RecursiveLoop, 'recursiveLoop', ['Allow', 'Terminate']);
  const recursiveLoop = input.RecursiveLoop ?? 'Terminate';
  context.registry.save({ ...record, recursiveLoop });
  return { RecursiveLoop: recursiveLoop };
}

/** @throws NotFound */
export function getFunctionRecursionConfig(
  context: FunctionsContext,
  input: GetFunctionRecursionConfigCommandInput,
  call: AwsCall,
): GetFunctionRecursionConfigResponse {
  return { RecursiveLoop: openTarget(context, input, call).record.recursiveLoop };
}

/** Scaling by capacity providers is not offered here, so no function has any. @throws NotFound */
export function getFunctionScalingConfig(
  context: FunctionsContext,
  input: GetFunctionScalingConfigCommandInput,
  call: AwsCall,
): GetFunctionScalingConfigResponse {
  const target = openTarget(context, input as FunctionInput, call);
  requireVersion(target);
  return { FunctionArn: functionArn(target.place, target.record.name, target.qualifier) };
}
