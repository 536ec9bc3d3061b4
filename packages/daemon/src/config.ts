import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { availableParallelism, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { errorMessage, type HostPath, hostPath, isErrno, SlipwayError } from '@slipway/base';
import { type FunctionLimits, LAMBDA_LIMITS } from '@slipway/serverless/functions';
import { POOL_DEFAULTS, type PoolSettings } from '@slipway/serverless/invocations';
import { AWS_PRICES, type Prices, type UsageServiceOptions } from '@slipway/serverless/usage';
import type { LayerForm } from '@slipway/store';
import { z } from 'zod';
import { OPTION_ROWS, type OptionRow, type RawSettings, variableOf } from './options.ts';
import { isHostOrNetwork, parseMirror, parseProxy, withoutPassword } from './registry-settings.ts';

/** What the daemon was told, checked and complete. */
export interface Config {
  readonly dataRoot: HostPath;
  readonly runRoot: HostPath;
  readonly socketPath: HostPath;
  readonly socketGroup: string;
  /** On 127.0.0.1; 0: no TCP door. */
  readonly port: number;
  /** Somebody named the port; otherwise a daemon goes on without a door that another program has. */
  readonly isPortAsked: boolean;
  /** In the order in which they are asked. */
  readonly registryMirrors: readonly { readonly domain: string; readonly url: string }[];
  /** Hosts, with their port where it matters, and networks (CIDR). */
  readonly insecureRegistries: readonly string[];
  /** In order of preference: the first that has a folder for the host counts. */
  readonly certificateFolders: readonly HostPath[];
  /** `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY` and their forms in lower case; may hold passwords. */
  readonly proxyEnv: Readonly<Record<string, string>>;
  readonly registry: RegistryConfig;
  /** Requests to AWS's APIs may be signed with whatever key. */
  readonly acceptsAnyAccessKey: boolean;
  readonly functions: FunctionsConfig;
  readonly bridgeName: string;
  /** The default bridge's own address with its prefix length; undefined: chosen by itself. */
  readonly bridgeAddress: string | undefined;
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
  /** Runtimes by name, beside those that are found. */
  readonly runtimes: Readonly<Record<string, { readonly path: string }>>;
  readonly defaultRuntime: string | undefined;
  readonly cgroupParent: string;
  readonly initPath: string;
  /** Undefined: logs are never rotated. */
  readonly logMaxSizeBytes: number | undefined;
  readonly logMaxFiles: number;
  readonly logLevel: LogLevel;
  /** Undefined: text on a terminal, else JSON. */
  readonly logFormat: 'text' | 'json' | undefined;
  readonly stopContainers: boolean;
  /** Undefined: `image` where the kernel can mount it. */
  readonly layerForm: LayerForm | undefined;
  /** Leave the kernel's way with cgroups as it is. */
  readonly keepCgroupMode: boolean;
}

/** How the daemon's own registry behaves. */
export interface RegistryConfig {
  readonly anonymousPull: boolean;
  readonly isReadOnly: boolean;
  readonly immutableTags: boolean;
  /** Undefined: none. */
  readonly defaultQuotaBytes: number | undefined;
  /** 0: only when asked. */
  readonly gcIntervalMs: number;
  /** Registries that are served here too; '' is the prefix of all. */
  readonly upstreams: readonly {
    readonly prefix: string;
    readonly url: string;
    readonly credentials?: { readonly username: string; readonly password: string };
  }[];
}

/** What functions may ask for, and where their packages are. */
export interface FunctionsConfig {
  /** Its folders are the buckets of the object store; undefined: there is none. */
  readonly codeRoot: HostPath | undefined;
  readonly limits: FunctionLimits;
  readonly pool: PoolSettings;
  /** What a log group may hold before its oldest lines go. */
  readonly logGroupMaxBytes: number;
  readonly usage: UsageServiceOptions['settings'];
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

const DEFAULT_FILE = '/etc/slipway/daemon.json';
/** Where the tools for AWS on one's own machine look first. */
const DEFAULT_PORT = 4566;
const HOUR_MS = 3_600_000;
const LOG_GROUP_MAX_BYTES = 256 << 20;
const JOURNAL_DAYS = 30;
const JOURNAL_MAX_BYTES = 512 << 20;
/** Docker's own, so that what was set up for it holds here too, after ours. */
const CERTIFICATE_FOLDERS = ['/etc/slipway/certs.d', '/etc/docker/certs.d'].map(hostPath);
const PROXY_VARIABLES = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'];

/**
 * Flags over variables over the file over defaults.
 * @throws InvalidArgument naming the setting, its value and where it came from; NotFound when a named file is missing.
 */
export function loadConfig(flags: RawSettings, env: Readonly<Record<string, string | undefined>>): Config {
  const variables = readVariables(env);
  const file = readFile((flags.config ?? variables.config) as string | undefined);
  const merged: Record<string, unknown> = {};
  for (const [source, settings] of [
    ['file', file],
    ['variable', variables],
    ['flag', flags],
  ] as const) {
    const result = partialSchema.safeParse(settings);
    if (!result.success) throw badSetting(source, settings, result.error);
    // `--host` and `--socket` are one setting: the higher layer's wins.
    if (settings.host !== undefined || settings.socket !== undefined) {
      delete merged.host;
      delete merged.socket;
    }
    Object.assign(merged, settings);
  }
  return Object.freeze({ ...toConfig(partialSchema.parse(merged)), proxyEnv: readProxies(env) });
}

const list = z.union([z.array(z.string()), z.string().transform((text) => text.split(','))]);
const switchValue = z.union([
  z.boolean(),
  z.enum(['1', 'true', 'yes']).transform(() => true),
  z.enum(['', '0', 'false', 'no']).transform(() => false),
]);
const interfaceName = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,14}$/, 'must be an interface name: at most 15 letters, digits, _ . -');
const wholeNumber = (least: number, most: number) =>
  z.preprocess(
    (value) => (typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value),
    z.int(`must be a whole number from ${least} to ${most}`).min(least).max(most),
  );
