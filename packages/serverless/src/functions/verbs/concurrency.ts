import type {
  DeleteFunctionConcurrencyCommandInput,
  DeleteProvisionedConcurrencyConfigCommandInput,
  GetFunctionConcurrencyCommandInput,
  GetFunctionConcurrencyResponse,
  GetProvisionedConcurrencyConfigCommandInput,
  GetProvisionedConcurrencyConfigResponse,
  ListProvisionedConcurrencyConfigsCommandInput,
  ListProvisionedConcurrencyConfigsResponse,
  PutFunctionConcurrencyCommandInput,
  PutProvisionedConcurrencyConfigCommandInput,
  PutProvisionedConcurrencyConfigResponse,
} from '@aws-sdk/client-lambda';
import { type AwsCall, awsError } from '../../aws/index.ts';
import { functionArn, isVersionNumber, LATEST } from '../arn.ts';
import type { ProvisionedStatus } from '../catalog.ts';
import {
  type FunctionInput,
  type FunctionsContext,
  openTarget,
  requireVersion,
  type Target,
} from '../context.ts';
import { conflict, invalidParameter, validationError } from '../errors.ts';
import { entryOf, type FunctionRecord, type ProvisionedRecord, without } from '../function-record.ts';
import { pageOf } from '../pages.ts';
import { formatTime, present } from '../wire.ts';

/** What must stay for functions that reserved nothing, or all that there is, where that is less. */
const LEAST_UNRESERVED = 100;

/** Keeps a part of the account's concurrency for a function, which gets no more. @throws NotFound, InvalidArgument */
export function putFunctionConcurrency(
  context: FunctionsContext,
  input: PutFunctionConcurrencyCommandInput,
  call: AwsCall,
): GetFunctionConcurrencyResponse {
  const { registry, limits } = context;
  const { record } = openFunction(context, input, call);
  const wanted = input.ReservedConcurrentExecutions ?? -1;
  if (!(wanted >= 0)) {
    throw validationError(
      input.ReservedConcurrentExecutions,
      'reservedConcurrentExecutions',
      'Member must have value greater than or equal to 0',
    );
  }
  const least = Math.min(LEAST_UNRESERVED, limits.concurrency);
  if (wanted > 0 && limits.concurrency - registry.reservedConcurrency(record.name) - wanted < least) {
    throw invalidParameter(
      `Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [${least}].`,
    );
  }
  if (wanted < provisionedSum(record)) {
    throw invalidParameter(
      `ReservedConcurrentExecutions  ${wanted} should not be lower than function's total provisioned concurrency [${provisionedSum(record)}].`,
    );
  }
  registry.save({ ...record, reservedConcurrency: wanted });
  return { ReservedConcurrentExecutions: wanted };
}

/** @throws NotFound */
export function getFunctionConcurrency(
  context: FunctionsContext,
  input: GetFunctionConcurrencyCommandInput,
  call: AwsCall,
): GetFunctionConcurrencyResponse {
  const { reservedConcurrency } = openFunction(context, input, call).record;
  return present({ ReservedConcurrentExecutions: reservedConcurrency });
}

/** @throws NotFound */
export function deleteFunctionConcurrency(
  context: FunctionsContext,
  input: DeleteFunctionConcurrencyCommandInput,
  call: AwsCall,
): object {
  const { record } = openFunction(context, input, call);
  context.registry.save({ ...record, reservedConcurrency: undefined });
  return {};
}

/** Asks for environments that are kept initialised; the pool makes them. @throws NotFound, InvalidArgument, Conflict */
export function putProvisionedConcurrencyConfig(
  context: FunctionsContext,
  input: PutProvisionedConcurrencyConfigCommandInput,
  call: AwsCall,
): PutProvisionedConcurrencyConfigResponse {
  const target = openProvisionedTarget(context, input, call);
  const { record, qualifier } = target;
  const count = input.ProvisionedConcurrentExecutions ?? 0;
  if (!(count >= 1)) {
    throw validationError(
      input.ProvisionedConcurrentExecutions,
      'provisionedConcurrentExecutions',
      'Member must have value greater than or equal to 1',
    );
  }
  requireNoOtherProvisioned(target);
  const others = without(record.provisioned, qualifier);
  const sum = provisionedSum({ provisioned: others }) + count;
  const { reservedConcurrency } = record;
  if (reservedConcurrency !== undefined && sum > reservedConcurrency) {
    throw invalidParameter(
      `Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function`,
    );
  }
  const room = context.limits.concurrency - context.registry.reservedConcurrency(record.name);
  if (sum > room) {
    throw invalidParameter(
      `Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [${room}].`,
    );
  }
  const provisioned: ProvisionedRecord = { count, lastModifiedMs: context.clock.nowMs() };
  context.provisionedStatus.delete(statusKey(target));
  context.registry.save({ ...record, provisioned: { ...others, [qualifier]: provisioned } });
  return toWire(provisioned, context.provisionedStatus.get(statusKey(target)));
}

