import type {
  CreateFunctionCommandInput,
  DeadLetterConfig,
  ImageConfig,
  LoggingConfig,
  UpdateFunctionConfigurationCommandInput,
  VpcConfig,
} from '@aws-sdk/client-lambda';
import { invalidParameter, validationError } from './errors.ts';
import type { Configuration, LayerUse } from './function-record.ts';
import type { FunctionLimits } from './limits.ts';

/** What of a request says how a function is configured: of its creation, or of an update. */
export type ConfigurationInput = Partial<
  Omit<CreateFunctionCommandInput, 'Code' | 'FunctionName'> & UpdateFunctionConfigurationCommandInput
>;

/** What a configuration is checked against. */
export interface ConfigurationRules {
  readonly limits: FunctionLimits;
  /** Runtime identifiers that are served here. */
  readonly runtimes: readonly string[];
  /** What runs here. */
  readonly architecture: 'x86_64' | 'arm64';
  /** Layer versions by their ARNs. @throws InvalidArgument InvalidParameterValueException */
  readonly findLayers: (arns: readonly string[]) => readonly LayerUse[];
  /** @throws InvalidArgument InvalidParameterValueException for an ARN to which nothing here can send */
  readonly checkTarget: (arn: string) => void;
}

const ROLE = /^arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role\/?[a-zA-Z_0-9+=,.@\-_/]+$/;
const HANDLER = /^[^\s]{1,128}$/;
const LOG_GROUP = /^[.\-_/#A-Za-z0-9]{1,512}$/;
const VARIABLE = /^[a-zA-Z]([a-zA-Z0-9_])+$/;
const LONGEST_DESCRIPTION = 256;

/** @see https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime */
const RESERVED_VARIABLES = new Set([
  '_HANDLER',
  '_X_AMZN_TRACE_ID',
  'AWS_DEFAULT_REGION',
  'AWS_REGION',
  'AWS_EXECUTION_ENV',
  'AWS_LAMBDA_FUNCTION_NAME',
  'AWS_LAMBDA_FUNCTION_MEMORY_SIZE',
  'AWS_LAMBDA_FUNCTION_VERSION',
  'AWS_LAMBDA_INITIALIZATION_TYPE',
  'AWS_LAMBDA_LOG_GROUP_NAME',
  'AWS_LAMBDA_LOG_STREAM_NAME',
  'AWS_ACCESS_KEY',
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_LAMBDA_RUNTIME_API',
  'LAMBDA_TASK_ROOT',
  'LAMBDA_RUNTIME_DIR',
]);

/** Lambda's defaults, for a function of this name. */
export const defaultConfiguration = (name: string, rules: ConfigurationRules): Configuration => ({
  role: '',
  description: '',
  handler: undefined,
  runtime: undefined,
  memoryMb: 128,
  timeoutSeconds: 3,
  ephemeralStorageMb: 512,
  variables: undefined,
  layers: [],
  architecture: rules.architecture,
  tracingMode: 'PassThrough',
  deadLetterTarget: undefined,
  kmsKeyArn: undefined,
  vpc: undefined,
  snapStart: 'None',
  image: undefined,
  logging: {
    format: 'Text',
    applicationLevel: undefined,
    systemLevel: undefined,
    group: `/aws/lambda/${name}`,
  },
});

/**
 * What a configuration becomes by what a request says. What it does not say stays.
 * @throws InvalidArgument ValidationException or InvalidParameterValueException, in Lambda's words
 */
export function applyConfiguration(
  before: Configuration,
  input: ConfigurationInput,
  rules: ConfigurationRules,
): Configuration {
  refuseWhatIsNotHere(input);
  checkValues(input, rules);
  return {
    role: input.Role ?? before.role,
    description: input.Description ?? before.description,
    handler: input.Handler ?? before.handler,
    runtime: input.Runtime ?? before.runtime,
    memoryMb: input.MemorySize ?? before.memoryMb,
    timeoutSeconds: input.Timeout ?? before.timeoutSeconds,
    ephemeralStorageMb: input.EphemeralStorage?.Size ?? before.ephemeralStorageMb,
    variables: input.Environment === undefined ? before.variables : input.Environment.Variables,
    layers: input.Layers === undefined ? before.layers : rules.findLayers(input.Layers),
    architecture: input.Architectures?.[0] ?? before.architecture,
    tracingMode: input.TracingConfig?.Mode ?? before.tracingMode,
    deadLetterTarget:
      input.DeadLetterConfig === undefined ? before.deadLetterTarget : targetOf(input.DeadLetterConfig),
    kmsKeyArn: input.KMSKeyArn === undefined ? before.kmsKeyArn : input.KMSKeyArn || undefined,
    vpc: input.VpcConfig === undefined ? before.vpc : toVpc(input.VpcConfig),
    snapStart: input.SnapStart?.ApplyOn ?? before.snapStart,
    image: input.ImageConfig === undefined ? before.image : toImage(input.ImageConfig),
    logging:
      input.LoggingConfig === undefined ? before.logging : toLogging(before.logging, input.LoggingConfig),
  };
}

const targetOf = ({ TargetArn }: DeadLetterConfig): string | undefined => TargetArn || undefined;

const toVpc = ({ SubnetIds = [], SecurityGroupIds = [], Ipv6AllowedForDualStack = false }: VpcConfig) => ({
  subnetIds: SubnetIds,
  securityGroupIds: SecurityGroupIds,
  ipv6: Ipv6AllowedForDualStack,
});

function toImage({ EntryPoint, Command, WorkingDirectory }: ImageConfig): Configuration['image'] {
  const image = {
    entryPoint: EntryPoint?.length ? EntryPoint : undefined,
    command: Command?.length ? Command : undefined,
    workingDirectory: WorkingDirectory || undefined,
  };
  return Object.values(image).every((value) => value === undefined) ? undefined : image;
}

/** Levels are of the JSON format; Lambda fills them in with INFO, and drops them with the format. */
function toLogging(before: Configuration['logging'], input: LoggingConfig): Configuration['logging'] {
  const format = input.LogFormat ?? before.format;
  const isJson = format === 'JSON';
  if (!isJson && (input.ApplicationLogLevel !== undefined || input.SystemLogLevel !== undefined)) {
    throw invalidParameter('To use ApplicationLogLevel or SystemLogLevel, you must set LogFormat to JSON.');
  }
  return {
    format,
    applicationLevel: isJson ? (input.ApplicationLogLevel ?? before.applicationLevel ?? 'INFO') : undefined,
    systemLevel: isJson ? (input.SystemLogLevel ?? before.systemLevel ?? 'INFO') : undefined,
    group: input.LogGroup ?? before.group,
  };
}

/** What would change how a function runs, and cannot here. */
function refuseWhatIsNotHere(input: ConfigurationInput): void {
  if (input.FileSystemConfigs?.length) {
    throw invalidParameter(
      'FileSystemConfigs: there are no EFS file systems here; use /tmp, or a service on the network',
    );
  }
  if (input.TenancyConfig !== undefined) throw notHere('TenancyConfig');
  if (input.CapacityProviderConfig !== undefined) throw notHere('CapacityProviderConfig');
  if (input.DurableConfig !== undefined) throw notHere('DurableConfig');
  if (input.CodeSigningConfigArn) {
    throw invalidParameter(
      `Code signing configuration ${input.CodeSigningConfigArn} does not exist: signed code is not offered here`,
    );
  }
}

const notHere = (member: string) => invalidParameter(`${member} is not offered here: leave it out`);

function checkValues(input: ConfigurationInput, rules: ConfigurationRules): void {
  const { limits } = rules;
  const { Role, Handler, Runtime, Description, LoggingConfig: logging } = input;
  if (Role !== undefined && !ROLE.test(Role)) {
    const pattern = 'arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+';
    throw validationError(Role, 'role', `Member must satisfy regular expression pattern: ${pattern}`);
  }
  if (Handler !== undefined && !HANDLER.test(Handler)) {
    throw validationError(Handler, 'handler', 'Member must satisfy regular expression pattern: [^\\s]+');
  }
  if (Description !== undefined && Description.length > LONGEST_DESCRIPTION) {
    throw validationError(Description, 'description', 'Member must have length less than or equal to 256');
  }
  if (Runtime !== undefined) checkRuntime(Runtime, rules.runtimes);
  checkRange(input.MemorySize, 'memorySize', [128, limits.memoryMb]);
  checkTimeout(input.Timeout, limits.timeoutSeconds);
  checkRange(input.EphemeralStorage?.Size, 'ephemeralStorage.size', [512, limits.ephemeralStorageMb]);
  checkArchitectures(input.Architectures, rules.architecture);
  checkOneOf(input.TracingConfig?.Mode, 'tracingConfig.mode', ['PassThrough', 'Active']);
  checkOneOf(input.SnapStart?.ApplyOn, 'snapStart.applyOn', ['PublishedVersions', 'None']);
  checkOneOf(logging?.LogFormat, 'loggingConfig.logFormat', ['JSON', 'Text']);
  checkOneOf(logging?.ApplicationLogLevel, 'loggingConfig.applicationLogLevel', [
    'FATAL',
    'ERROR',
    'WARN',
    'INFO',
    'DEBUG',
    'TRACE',
  ]);
  checkOneOf(logging?.SystemLogLevel, 'loggingConfig.systemLogLevel', ['WARN', 'INFO', 'DEBUG']);
  if (logging?.LogGroup !== undefined && !LOG_GROUP.test(logging.LogGroup)) {
    const pattern = '[\\.\\-_/#A-Za-z0-9]+';
    throw validationError(
      logging.LogGroup,
      'loggingConfig.logGroup',
      `Member must satisfy regular expression pattern: ${pattern}`,
    );
  }
  if (input.DeadLetterConfig?.TargetArn) rules.checkTarget(input.DeadLetterConfig.TargetArn);
  checkVariables(input.Environment?.Variables, limits.environmentBytes);
}

function checkRuntime(runtime: string, served: readonly string[]): void {
  if (served.includes(runtime)) return;
  throw invalidParameter(
    `Value ${runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [${served.join(', ')}] or be a valid ARN`,
  );
}

export function checkRange(
  value: number | undefined,
  member: string,
  [least, most]: readonly [number, number],
): void {
  if (value === undefined) return;
  if (value < least) {
    throw validationError(value, member, `Member must have value greater than or equal to ${least}`);
  }
  if (value > most) {
    throw validationError(value, member, `Member must have value less than or equal to ${most}`);
  }
}

function checkTimeout(value: number | undefined, most: number): void {
  if (value !== undefined && value > most) {
    throw validationError(
      value,
      'timeout',
      `Member must have value less than or equal to ${most}. Work that runs longer is what containers are for (slipway run); or start slipwayd with --function-timeout ${value}`,
    );
  }
  checkRange(value, 'timeout', [1, most]);
}

function checkArchitectures(given: readonly string[] | undefined, here: string): void {
  if (given === undefined) return;
  if (given.length !== 1 || (given[0] !== 'x86_64' && given[0] !== 'arm64')) {
    throw validationError(
      `[${given.join(', ')}]`,
      'architectures',
      'Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]',
    );
  }
  if (given[0] !== here) {
    throw invalidParameter(`this machine runs ${here}: build the function for it instead of ${given[0]}`);
  }
}

export function checkOneOf(value: string | undefined, member: string, allowed: readonly string[]): void {
  if (value === undefined || allowed.includes(value)) return;
  throw validationError(value, member, `Member must satisfy enum value set: [${allowed.join(', ')}]`);
}

function checkVariables(variables: Readonly<Record<string, string>> | undefined, mostBytes: number): void {
  if (variables === undefined) return;
  const names = Object.keys(variables);
  const wrong = names.find((name) => !VARIABLE.test(name));
  const reserved = names.filter((name) => RESERVED_VARIABLES.has(name));
  if (reserved.length > 0) {
    throw invalidParameter(
      `Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: ${reserved.join(', ')}`,
    );
  }
  if (wrong !== undefined) {
    throw validationError(
      wrong,
      'environment.variables',
      'Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]',
    );
  }
  const sizeBytes = Buffer.byteLength(JSON.stringify(variables));
  if (sizeBytes <= mostBytes) return;
  // Lambda repeats the variables here; they may be secrets.
  throw invalidParameter(
    `Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the ${mostBytes / 1024}KB limit. Bytes measured: ${sizeBytes}`,
  );
}
