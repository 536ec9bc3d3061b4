import type { CreateFunctionCommandInput, FunctionConfiguration } from '@aws-sdk/client-lambda';
import type { AwsCall } from '../../aws/index.ts';
import { LATEST } from '../arn.ts';
import { checkUnzipped, takeCode } from '../code/take-code.ts';
import { applyConfiguration, checkOneOf, defaultConfiguration } from '../configuration.ts';
import { type FunctionsContext, newRevision, parseReference } from '../context.ts';
import { conflict, invalidParameter, validationError } from '../errors.ts';
import type { CodeRecord, Configuration, FunctionRecord, VersionRecord } from '../function-record.ts';
import { CREATED } from '../state.ts';
import { toConfiguration } from '../wire.ts';
import { publishedAs } from './publish.ts';
import { checkTags } from './tags.ts';

/**
 * Makes a function. It is Pending when this answers, and Active once its code is in place.
 * @throws Conflict ResourceConflictException when there is one of that name
 */
export async function createFunction(
  context: FunctionsContext,
  input: CreateFunctionCommandInput,
  call: AwsCall,
): Promise<FunctionConfiguration> {
  const { registry, rules, limits, settler } = context;
  const { name, qualifier } = parseReference(input, call);
  if (qualifier !== undefined)
    throw invalidParameter(`FunctionName ${input.FunctionName} must not name a version`);
  if (input.Code === undefined) throw invalidParameter('Please provide a source for function code.');
  checkPackage(input);
  const configuration = applyConfiguration(defaultConfiguration(name, rules), input, rules);
  const tags = { ...input.Tags };
  checkTags(context, tags, call);
  requireNew(context, name);
  await using taken = await takeCode(context, input.Code);
  checkUnzipped(taken.code, configuration.layers, limits.unzippedBytes);
  requireNew(context, name);
  const latest = newLatest(context, taken.code, configuration);
  const isPublished = input.Publish === true;
  const record: FunctionRecord = {
    name,
    region: call.region,
    tags,
    reservedConcurrency: undefined,
    lastVersion: isPublished ? 1 : 0,
    latest,
    previous: undefined,
    published: isPublished ? { 1: publishedAs(context, latest, 1) } : {},
    aliases: {},
    policies: {},
    eventInvokeConfigs: {},
    urls: {},
    provisioned: {},
    runtimeManagement: {},
    recursiveLoop: 'Terminate',
  };
  registry.save(record);
  settler.begin(name);
  const version = record.published[1] ?? latest;
  return toConfiguration({ record, version, accountId: call.accountId }, undefined);
}

function requireNew({ registry }: FunctionsContext, name: string): void {
  if (registry.find(name) !== undefined) throw conflict(`Function already exist: ${name}`);
}

const newLatest = (
  context: FunctionsContext,
  code: CodeRecord,
  configuration: Configuration,
): VersionRecord => ({
  version: LATEST,
  revisionId: newRevision(context),
  lastModifiedMs: context.clock.nowMs(),
  progress: CREATED,
  code,
  configuration,
});

/** Whether what is said fits the kind of package. */
function checkPackage({
  PackageType,
  Code,
  Runtime,
  Handler,
  Role,
  Layers,
}: CreateFunctionCommandInput): void {
  checkOneOf(PackageType, 'packageType', ['Zip', 'Image']);
  if (Role === undefined) throw validationError('null', 'role', 'Member must not be null');
  const isImage = Code?.ImageUri !== undefined;
  if (isImage !== (PackageType === 'Image')) {
    throw invalidParameter(
      isImage
        ? 'Please set PackageType to Image for a function whose code is an image (ImageUri).'
        : 'Please provide ImageUri when creating a function with packageType Image.',
    );
  }
  if (!isImage && (Runtime === undefined || Handler === undefined)) {
    throw invalidParameter(
      'Runtime and Handler are mandatory parameters for functions created with deployment packages.',
    );
  }
  if (isImage && (Runtime !== undefined || Handler !== undefined || Layers?.length)) {
    throw invalidParameter(
      'Please don’t provide Handler, Runtime or Layers when the intended function PackageType is Image: the image has them.',
    );
  }
}