/** @throws NotFound ProvisionedConcurrencyConfigNotFoundException */
export function getProvisionedConcurrencyConfig(
  context: FunctionsContext,
  input: GetProvisionedConcurrencyConfigCommandInput,
  call: AwsCall,
): GetProvisionedConcurrencyConfigResponse {
  const target = openProvisionedTarget(context, input, call);
  const provisioned = entryOf(target.record.provisioned, target.qualifier);
  if (provisioned === undefined) {
    throw awsError(
      'NotFound',
      'ProvisionedConcurrencyConfigNotFoundException',
      'No Provisioned Concurrency Config found for this function',
      { details: { Type: 'User' } },
    );
  }
  return toWire(provisioned, context.provisionedStatus.get(statusKey(target)));
}

/** @throws NotFound */
export function listProvisionedConcurrencyConfigs(
  context: FunctionsContext,
  input: ListProvisionedConcurrencyConfigsCommandInput,
  call: AwsCall,
): ListProvisionedConcurrencyConfigsResponse {
  const { record, place } = openFunction(context, input, call);
  const configs = Object.entries(record.provisioned).sort(([a], [b]) => (a < b ? -1 : 1));
  const { items, next } = pageOf(configs, input, ([qualifier]) => qualifier);
  return {
    ProvisionedConcurrencyConfigs: items.map(([qualifier, provisioned]) => ({
      FunctionArn: functionArn(place, record.name, qualifier),
      ...toWire(provisioned, context.provisionedStatus.get(statusKey({ record, qualifier }))),
    })),
    ...next,
  };
}

/** Nothing when there is none. @throws NotFound for the function */
export function deleteProvisionedConcurrencyConfig(
  context: FunctionsContext,
  input: DeleteProvisionedConcurrencyConfigCommandInput,
  call: AwsCall,
): object {
  const target = openProvisionedTarget(context, input, call);
  const { record, qualifier } = target;
  if (entryOf(record.provisioned, qualifier) !== undefined) {
    context.provisionedStatus.delete(statusKey(target));
    context.registry.save({ ...record, provisioned: without(record.provisioned, qualifier) });
  }
  return {};
}

/** Where the status of what the pool provisions is kept. */
export const statusKey = ({ record, qualifier }: { record: FunctionRecord; qualifier: string }): string =>
  `${record.name}:${qualifier}`;

const openFunction = (context: FunctionsContext, { FunctionName }: FunctionInput, call: AwsCall): Target =>
  openTarget(context, { FunctionName }, call);

function openProvisionedTarget(
  context: FunctionsContext,
  input: FunctionInput,
  call: AwsCall,
): Target & { readonly qualifier: string } {
  const target = openTarget(context, input, call);
  const { qualifier } = target;
  if (qualifier === undefined || qualifier === LATEST) {
    throw invalidParameter(
      'Provisioned Concurrency Configs cannot be applied to unpublished function versions.',
    );
  }
  requireVersion(target);
  return { ...target, qualifier };
}

/** A version is provisioned by its number or by an alias, not by both. @throws Conflict */
function requireNoOtherProvisioned({ record, qualifier }: Target & { readonly qualifier: string }): void {
  const { aliases, provisioned } = record;
  if (isVersionNumber(qualifier)) {
    const isPointed = Object.values(aliases).some(
      ({ name, version }) => version === qualifier && entryOf(provisioned, name) !== undefined,
    );
    if (isPointed) throw conflict('Version is pointed by a Provisioned Concurrency alias');
  } else if (entryOf(provisioned, entryOf(aliases, qualifier)?.version ?? '') !== undefined) {
    throw conflict(
      "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
    );
  }
}

function provisionedSum({ provisioned }: Pick<FunctionRecord, 'provisioned'>): number {
  return Object.values(provisioned).reduce((sum, { count }) => sum + count, 0);
}

/** Until the pool has said how far it is, it is under way. */
const toWire = ({ count, lastModifiedMs }: ProvisionedRecord, status: ProvisionedStatus | undefined) => ({
  RequestedProvisionedConcurrentExecutions: count,
  AllocatedProvisionedConcurrentExecutions: status?.allocated ?? 0,
  AvailableProvisionedConcurrentExecutions: status?.available ?? 0,
  Status: status?.status ?? ('IN_PROGRESS' as const),
  LastModified: formatTime(lastModifiedMs),
  ...present({ StatusReason: status?.reason }),
});
