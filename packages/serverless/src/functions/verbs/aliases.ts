import type {
  AliasConfiguration,
  AliasRoutingConfiguration,
  CreateAliasCommandInput,
  DeleteAliasCommandInput,
  GetAliasCommandInput,
  ListAliasesCommandInput,
  ListAliasesResponse,
  UpdateAliasCommandInput,
} from '@aws-sdk/client-lambda';
import type { AwsCall } from '../../aws/index.ts';
import { functionArn, isVersionNumber, LATEST } from '../arn.ts';
import { type FunctionsContext, newRevision, openTarget, type Target } from '../context.ts';
import {
  conflict,
  functionNotFound,
  invalidParameter,
  notFound,
  requireRevision,
  validationError,
} from '../errors.ts';
import { type AliasRecord, entryOf, without } from '../function-record.ts';
import { pageOf } from '../pages.ts';

const NAME = /^(?!\d+$)[a-zA-Z0-9-_]{1,128}$/;

/** @throws NotFound for a version that is not there; Conflict for an alias that is; InvalidArgument */
export function createAlias(
  context: FunctionsContext,
  input: CreateAliasCommandInput,
  call: AwsCall,
): AliasConfiguration {
  const target = openTarget(context, { FunctionName: input.FunctionName }, call);
  const name = input.Name ?? '';
  if (!NAME.test(name)) {
    throw validationError(
      name,
      'name',
      'Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)',
    );
  }
  const version = requireTargetVersion(target, input.FunctionVersion ?? '');
  const weights = checkWeights(target, version, input.RoutingConfig);
  const arn = functionArn(target.place, target.record.name, name);
  if (entryOf(target.record.aliases, name) !== undefined) throw conflict(`Alias already exists: ${arn}`);
  const description = input.Description ?? '';
  return save(context, target, { name, version, description, weights, revisionId: newRevision(context) });
}

/** @throws NotFound, InvalidArgument, FailedPrecondition */
export function updateAlias(
  context: FunctionsContext,
  input: UpdateAliasCommandInput,
  call: AwsCall,
): AliasConfiguration {
  const target = openTarget(context, { FunctionName: input.FunctionName }, call);
  const before = requireAlias(target, input.Name);
  const version =
    input.FunctionVersion === undefined
      ? before.version
      : requireTargetVersion(target, input.FunctionVersion);
  const weights =
    input.RoutingConfig === undefined ? before.weights : checkWeights(target, version, input.RoutingConfig);
  requireRevision(input.RevisionId, before.revisionId, 'GetFunction/GetAlias');
  return save(context, target, {
    name: before.name,
    version,
    description: input.Description ?? before.description,
    weights,
    revisionId: newRevision(context),
  });
}

/** @throws NotFound */
export function getAlias(
  context: FunctionsContext,
  input: GetAliasCommandInput,
  call: AwsCall,
): AliasConfiguration {
  const target = openTarget(context, { FunctionName: input.FunctionName }, call);
  return toWire(target, requireAlias(target, input.Name));
}

/** By name; those of one version when it is named. @throws NotFound */
export function listAliases(
  context: FunctionsContext,
  input: ListAliasesCommandInput,
  call: AwsCall,
): ListAliasesResponse {
  const target = openTarget(context, { FunctionName: input.FunctionName }, call);
  const aliases = Object.values(target.record.aliases)
    .filter(({ version }) => input.FunctionVersion === undefined || version === input.FunctionVersion)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const { items, next } = pageOf(aliases, input, ({ name }) => name);
  return { Aliases: items.map((alias) => toWire(target, alias)), ...next };
}

/** With what belongs to it; nothing when it is not there. @throws NotFound for the function */
export function deleteAlias(
  context: FunctionsContext,
  input: DeleteAliasCommandInput,
  call: AwsCall,
): object {
  const { record } = openTarget(context, { FunctionName: input.FunctionName }, call);
  const name = input.Name ?? '';
  if (entryOf(record.aliases, name) !== undefined) {
    context.provisionedStatus.delete(`${record.name}:${name}`);
    context.registry.save({
      ...record,
      aliases: without(record.aliases, name),
      policies: without(record.policies, name),
      eventInvokeConfigs: without(record.eventInvokeConfigs, name),
      urls: without(record.urls, name),
      provisioned: without(record.provisioned, name),
    });
  }
  return {};
}

/** @throws NotFound in Lambda's words */
function requireAlias({ record, place }: Target, name: string | undefined): AliasRecord {
  const alias = entryOf(record.aliases, name ?? '');
  if (alias === undefined) throw notFound(`Cannot find alias arn: ${functionArn(place, record.name, name)}`);
  return alias;
}

function requireTargetVersion({ record, place }: Target, version: string): string {
  if (version === LATEST) return version;
  if (!isVersionNumber(version)) {
    throw validationError(
      version,
      'functionVersion',
      'Member must satisfy regular expression pattern: (\\$LATEST|[0-9]+)',
    );
  }
  if (entryOf(record.published, version) !== undefined) return version;
  throw functionNotFound(functionArn(place, record.name, version));
}

/** @throws InvalidArgument, NotFound in Lambda's words */
function checkWeights(
  { record, place }: Target,
  version: string,
  routing: AliasRoutingConfiguration | undefined,
): Record<string, number> {
  const weights = { ...routing?.AdditionalVersionWeights };
  const entries = Object.entries(weights);
  if (entries.length > 1) {
    throw invalidParameter('Number of items in AdditionalVersionWeights cannot be greater than 1');
  }
  for (const [other, weight] of entries) {
    if (!(weight >= 0 && weight <= 1)) {
      throw validationError(
        `{${other}=${weight}}`,
        'routingConfig.additionalVersionWeights',
        'Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]',
      );
    }
    if (other === version) {
      throw invalidParameter(
        `Invalid function version ${version}. Function version ${version} is already included in routing configuration.`,
      );
    }
    if (version === LATEST) {
      throw invalidParameter('$LATEST is not supported for an alias pointing to more than 1 version');
    }
    if (entryOf(record.published, other) === undefined)
      throw functionNotFound(functionArn(place, record.name, other));
  }
  return weights;
}

function save(context: FunctionsContext, target: Target, alias: AliasRecord): AliasConfiguration {
  const { record } = target;
  context.registry.save({ ...record, aliases: { ...record.aliases, [alias.name]: alias } });
  return toWire(target, alias);
}

const toWire = ({ record, place }: Target, alias: AliasRecord): AliasConfiguration => ({
  AliasArn: functionArn(place, record.name, alias.name),
  Name: alias.name,
  FunctionVersion: alias.version,
  Description: alias.description,
  RevisionId: alias.revisionId,
  ...(Object.keys(alias.weights).length === 0
    ? {}
    : { RoutingConfig: { AdditionalVersionWeights: { ...alias.weights } } }),
});
