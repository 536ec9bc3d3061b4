import type {
  FunctionCodeLocation,
  FunctionConfiguration,
  GetFunctionCommandInput,
  GetFunctionConfigurationCommandInput,
  GetFunctionResponse,
  ListFunctionsCommandInput,
  ListFunctionsResponse,
  ListVersionsByFunctionCommandInput,
  ListVersionsByFunctionResponse,
} from '@aws-sdk/client-lambda';
import type { AwsCall } from '../../aws/index.ts';
import { LATEST } from '../arn.ts';
import { type FunctionsContext, openTarget, requireVersion } from '../context.ts';
import { type CodeRecord, type FunctionRecord, type VersionRecord, versionsOf } from '../function-record.ts';
import { pageOf } from '../pages.ts';
import { present, toConfiguration } from '../wire.ts';

/** A function, where its code can be fetched, its tags and its reserved concurrency. @throws NotFound */
export function getFunction(
  context: FunctionsContext,
  input: GetFunctionCommandInput,
  call: AwsCall,
): GetFunctionResponse {
  const target = openTarget(context, input, call);
  const version = requireVersion(target);
  const { record, qualifier } = target;
  const { reservedConcurrency } = record;
  return {
    Configuration: toConfiguration({ record, version, accountId: call.accountId }, qualifier),
    Code: toLocation(context, version.code, call),
    ...(Object.keys(record.tags).length === 0 ? {} : { Tags: { ...record.tags } }),
    ...(reservedConcurrency === undefined
      ? {}
      : { Concurrency: { ReservedConcurrentExecutions: reservedConcurrency } }),
  };
}

function toLocation(
  { downloads, port }: FunctionsContext,
  code: CodeRecord,
  call: AwsCall,
): FunctionCodeLocation {
  if (code.kind === 'Zip') {
    return { RepositoryType: 'S3', Location: downloads.url(code.digest, hostOf(call, port)) };
  }
  const { uri, resolved } = code;
  return {
    RepositoryType: 'ECR',
    ImageUri: uri,
    ...present({ ResolvedImageUri: resolved && `${repositoryOf(uri)}@${resolved.manifest}` }),
  };
}

/** Where the TCP door is for this caller; over the Unix socket it is this machine. */
export const hostOf = ({ host }: AwsCall, port: number): string =>
  /:\d+$/.test(host) ? host : `localhost:${port}`;

/** An image's name without its tag and digest. */
const repositoryOf = (uri: string): string => uri.replace(/@.*$/, '').replace(/:[^:/]+$/, '');

/** @throws NotFound */
export function getFunctionConfiguration(
  context: FunctionsContext,
  input: GetFunctionConfigurationCommandInput,
  call: AwsCall,
): FunctionConfiguration {
  const target = openTarget(context, input, call);
  const version = requireVersion(target);
  return toConfiguration({ record: target.record, version, accountId: call.accountId }, target.qualifier);
}

/** All functions by name; with `FunctionVersion: ALL` every version of each. */
export function listFunctions(
  { registry }: FunctionsContext,
  input: ListFunctionsCommandInput,
  call: AwsCall,
): ListFunctionsResponse {
  const isAll = input.FunctionVersion === 'ALL';
  const views = registry
    .list()
    .flatMap((record) =>
      (isAll ? versionsOf(record) : [record.latest]).map((version) => ({ record, version })),
    );
  // Names hold no blank, so that the versions of a function stay together, and in order.
  const keyOf = ({ record, version: { version } }: (typeof views)[number]) =>
    `${record.name} ${version === LATEST ? '' : version.padStart(12, '0')}`;
  const { items, next } = pageOf(
    views.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)),
    input,
    keyOf,
  );
  return { Functions: items.map((view) => toListed(view, call, isAll)), ...next };
}

/** `$LATEST`, then what was published, in order. @throws NotFound */
export function listVersionsByFunction(
  context: FunctionsContext,
  input: ListVersionsByFunctionCommandInput,
  call: AwsCall,
): ListVersionsByFunctionResponse {
  const { record } = openTarget(context, { FunctionName: input.FunctionName }, call);
  const { items, next } = pageOf(versionsOf(record), input, ({ version }) => version);
  return { Versions: items.map((version) => toListed({ record, version }, call, true)), ...next };
}

/** Lists leave out how far a function is. */
function toListed(
  view: { readonly record: FunctionRecord; readonly version: VersionRecord },
  call: AwsCall,
  isQualified: boolean,
): FunctionConfiguration {
  const {
    State: _state,
    StateReason: _stateReason,
    StateReasonCode: _stateCode,
    LastUpdateStatus: _update,
    LastUpdateStatusReason: _updateReason,
    LastUpdateStatusReasonCode: _updateCode,
    ...listed
  } = toConfiguration({ ...view, accountId: call.accountId }, isQualified ? view.version.version : undefined);
  return listed;
}
