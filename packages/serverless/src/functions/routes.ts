import { type AwsCall, type AwsOperation, operation } from '../aws/index.ts';
import type { FunctionsContext } from './context.ts';
import { getAccountSettings } from './verbs/account.ts';
import { createAlias, deleteAlias, getAlias, listAliases, updateAlias } from './verbs/aliases.ts';
import {
  deleteFunctionCodeSigningConfig,
  getCodeSigningConfig,
  getFunctionCodeSigningConfig,
  listCodeSigningConfigs,
} from './verbs/code-signing.ts';
import {
  deleteFunctionConcurrency,
  deleteProvisionedConcurrencyConfig,
  getFunctionConcurrency,
  getProvisionedConcurrencyConfig,
  listProvisionedConcurrencyConfigs,
  putFunctionConcurrency,
  putProvisionedConcurrencyConfig,
} from './verbs/concurrency.ts';
import { createFunction } from './verbs/create.ts';
import { deleteFunction } from './verbs/delete.ts';
import {
  deleteFunctionEventInvokeConfig,
  getFunctionEventInvokeConfig,
  listFunctionEventInvokeConfigs,
  putFunctionEventInvokeConfig,
  updateFunctionEventInvokeConfig,
} from './verbs/event-invoke.ts';
import {
  addLayerVersionPermission,
  getLayerVersionPolicy,
  removeLayerVersionPermission,
} from './verbs/layer-permissions.ts';
import {
  deleteLayerVersion,
  getLayerVersion,
  getLayerVersionByArn,
  listLayers,
  listLayerVersions,
  publishLayerVersion,
} from './verbs/layers.ts';
import { addPermission, getPolicy, removePermission } from './verbs/permissions.ts';
import { publishVersion } from './verbs/publish.ts';
import {
  getFunction,
  getFunctionConfiguration,
  listFunctions,
  listVersionsByFunction,
} from './verbs/read.ts';
import {
  getFunctionRecursionConfig,
  getFunctionScalingConfig,
  getRuntimeManagementConfig,
  putFunctionRecursionConfig,
  putRuntimeManagementConfig,
} from './verbs/settings.ts';
import { listTags, tagResource, untagResource } from './verbs/tags.ts';
import { updateFunctionCode, updateFunctionConfiguration } from './verbs/update.ts';
import {
  createFunctionUrlConfig,
  deleteFunctionUrlConfig,
  getFunctionUrlConfig,
  listFunctionUrlConfigs,
  updateFunctionUrlConfig,
} from './verbs/urls.ts';

type Verb = (context: FunctionsContext, input: never, call: AwsCall) => object | Promise<object>;

/** Lambda's operations on what functions are, by their names. */
const VERBS: Readonly<Record<string, Verb>> = {
  CreateFunction: createFunction,
  GetFunction: getFunction,
  GetFunctionConfiguration: getFunctionConfiguration,
  ListFunctions: listFunctions,
  UpdateFunctionCode: updateFunctionCode,
  UpdateFunctionConfiguration: updateFunctionConfiguration,
  DeleteFunction: deleteFunction,
  PublishVersion: publishVersion,
  ListVersionsByFunction: listVersionsByFunction,
  CreateAlias: createAlias,
  GetAlias: getAlias,
  ListAliases: listAliases,
  UpdateAlias: updateAlias,
  DeleteAlias: deleteAlias,
  PublishLayerVersion: publishLayerVersion,
  GetLayerVersion: getLayerVersion,
  GetLayerVersionByArn: getLayerVersionByArn,
  ListLayers: listLayers,
  ListLayerVersions: listLayerVersions,
  DeleteLayerVersion: deleteLayerVersion,
  AddLayerVersionPermission: addLayerVersionPermission,
  RemoveLayerVersionPermission: removeLayerVersionPermission,
  GetLayerVersionPolicy: getLayerVersionPolicy,
  AddPermission: addPermission,
  RemovePermission: removePermission,
  GetPolicy: getPolicy,
  TagResource: tagResource,
  UntagResource: untagResource,
  ListTags: listTags,
  PutFunctionConcurrency: putFunctionConcurrency,
  GetFunctionConcurrency: getFunctionConcurrency,
  DeleteFunctionConcurrency: deleteFunctionConcurrency,
  PutProvisionedConcurrencyConfig: putProvisionedConcurrencyConfig,
  GetProvisionedConcurrencyConfig: getProvisionedConcurrencyConfig,
  ListProvisionedConcurrencyConfigs: listProvisionedConcurrencyConfigs,
  DeleteProvisionedConcurrencyConfig: deleteProvisionedConcurrencyConfig,
  PutFunctionEventInvokeConfig: putFunctionEventInvokeConfig,
  UpdateFunctionEventInvokeConfig: updateFunctionEventInvokeConfig,
  GetFunctionEventInvokeConfig: getFunctionEventInvokeConfig,
  ListFunctionEventInvokeConfigs: listFunctionEventInvokeConfigs,
  DeleteFunctionEventInvokeConfig: deleteFunctionEventInvokeConfig,
  CreateFunctionUrlConfig: createFunctionUrlConfig,
  UpdateFunctionUrlConfig: updateFunctionUrlConfig,
  GetFunctionUrlConfig: getFunctionUrlConfig,
  ListFunctionUrlConfigs: listFunctionUrlConfigs,
  DeleteFunctionUrlConfig: deleteFunctionUrlConfig,
  GetAccountSettings: getAccountSettings,
  PutRuntimeManagementConfig: putRuntimeManagementConfig,
  GetRuntimeManagementConfig: getRuntimeManagementConfig,
  PutFunctionRecursionConfig: putFunctionRecursionConfig,
  GetFunctionRecursionConfig: getFunctionRecursionConfig,
  GetFunctionScalingConfig: getFunctionScalingConfig,
  ListCodeSigningConfigs: listCodeSigningConfigs,
  GetCodeSigningConfig: (_context, input) => getCodeSigningConfig(input),
  ListFunctionsByCodeSigningConfig: (_context, input) => getCodeSigningConfig(input),
  GetFunctionCodeSigningConfig: getFunctionCodeSigningConfig,
  DeleteFunctionCodeSigningConfig: deleteFunctionCodeSigningConfig,
};

/** The verbs as operations. Each is typed where it is defined, by the SDK's own interfaces. */
export const functionOperations = (context: FunctionsContext): AwsOperation[] =>
  Object.entries(VERBS).map(([name, verb]) =>
    operation<never, object>(name, (input, call) => verb(context, input, call)),
  );
