import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type HostPath, isErrno } from '@slipway/base';
import { awsError } from '../../aws/index.ts';
import type { FunctionVersion } from '../../functions/index.ts';
import { type FolderMount, RUNTIME_API_PORT } from '../compute/compute.ts';
import {
  EXTENSIONS_ROOT,
  findRuntime,
  LAYER_ROOT,
  RUNTIME_ROOT,
  type RuntimeDefinition,
  runtimeNames,
  TASK_ROOT,
} from '../runtimes/runtime.ts';

/** What is to be started for a version, and what of it can be put in place later. */
export interface Plan {
  readonly version: FunctionVersion;
  /** Undefined for an image, which brings its own. */
  readonly runtime: RuntimeDefinition | undefined;
  readonly image: string;
  /** Undefined: the image's own. */
  readonly args: readonly string[] | undefined;
  readonly command: readonly string[] | undefined;
  readonly workingDirectory: string | undefined;
  /** Of code and layers. */
  readonly mounts: readonly FolderMount[];
  readonly variables: Readonly<Record<string, string>>;
  /** Programs of the layers that are started before the runtime. */
  readonly extensions: readonly string[];
  /** Whether a sandbox that was started without a function can become this one's. */
  readonly canBePrepared: boolean;
}

/** Variables that a process reads once, at its start: one that was started without them will not do. */
const READ_AT_START =
  /^(NODE_(?!ENV$)|UV_|SSL_CERT_|OPENSSL_|LD_|GLIBC_|MALLOC_|PYTHON|JAVA_|_JAVA_|JDK_|TZ$|LANG$|LC_|PATH$)/;
const WRAPPER = 'AWS_LAMBDA_EXEC_WRAPPER';

/** @throws InvalidArgument InvalidRuntimeException for a runtime that is not here */
export function planVersion(
  version: FunctionVersion,
  options: {
    readonly logStream: string;
    readonly initialization: 'on-demand' | 'provisioned-concurrency';
    readonly debugPort?: number | undefined;
  },
): Plan {
  const { code } = version;
  const layers = layerMounts(version.layers);
  const runtime = code.packageType === 'Zip' ? requireRuntime(code.runtime) : undefined;
  const variables = { ...runtime?.variables, ...version.variables, ...reserved(version, options) };
  if (code.packageType === 'Image' || runtime === undefined) {
    const { entryPoint, command, image, workingDirectory } = code as Extract<
      FunctionVersion['code'],
      { packageType: 'Image' }
    >;
    return {
      version,
      runtime: undefined,
      image,
      args: entryPoint,
      command,
      workingDirectory,
      mounts: layers,
      variables,
      extensions: [],
      canBePrepared: false,
    };
  }
  const debug = options.debugPort === undefined ? undefined : runtime.debugArgs?.(options.debugPort);
  const wrapper = version.variables[WRAPPER];
  const args = debug ?? sizedArgs(runtime, version);
  return {
    version,
    runtime,
    image: runtime.image,
    args: wrapper === undefined ? args : [wrapper, ...args],
    command: [],
    workingDirectory: TASK_ROOT,
    mounts: [{ target: TASK_ROOT, sources: [version.sourceFolder ?? code.folder] }, ...layers],
    variables,
    extensions: listExtensions(version.layers),
    canBePrepared:
      debug === undefined &&
      version.isolation === undefined &&
      version.network === 'outbound' &&
      (runtime.preparation === 'gate' ||
        (wrapper === undefined && !Object.keys(version.variables).some((name) => READ_AT_START.test(name)))),
  };
}

/** What has to be there before anything of a function is: the runtime's own files. */
export const runtimeMounts = (runtime: RuntimeDefinition | undefined): readonly FolderMount[] =>
  runtime?.files === undefined ? [] : [{ target: RUNTIME_ROOT, sources: [runtime.files] }];

function requireRuntime(name: string): RuntimeDefinition {
  const runtime = findRuntime(name);
  if (runtime !== undefined) return runtime;
  throw awsError(
    'InvalidArgument',
    'InvalidRuntimeException',
    `The runtime ${name} is not supported here; use one of ${runtimeNames().join(', ')}.`,
  );
}

/** As Lambda's own client divides the memory: V8 frees what it can before the kernel kills. */
function sizedArgs(
  { name, args }: RuntimeDefinition,
  { memoryMb, variables }: FunctionVersion,
): readonly string[] {
  const [program = '', ...rest] = args;
  // What the function says itself is not overruled.
  if (name.startsWith('nodejs') && !/space-size/.test(variables.NODE_OPTIONS ?? '')) {
    const old = Math.floor(memoryMb * 0.9);
    const semi = Math.max(1, Math.floor(memoryMb * 0.05));
    return [program, `--max-old-space-size=${old}`, `--max-semi-space-size=${semi}`, ...rest];
  }
  if (name.startsWith('java')) return [program, `-Xmx${Math.floor(memoryMb * 0.8)}m`, ...rest];
  return args;
}

/** A later layer lies over an earlier one. */
const layerMounts = (layers: readonly HostPath[]): readonly FolderMount[] =>
  layers.length === 0 ? [] : [{ target: LAYER_ROOT, sources: [...layers].reverse() }];

function listExtensions(layers: readonly HostPath[]): readonly string[] {
  const names = new Set<string>();
  for (const layer of layers) {
    try {
      const entries = readdirSync(join(layer, basename(EXTENSIONS_ROOT)), { withFileTypes: true });
      for (const entry of entries) if (entry.isFile() || entry.isSymbolicLink()) names.add(entry.name);
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    }
  }
  return [...names].sort();
}

/** @see https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html */
function reserved(
  version: FunctionVersion,
  options: { readonly logStream: string; readonly initialization: string },
): Record<string, string> {
  const { code, logging } = version;
  const execution =
    code.packageType === 'Zip' ? `AWS_Lambda_${code.runtime.replace(/\.x$/, '.x')}` : undefined;
  return {
    _HANDLER: version.handler,
    AWS_REGION: version.region,
    AWS_DEFAULT_REGION: version.region,
    ...(execution === undefined ? {} : { AWS_EXECUTION_ENV: execution }),
    AWS_LAMBDA_FUNCTION_NAME: version.name,
    AWS_LAMBDA_FUNCTION_VERSION: version.version,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(version.memoryMb),
    AWS_LAMBDA_INITIALIZATION_TYPE: options.initialization,
    AWS_LAMBDA_LOG_GROUP_NAME: logging.group,
    AWS_LAMBDA_LOG_STREAM_NAME: options.logStream,
    AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${RUNTIME_API_PORT}`,
    LAMBDA_TASK_ROOT: TASK_ROOT,
    LAMBDA_RUNTIME_DIR: RUNTIME_ROOT,
    ...(logging.format === 'JSON'
      ? { AWS_LAMBDA_LOG_FORMAT: 'JSON', AWS_LAMBDA_LOG_LEVEL: logging.applicationLevel }
      : {}),
  };
}
