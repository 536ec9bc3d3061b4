import type {
  GetFunctionCodeSigningConfigResponse,
  ListCodeSigningConfigsResponse,
} from '@aws-sdk/client-lambda';
import type { AwsCall } from '../../aws/index.ts';
import { type FunctionInput, type FunctionsContext, openTarget } from '../context.ts';
import { notFound } from '../errors.ts';

/** Signed code is not offered here: there is no configuration of it, and no function has one. */
export const listCodeSigningConfigs = (): ListCodeSigningConfigsResponse => ({ CodeSigningConfigs: [] });

/** @throws NotFound */
export function getCodeSigningConfig({
  CodeSigningConfigArn: arn,
}: {
  readonly CodeSigningConfigArn: string | undefined;
}): never {
  throw notFound(`The Lambda code signing configuration ${arn} can not be found.`);
}

/** Empty, as of every function without one. @throws NotFound for the function */
export function getFunctionCodeSigningConfig(
  context: FunctionsContext,
  input: FunctionInput,
  call: AwsCall,
): Partial<GetFunctionCodeSigningConfigResponse> {
  openTarget(context, input, call);
  return {};
}

/** There is none to be taken away. @throws NotFound for the function */
export function deleteFunctionCodeSigningConfig(
  context: FunctionsContext,
  input: FunctionInput,
  call: AwsCall,
): object {
  openTarget(context, input, call);
  return {};
}
