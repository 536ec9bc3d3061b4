import type {
  Cors,
  CreateFunctionUrlConfigCommandInput,
  DeleteFunctionUrlConfigCommandInput,
  FunctionUrlConfig,
  GetFunctionUrlConfigCommandInput,
  ListFunctionUrlConfigsCommandInput,
  ListFunctionUrlConfigsResponse,
  UpdateFunctionUrlConfigCommandInput,
} from '@aws-sdk/client-lambda';
import type { AwsCall } from '../../aws/index.ts';
import { functionArn, isVersionNumber, LATEST } from '../arn.ts';
import { checkOneOf, checkRange } from '../configuration.ts';
import {
  type FunctionInput,
  type FunctionsContext,
  keyOf,
  openTarget,
  requireVersion,
  type Target,
} from '../context.ts';
import { conflict, noSuchResource, validationError } from '../errors.ts';
import { entryOf, type UrlRecord, without } from '../function-record.ts';
import { pageOf } from '../pages.ts';
import { present } from '../wire.ts';
import { hostOf } from './read.ts';

/** The first label of a URL's host has 32 characters, as Lambda's have. */
const ID_BYTES = 16;
const LONGEST_MAX_AGE = 86_400;

/** Gives a function or an alias a URL. @throws NotFound, InvalidArgument, Conflict when it has one */
export function createFunctionUrlConfig(
  context: FunctionsContext,
  input: CreateFunctionUrlConfigCommandInput,
  call: AwsCall,
): FunctionUrlConfig {
  const target = openUrlTarget(context, input, call);
  checkUrl(input);
  const { record, place, qualifier } = target;
  if (entryOf(record.urls, keyOf(qualifier)) !== undefined) {
    throw conflict(
      `Failed to create function url config for [functionArn = ${functionArn(place, record.name, qualifier)}]. Error message:  FunctionUrlConfig exists for this Lambda function`,
    );
  }
  const nowMs = context.clock.nowMs();
  const url: UrlRecord = {
    id: context.random.hex(ID_BYTES),
    authType: input.AuthType ?? 'AWS_IAM',
    invokeMode: input.InvokeMode ?? 'BUFFERED',
    cors: input.Cors,
    createdAtMs: nowMs,
    lastModifiedMs: nowMs,
  };
  return save(context, target, url, call);
}

/** @throws NotFound, InvalidArgument */
export function updateFunctionUrlConfig(
  context: FunctionsContext,
  input: UpdateFunctionUrlConfigCommandInput,
  call: AwsCall,
): FunctionUrlConfig {
  const target = openUrlTarget(context, input, call);
  checkUrl(input);
  const before = requireUrl(target);
  const url: UrlRecord = {
    ...before,
    authType: input.AuthType ?? before.authType,
    invokeMode: input.InvokeMode ?? before.invokeMode,
    cors: input.Cors === undefined ? before.cors : orNone(input.Cors),
    lastModifiedMs: context.clock.nowMs(),
  };
  return save(context, target, url, call);
}

/** @throws NotFound */
export function getFunctionUrlConfig(
  context: FunctionsContext,
  input: GetFunctionUrlConfigCommandInput,
  call: AwsCall,
): FunctionUrlConfig {
  const target = openUrlTarget(context, input, call);
  return toWire(context, target, requireUrl(target), call);
}

/** @throws NotFound */
export function listFunctionUrlConfigs(
  context: FunctionsContext,
  input: ListFunctionUrlConfigsCommandInput,
  call: AwsCall,
): ListFunctionUrlConfigsResponse {
  const target = openTarget(context, { FunctionName: input.FunctionName }, call);
  const urls = Object.entries(target.record.urls).sort(([a], [b]) => (a < b ? -1 : 1));
  const { items, next } = pageOf(urls, input, ([key]) => key);
  return {
    FunctionUrlConfigs: items.map(([key, url]) =>
      toWire(context, { ...target, qualifier: key === LATEST ? undefined : key }, url, call),
    ),
    ...next,
  };
}

/** @throws NotFound, also where there is no URL */
export function deleteFunctionUrlConfig(
  context: FunctionsContext,
  input: DeleteFunctionUrlConfigCommandInput,
  call: AwsCall,
): object {
  const target = openUrlTarget(context, input, call);
  requireUrl(target);
  const { record, qualifier } = target;
  context.registry.save({ ...record, urls: without(record.urls, keyOf(qualifier)) });
  return {};
}

/** URLs are of functions and aliases. @throws InvalidArgument for a version, NotFound */
function openUrlTarget(context: FunctionsContext, input: FunctionInput, call: AwsCall): Target {
  const target = openTarget(context, input, call);
  const { qualifier } = target;
  if (qualifier !== undefined && (isVersionNumber(qualifier) || qualifier === LATEST)) {
    throw validationError(
      qualifier,
      'qualifier',
      'Member must satisfy regular expression pattern: ((?!^\\d+$)^[0-9a-zA-Z-_]+$)',
    );
  }
  requireVersion(target);
  return target;
}

function requireUrl({ record, qualifier }: Target): UrlRecord {
  const url = entryOf(record.urls, keyOf(qualifier));
  if (url === undefined) throw noSuchResource();
  return url;
}

function checkUrl({ AuthType, InvokeMode, Cors }: UpdateFunctionUrlConfigCommandInput): void {
  checkOneOf(AuthType, 'authType', ['NONE', 'AWS_IAM']);
  checkOneOf(InvokeMode, 'invokeMode', ['BUFFERED', 'RESPONSE_STREAM']);
  checkRange(Cors?.MaxAge, 'cors.maxAge', [0, LONGEST_MAX_AGE]);
}

/** What is said with nothing in it takes CORS away. */
const orNone = (cors: Cors): Cors | undefined => (Object.keys(present(cors)).length === 0 ? undefined : cors);

function save(context: FunctionsContext, target: Target, url: UrlRecord, call: AwsCall): FunctionUrlConfig {
  const { record, qualifier } = target;
  context.registry.save({ ...record, urls: { ...record.urls, [keyOf(qualifier)]: url } });
  return toWire(context, target, url, call);
}

function toWire(
  { port }: FunctionsContext,
  target: Target,
  url: UrlRecord,
  call: AwsCall,
): FunctionUrlConfig {
  const { record, place, qualifier } = target;
  const doorPort = /:(\d+)$/.exec(hostOf(call, port))?.[1];
  return {
    FunctionUrl: `http://${url.id}.lambda-url.${record.region}.localhost:${doorPort}/`,
    FunctionArn: functionArn(place, record.name, qualifier),
    AuthType: url.authType,
    InvokeMode: url.invokeMode,
    CreationTime: new Date(url.createdAtMs).toISOString(),
    LastModifiedTime: new Date(url.lastModifiedMs).toISOString(),
    ...present({ Cors: url.cors }),
  };
}