const price = z.number().nonnegative();
const pricesSchema = z.strictObject({
  currency: z.string().min(1),
  perRequest: price,
  perGbSecond: price,
  perProvisionedGbSecond: price,
  perKeptGbSecond: price,
});
const address = z.string().refine((text) => isIP(text) !== 0, 'must be an IP address');

const partialSchema = z
  .strictObject({
    'data-root': z.string().min(1),
    'run-root': z.string().min(1),
    socket: z.string().min(1),
    host: z.string().regex(/^unix:\/\/./, 'must be unix://PATH; a TCP door without TLS is not offered'),
    group: z.string().min(1),
    port: wholeNumber(0, 65_535),
    'registry-mirror': list.pipe(z.array(z.string().transform(parseMirror))),
    'insecure-registry': list.pipe(
      z.array(z.string().refine(isHostOrNetwork, 'must be HOST, HOST:PORT or a CIDR as 10.0.0.0/8')),
    ),
    'registry-proxy': list.pipe(z.array(z.string().transform(parseProxy))),
    'registry-anonymous-pull': switchValue,
    'registry-read-only': switchValue,
    'registry-immutable-tags': switchValue,
    'registry-quota': z.string().transform(parseSize),
    'registry-gc-interval': wholeNumber(0, 8_760),
    'accept-any-access-key': switchValue,
    'function-code-root': z.string().min(1),
    'function-timeout': wholeNumber(1, 31_536_000),
    'function-memory': wholeNumber(128, 16_777_216),
    'function-tmp': wholeNumber(512, 16_777_216),
    'function-environment': z.string().transform(parseSize),
    'function-layers': wholeNumber(0, 1_000),
    'function-package': z.string().transform(parseSize),
    'function-code': z.string().transform(parseSize),
    'function-concurrency': wholeNumber(1, 1_000_000),
    'function-pool-size': wholeNumber(1, 100_000),
    'function-pool-memory': z.string().transform(parseSize),
    'function-log-size': z.string().transform(parseSize),
    'function-prices': z.string().transform(readPrices),
    'function-usage-days': wholeNumber(1, 36_500),
    'function-idle-timeout': wholeNumber(1, 604_800),
    'function-prepared': wholeNumber(0, 100),
    bridge: interfaceName,
    bip: z
      .string()
      .regex(/^\d+\.\d+\.\d+\.\d+\/\d+$/, 'must be an address with its prefix length, as 10.200.0.1/24'),
    dns: list.pipe(z.array(address)),
    'dns-search': list,
    'dns-opt': list,
    runtime: list.pipe(z.array(z.string().regex(/^[\w.-]+=\/./, 'must be NAME=/ABSOLUTE/PATH'))),
    'default-runtime': z.string().min(1),
    'cgroup-parent': z.string().startsWith('/', 'must begin with /'),
    'init-path': z.string().startsWith('/', 'must be an absolute path'),
    'log-max-size': z.string().transform(parseSize),
    'log-max-file': wholeNumber(1, 1000),
    'log-level': z.enum(['debug', 'info', 'warn', 'error']),
    'log-format': z.enum(['text', 'json']),
    'stop-containers': switchValue,
    'layer-form': z.enum(['image', 'files']),
    'keep-cgroup-mode': switchValue,
    config: z.string(),
    version: switchValue,
    help: switchValue,
  } satisfies Record<(typeof OPTION_ROWS)[number]['name'], z.ZodType>)
  .partial();

