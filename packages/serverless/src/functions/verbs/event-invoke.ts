import type {
  DeleteFunctionEventInvokeConfigCommandInput,
  DestinationConfig,
  FunctionEventInvokeConfig,
  GetFunctionEventInvokeConfigCommandInput,
  ListFunctionEventInvokeConfigsCommandInput,
  ListFunctionEventInvokeConfigsResponse,
  PutFunctionEventInvokeConfigCommandInput,
  UpdateFunctionEventInvokeConfigCommandInput,
} from '@aws-sdk/client-lambda';
import type { AwsCall } from '../../aws/index.ts';
import { functionArn } from '../arn.ts';
import { checkRange } from '../configuration.ts';
import {
  type FunctionInput,
  type FunctionsContext,
  keyOf,
  openTarget,
  requireVersion,
  type Target,
} from '../context.ts';
import { invalidParameter, notFound } from '../errors.ts';
import { type EventInvokeRecord, entryOf, without } from '../function-record.ts';
import { pageOf } from '../pages.ts';
import { present } from '../wire.ts';

/** Says what becomes of asynchronous invocations; what is not said is Lambda's default again. @throws NotFound, InvalidArgument */
export function putFunctionEventInvokeConfig(
  context: FunctionsContext,
  input: PutFunctionEventInvokeConfigCommandInput,
  call: AwsCall,
): FunctionEventInvokeConfig {
  return save(context, openVersioned(context, input, call), input, undefined);
}

/** Changes what is said. @throws NotFound, also where nothing was; InvalidArgument */
export function updateFunctionEventInvokeConfig(
  context: FunctionsContext,
  input: UpdateFunctionEventInvokeConfigCommandInput,
  call: AwsCall,
): FunctionEventInvokeConfig {
  const target = openVersioned(context, input, call);
  return save(context, target, input, requireConfig(target));
}

/** @throws NotFound */
export function getFunctionEventInvokeConfig(
  context: FunctionsContext,
  input: GetFunctionEventInvokeConfigCommandInput,
  call: AwsCall,
): FunctionEventInvokeConfig {
  const target = openVersioned(context, input, call);
  return toWire(target, keyOf(target.qualifier), requireConfig(target));
}

/** @throws NotFound */
export function listFunctionEventInvokeConfigs(
  context: FunctionsContext,
  input: ListFunctionEventInvokeConfigsCommandInput,
  call: AwsCall,
): ListFunctionEventInvokeConfigsResponse {
  const target = openTarget(context, { FunctionName: input.FunctionName }, call);
  const configs = Object.entries(target.record.eventInvokeConfigs).sort(([a], [b]) => (a < b ? -1 : 1));
  const { items, next } = pageOf(configs, input, ([key]) => key);
  return { FunctionEventInvokeConfigs: items.map(([key, config]) => toWire(target, key, config)), ...next };
}

/** @throws NotFound, also where nothing was said */
export function deleteFunctionEventInvokeConfig(
  context: FunctionsContext,
  input: DeleteFunctionEventInvokeConfigCommandInput,
  call: AwsCall,
): object {
  const target = openVersioned(context, input, call);
  requireConfig(target);
  const { record, qualifier } = target;
  context.registry.save({
    ...record,
    eventInvokeConfigs: without(record.eventInvokeConfigs, keyOf(qualifier)),
  });
  return {};
}

function openVersioned(context: FunctionsContext, input: FunctionInput, call: AwsCall): Target {
  const target = openTarget(context, input, call);
  requireVersion(target);
  return target;
}

/** @throws NotFound in Lambda's words */
function requireConfig({ record, qualifier, place }: Target): EventInvokeRecord {
  const config = entryOf(record.eventInvokeConfigs, keyOf(qualifier));
  if (config !== undefined) return config;
  throw notFound(
    `The function ${functionArn(place, record.name, keyOf(qualifier))} doesn't have an EventInvokeConfig`,
  );
}

function save(
  context: FunctionsContext,
  target: Target,
  input: PutFunctionEventInvokeConfigCommandInput,
  before: EventInvokeRecord | undefined,
): FunctionEventInvokeConfig {
  const { MaximumRetryAttempts: retries, MaximumEventAgeInSeconds: age, DestinationConfig: given } = input;
  if (retries === undefined && age === undefined && given === undefined) {
    throw invalidParameter('You must specify at least one of error handling or destination setting.');
  }
  checkRange(retries, 'maximumRetryAttempts', [0, 2]);
  checkRange(age, 'maximumEventAgeInSeconds', [60, 21_600]);
  const destinations = given === undefined ? before : checkDestinations(context, target, given);
  const config: EventInvokeRecord = {
    lastModifiedMs: context.clock.nowMs(),
    maxRetries: retries ?? before?.maxRetries,
    maxAgeSeconds: age ?? before?.maxAgeSeconds,
    onSuccess: destinations?.onSuccess,
    onFailure: destinations?.onFailure,
  };
  const { record, qualifier } = target;
  const key = keyOf(qualifier);
  context.registry.save({ ...record, eventInvokeConfigs: { ...record.eventInvokeConfigs, [key]: config } });
  return toWire(target, key, config);
}

function checkDestinations(
  { rules }: FunctionsContext,
  { record, place }: Target,
  { OnSuccess, OnFailure }: DestinationConfig,
): Pick<EventInvokeRecord, 'onSuccess' | 'onFailure'> {
  const check = (arn: string | undefined): string | undefined => {
    if (!arn) return undefined;
    rules.checkTarget(arn);
    if (arn === functionArn(place, record.name)) {
      throw invalidParameter("You can't specify the function as a destination for itself.");
    }
    return arn;
  };
  return { onSuccess: check(OnSuccess?.Destination), onFailure: check(OnFailure?.Destination) };
}

const toWire = (
  { record, place }: Target,
  key: string,
  config: EventInvokeRecord,
): FunctionEventInvokeConfig => ({
  LastModified: new Date(config.lastModifiedMs),
  FunctionArn: functionArn(place, record.name, key),
  ...present({
    MaximumRetryAttempts: config.maxRetries,
    MaximumEventAgeInSeconds: config.maxAgeSeconds,
  }),
  DestinationConfig: {
    OnSuccess: present({ Destination: config.onSuccess }),
    OnFailure: present({ Destination: config.onFailure }),
  },
});