type Settings = z.infer<typeof partialSchema>;

function toConfig(settings: Settings): Omit<Config, 'proxyEnv'> {
  const runRoot = resolve(settings['run-root'] ?? '/run/slipway');
  const socket = settings.socket ?? settings.host?.replace(/^unix:\/\//, '') ?? join(runRoot, 'docker.sock');
  const logMaxSizeBytes = settings['log-max-size'] ?? 20 * 1024 * 1024;
  return {
    dataRoot: hostPath(resolve(settings['data-root'] ?? '/var/lib/slipway')),
    runRoot: hostPath(runRoot),
    socketPath: hostPath(resolve(socket)),
    socketGroup: settings.group ?? 'docker',
    port: settings.port ?? DEFAULT_PORT,
    isPortAsked: settings.port !== undefined,
    registryMirrors: settings['registry-mirror'] ?? [],
    insecureRegistries: settings['insecure-registry'] ?? [],
    certificateFolders: CERTIFICATE_FOLDERS,
    registry: toRegistryConfig(settings),
    acceptsAnyAccessKey: settings['accept-any-access-key'] ?? false,
    functions: toFunctionsConfig(settings),
    bridgeName: settings.bridge ?? 'slipway0',
    bridgeAddress: settings.bip,
    dns: settings.dns ?? [],
    dnsSearch: settings['dns-search'] ?? [],
    dnsOptions: settings['dns-opt'] ?? [],
    runtimes: Object.fromEntries((settings.runtime ?? []).map(parseRuntime)),
    defaultRuntime: settings['default-runtime'],
    cgroupParent: settings['cgroup-parent'] ?? '/slipway',
    initPath: settings['init-path'] ?? '/usr/bin/tini-static',
    logMaxSizeBytes: logMaxSizeBytes === 0 ? undefined : logMaxSizeBytes,
    logMaxFiles: settings['log-max-file'] ?? 5,
    logLevel: settings['log-level'] ?? 'info',
    logFormat: settings['log-format'],
    stopContainers: settings['stop-containers'] ?? false,
    layerForm: settings['layer-form'],
    keepCgroupMode: settings['keep-cgroup-mode'] ?? false,
  };
}

const toRegistryConfig = (settings: Settings): RegistryConfig => ({
  anonymousPull: settings['registry-anonymous-pull'] ?? false,
  isReadOnly: settings['registry-read-only'] ?? false,
  immutableTags: settings['registry-immutable-tags'] ?? false,
  defaultQuotaBytes: settings['registry-quota'] || undefined,
  gcIntervalMs: (settings['registry-gc-interval'] ?? 1) * HOUR_MS,
  upstreams: settings['registry-proxy'] ?? [],
});

function toFunctionsConfig(settings: Settings): FunctionsConfig {
  const codeRoot = settings['function-code-root'];
  return {
    codeRoot: codeRoot === undefined ? undefined : hostPath(resolve(codeRoot)),
    limits: {
      timeoutSeconds: settings['function-timeout'] ?? LAMBDA_LIMITS.timeoutSeconds,
      memoryMb: settings['function-memory'] ?? LAMBDA_LIMITS.memoryMb,
      ephemeralStorageMb: settings['function-tmp'] ?? LAMBDA_LIMITS.ephemeralStorageMb,
      environmentBytes: settings['function-environment'] ?? LAMBDA_LIMITS.environmentBytes,
      layers: settings['function-layers'] ?? LAMBDA_LIMITS.layers,
      zipBytes: settings['function-package'] ?? LAMBDA_LIMITS.zipBytes,
      unzippedBytes: settings['function-code'] ?? LAMBDA_LIMITS.unzippedBytes,
      concurrency: settings['function-concurrency'] ?? LAMBDA_LIMITS.concurrency,
    },
    pool: toPoolSettings(settings),
    logGroupMaxBytes: settings['function-log-size'] ?? LOG_GROUP_MAX_BYTES,
    usage: {
      prices: settings['function-prices'] ?? AWS_PRICES,
      journalDays: settings['function-usage-days'] ?? JOURNAL_DAYS,
      journalMaxBytes: JOURNAL_MAX_BYTES,
    },
  };
}

/** @throws through `context`, naming what is wrong with the file */
function readPrices(path: string, context: z.RefinementCtx): Prices {
  try {
    const read = pricesSchema.safeParse(JSON.parse(readFileSync(path, 'utf8')));
    if (read.success) return read.data;
    context.addIssue(`must name a file of prices: ${path}: ${z.prettifyError(read.error)}`);
  } catch (error) {
    context.addIssue(`must name a file of prices: ${errorMessage(error)}`);
  }
  return z.NEVER;
}

function toPoolSettings(settings: Settings): PoolSettings {
  const memoryBytes = settings['function-pool-memory'] ?? totalmem();
  const idleSeconds = settings['function-idle-timeout'];
  return {
    ...POOL_DEFAULTS,
    maxOpening: POOL_DEFAULTS.maxOpening * availableParallelism(),
    maxMemoryMb: Math.floor(memoryBytes / (1024 * 1024)),
    maxEnvironments: settings['function-pool-size'] ?? POOL_DEFAULTS.maxEnvironments,
    idleMs: idleSeconds === undefined ? POOL_DEFAULTS.idleMs : idleSeconds * 1000,
    maxPrepared: settings['function-prepared'] ?? POOL_DEFAULTS.maxPrepared,
  };
}

function parseRuntime(text: string): [string, { path: string }] {
  const at = text.indexOf('=');
  return [text.slice(0, at), { path: text.slice(at + 1) }];
}

function parseSize(text: string, context: z.RefinementCtx): number {
  const match = /^(\d{1,12})\s*([kmgt]?)(?:i?b)?$/i.exec(text);
  if (match === null) {
    context.addIssue('must be a size as 512k, 20m or 1g');
    return z.NEVER;
  }
  const power = ['', 'k', 'm', 'g', 't'].indexOf((match[2] ?? '').toLowerCase());
  return Number(match[1]) * 1024 ** power;
}

function readVariables(env: Readonly<Record<string, string | undefined>>): RawSettings {
  const settings: Record<string, unknown> = {};
  const rows: readonly OptionRow[] = OPTION_ROWS;
  for (const { name } of rows) {
    const value = env[variableOf(name)];
    if (value !== undefined && value !== '') settings[name] = value;
  }
  return settings;
}

function readProxies(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const names = PROXY_VARIABLES.flatMap((name) => [name, name.toLowerCase()]);
  return Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
}

function readFile(named: string | undefined): RawSettings {
  const path = named ?? DEFAULT_FILE;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if (named === undefined && isErrno(cause, 'ENOENT')) return {};
    const code = isErrno(cause, 'ENOENT') ? 'NotFound' : 'InvalidArgument';
    throw new SlipwayError(code, `cannot read the settings file ${path}: ${errorMessage(cause)}`, { cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new SlipwayError('InvalidArgument', `${path} is not JSON: ${errorMessage(cause)}`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SlipwayError('InvalidArgument', `${path} must hold one JSON object, as {"log-level": "debug"}`);
  }
  return value as RawSettings;
}

function badSetting(
  source: 'file' | 'variable' | 'flag',
  settings: RawSettings,
  error: z.ZodError,
): SlipwayError {
  const issue = error.issues[0];
  if (issue?.code === 'unrecognized_keys') {
    return new SlipwayError(
      'InvalidArgument',
      `the settings file knows no "${issue.keys[0]}"; slipwayd --help lists the keys`,
    );
  }
  const name = String(issue?.path[0]);
  const written = { file: `"${name}" in the settings file`, variable: variableOf(name), flag: `--${name}` }[
    source
  ];
  return new SlipwayError(
    'InvalidArgument',
    `${written}: ${withoutPassword(JSON.stringify(settings[name]))}: ${issue?.message}`,
    {
      cause: error,
    },
  );
}
