import type { ContainerConfig, HostConfig, Resources } from '@slipway/api/docker';
import { SlipwayError } from '@slipway/base';
import type { ImageDefaults } from '../../images/index.ts';
import { parseSignal } from '../signals.ts';

const MEBIBYTE = 1024 * 1024;

/** The request laid over the image, as docker merges them: a command of one's own drops the image's, and so on. */
export function mergeConfig(request: ContainerConfig, image: ImageDefaults): ContainerConfig {
  const ownEntrypoint = (request.Entrypoint?.length ?? 0) > 0;
  const ownCommand = (request.Cmd?.length ?? 0) > 0;
  const entrypoint = request.Entrypoint ?? image.Entrypoint;
  return {
    ...request,
    // `--entrypoint ""` arrives as [""] and means none.
    Entrypoint: entrypoint?.length === 1 && entrypoint[0] === '' ? undefined : entrypoint,
    Cmd: ownEntrypoint || ownCommand ? request.Cmd : image.Cmd,
    User: request.User || image.User || '',
    ExposedPorts: [...new Set([...(image.ExposedPorts ?? []), ...(request.ExposedPorts ?? [])])],
    Env: mergeEnv(request.Env ?? [], image.Env ?? []),
    Volumes: [...new Set([...(image.Volumes ?? []), ...(request.Volumes ?? [])])],
    WorkingDir: request.WorkingDir || image.WorkingDir || '',
    Labels: { ...image.Labels, ...request.Labels },
    StopSignal: request.StopSignal || image.StopSignal,
    Healthcheck: mergeHealthcheck(request.Healthcheck, image.Healthcheck),
    Shell: request.Shell ?? image.Shell,
  };
}

function mergeHealthcheck(
  request: ContainerConfig['Healthcheck'],
  image: ContainerConfig['Healthcheck'],
): ContainerConfig['Healthcheck'] {
  if (request === undefined || image === undefined) return request ?? image;
  return {
    Test: (request.Test?.length ?? 0) > 0 ? request.Test : image.Test,
    Interval: request.Interval || image.Interval,
    Timeout: request.Timeout || image.Timeout,
    StartPeriod: request.StartPeriod || image.StartPeriod,
    StartInterval: request.StartInterval || image.StartInterval,
    Retries: request.Retries || image.Retries,
  };
}

/** `over`'s variables, then those of `under` that it does not set. A name without `=` in `over` unsets it. */
function mergeEnv(over: readonly string[], under: readonly string[]): string[] {
  const nameOf = (variable: string) => variable.split('=', 1)[0] as string;
  const names = new Set(over.map(nameOf));
  return [...over, ...under.filter((variable) => !names.has(nameOf(variable)))];
}

/** @throws InvalidArgument in docker's words for what no container can be. */
export function validateConfig(config: ContainerConfig): void {
  for (const variable of config.Env ?? []) {
    if (variable.startsWith('=') || variable === '') {
      throw new SlipwayError('InvalidArgument', `invalid environment variable: ${variable}`);
    }
  }
  if (config.WorkingDir && !config.WorkingDir.startsWith('/')) {
    throw new SlipwayError(
      'InvalidArgument',
      `the working directory '${config.WorkingDir}' is invalid, it needs to be an absolute path`,
    );
  }
  if (config.StopSignal) parseSignal(config.StopSignal);
  const hostname = config.Hostname ?? '';
  if (hostname.length > 63 || (hostname !== '' && !/^[a-zA-Z0-9_.-]+$/.test(hostname))) {
    throw new SlipwayError('InvalidArgument', `invalid hostname format: ${hostname}`);
  }
  for (const port of config.ExposedPorts ?? []) {
    if (!/^\d+(-\d+)?(\/(tcp|udp|sctp))?$/i.test(port)) {
      throw new SlipwayError('InvalidArgument', `invalid port specification: "${port}"`);
    }
  }
}

/** What the host offers, to fill in and to check against. */
export interface HostFacts {
  readonly cpus: number;
  readonly cgroupVersion: 1 | 2;
  readonly runtimes: ReadonlySet<string>;
  readonly defaultRuntime: string;
}

/** Docker's defaults for what was left out. */
export function withHostDefaults(host: HostConfig, facts: HostFacts): HostConfig {
  const memory = host.Memory ?? 0;
  const networkMode = host.NetworkMode || 'default';
  return {
    ...host,
    NetworkMode: networkMode === 'default' ? 'bridge' : networkMode,
    IpcMode: host.IpcMode || 'private',
    CgroupnsMode: host.CgroupnsMode || (facts.cgroupVersion === 2 && !host.Privileged ? 'private' : 'host'),
    ShmSize: host.ShmSize || 64 * MEBIBYTE,
    LogConfig: { Type: host.LogConfig?.Type || 'json-file', Config: host.LogConfig?.Config ?? {} },
    RestartPolicy: {
      Name: host.RestartPolicy?.Name || 'no',
      MaximumRetryCount: host.RestartPolicy?.MaximumRetryCount ?? 0,
    },
    Runtime: host.Runtime || facts.defaultRuntime,
    // Docker lets a container swap as much again as its memory unless told otherwise.
    MemorySwap: memory > 0 && (host.MemorySwap ?? 0) === 0 ? memory * 2 : host.MemorySwap,
    OomScoreAdj: host.OomScoreAdj ?? 0,
  };
}

/** @throws InvalidArgument in docker's words. `host` has its defaults already. */
export function validateHostConfig(host: HostConfig, config: ContainerConfig, facts: HostFacts): void {
  validateResources(host, facts);
  validateRestartPolicy(host);
  validateNetworkMode(host, config);
  validateLog(host);
  if (!facts.runtimes.has(host.Runtime ?? '')) {
    throw new SlipwayError(
      'InvalidArgument',
      `unknown or invalid runtime name: ${host.Runtime}; this daemon has ${[...facts.runtimes].join(', ')}`,
    );
  }
  const adjustment = host.OomScoreAdj ?? 0;
  if (adjustment < -1000 || adjustment > 1000) {
    throw new SlipwayError(
      'InvalidArgument',
      `Invalid value ${adjustment}, range for oom score adj is [-1000, 1000]`,
    );
  }
  if ((host.ShmSize ?? 0) < 0) throw new SlipwayError('InvalidArgument', 'SHM size can not be less than 0');
  for (const name of Object.keys(host.Sysctls ?? {})) validateSysctl(name, host);
  for (const entry of host.ExtraHosts ?? []) {
    if (!/^[^:=\s]+[:=].+$/.test(entry)) {
      throw new SlipwayError('InvalidArgument', `bad format for add-host: "${entry}"`);
    }
  }
  for (const mode of ['IpcMode', 'PidMode', 'UTSMode', 'UsernsMode', 'CgroupnsMode'] as const) {
    validateNamespaceMode(mode, host[mode] ?? '');
  }
  if (host.UTSMode === 'host' && config.Hostname) {
    throw new SlipwayError('InvalidArgument', 'conflicting options: hostname and the UTS mode');
  }
}

const NAMESPACE_MODES: Readonly<Record<string, RegExp>> = {
  IpcMode: /^(none|private|shareable|host|container:.+)$/,
  PidMode: /^(|host|container:.+)$/,
  UTSMode: /^(|host)$/,
  UsernsMode: /^(|host)$/,
  CgroupnsMode: /^(private|host)$/,
};

function validateNamespaceMode(key: string, value: string): void {
  if (!(NAMESPACE_MODES[key] as RegExp).test(value)) {
    const word = {
      IpcMode: 'IPC',
      PidMode: 'PID',
      UTSMode: 'UTS',
      UsernsMode: 'userns',
      CgroupnsMode: 'cgroup namespace',
    }[key];
    throw new SlipwayError('InvalidArgument', `invalid ${word} mode: ${value}`);
  }
}

/** @throws InvalidArgument; shared with `update`. */
export function validateResources(resources: Resources, facts: HostFacts): void {
  const refuse = (message: string): never => {
    throw new SlipwayError('InvalidArgument', message);
  };
  const memory = resources.Memory ?? 0;
  const swap = resources.MemorySwap ?? 0;
  if (memory !== 0 && memory < 6 * MEBIBYTE) refuse('Minimum memory limit allowed is 6MB');
  if (memory > 0 && swap > 0 && swap < memory) {
    refuse('Minimum memoryswap limit should be larger than memory limit, see usage');
  }
  if (memory === 0 && swap > 0) {
    refuse('You should always set the Memory limit when using Memoryswap limit, see usage');
  }
  const reservation = resources.MemoryReservation ?? 0;
  if (reservation > 0 && reservation < 6 * MEBIBYTE) refuse('Minimum memory reservation allowed is 6MB');
  if (memory > 0 && reservation > memory) {
    refuse('Minimum memory limit can not be less than memory reservation limit, see usage');
  }
  const swappiness = resources.MemorySwappiness ?? -1;
  if (swappiness < -1 || swappiness > 100) {
    refuse(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`);
  }
  const nano = resources.NanoCpus ?? 0;
  if (nano > 0 && (resources.CpuPeriod ?? 0) > 0) {
    refuse('Conflicting options: Nano CPUs and CPU Period cannot both be set');
  }
  if (nano > 0 && (resources.CpuQuota ?? 0) > 0) {
    refuse('Conflicting options: Nano CPUs and CPU Quota cannot both be set');
  }
  if (nano < 0 || nano > facts.cpus * 1e9) {
    refuse(`range of CPUs is from 0.01 to ${facts.cpus}.00, as there are only ${facts.cpus} CPUs available`);
  }
  const period = resources.CpuPeriod ?? 0;
  if (period !== 0 && (period < 1000 || period > 1_000_000)) {
    refuse('CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)');
  }
  const quota = resources.CpuQuota ?? 0;
  if (quota > 0 && quota < 1000) refuse('CPU cfs quota can not be less than 1ms (i.e. 1000)');
  if ((resources.CpuShares ?? 0) < 0)
    refuse(`invalid CPU shares (${resources.CpuShares}): value must be a positive integer`);
  const weight = resources.BlkioWeight ?? 0;
  if (weight > 0 && (weight < 10 || weight > 1000)) refuse('Range of blkio weight is from 10 to 1000');
  if (resources.CpusetCpus) validateCpuset(resources.CpusetCpus, facts.cpus);
  for (const limit of resources.Ulimits ?? []) {
    if (limit.Hard !== -1 && (limit.Soft > limit.Hard || limit.Soft === -1)) {
      refuse(`ulimit soft limit must be less than or equal to hard limit: ${limit.Soft} > ${limit.Hard}`);
    }
  }
}

function validateCpuset(list: string, cpus: number): void {
  for (const part of list.split(',')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part.trim());
    if (match === null) throw new SlipwayError('InvalidArgument', `Invalid value ${list} for cpuset cpus`);
    if (Number(match[2] ?? match[1]) >= cpus) {
      throw new SlipwayError(
        'InvalidArgument',
        `Requested CPUs are not available - requested ${list}, available: 0-${cpus - 1}`,
      );
    }
  }
}

const RESTART_POLICIES = ['no', 'always', 'on-failure', 'unless-stopped'];

/** @throws InvalidArgument; shared with `update`. */
export function validateRestartPolicy(host: Pick<HostConfig, 'RestartPolicy' | 'AutoRemove'>): void {
  const name = host.RestartPolicy?.Name || 'no';
  const retries = host.RestartPolicy?.MaximumRetryCount ?? 0;
  if (!RESTART_POLICIES.includes(name)) {
    throw new SlipwayError(
      'InvalidArgument',
      `invalid restart policy: unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  }
  if (retries !== 0 && name !== 'on-failure') {
    throw new SlipwayError(
      'InvalidArgument',
      `invalid restart policy: maximum retry count can only be used with 'on-failure'`,
    );
  }
  if (retries < 0) {
    throw new SlipwayError(
      'InvalidArgument',
      'invalid restart policy: maximum retry count cannot be negative',
    );
  }
  if (host.AutoRemove && name !== 'no') {
    throw new SlipwayError('InvalidArgument', `can't create 'AutoRemove' container with restart policy`);
  }
}

function validateNetworkMode(host: HostConfig, config: ContainerConfig): void {
  const mode = host.NetworkMode ?? '';
  const joins = mode.startsWith('container:');
  if (mode === 'container:') {
    throw new SlipwayError('InvalidArgument', 'invalid container format container:<name|id>');
  }
  if (!joins && mode !== 'host') return;
  const conflict = (what: string) => {
    throw new SlipwayError('InvalidArgument', `conflicting options: ${what}`);
  };
  if (joins && config.Hostname) conflict('hostname and the network mode');
  if (joins && (host.Dns?.length ?? 0) > 0) conflict('dns and the network mode');
  if (joins && (host.ExtraHosts?.length ?? 0) > 0) {
    conflict('custom host-to-IP mapping and the network mode');
  }
  if (joins && Object.keys(host.PortBindings ?? {}).length > 0) {
    conflict('port publishing and the container type network mode');
  }
  if (config.MacAddress) conflict('mac-address and the network mode');
}

function validateLog(host: HostConfig): void {
  const { Type, Config } = host.LogConfig ?? {};
  if (Type !== 'json-file' && Type !== 'local' && Type !== 'none') {
    throw new SlipwayError(
      'InvalidArgument',
      `logger: no log driver named '${Type}' is registered; use json-file, local or none`,
    );
  }
  for (const [key, value] of Object.entries(Config ?? {})) {
    if (
      ![
        'max-size',
        'max-file',
        'labels',
        'labels-regex',
        'env',
        'env-regex',
        'tag',
        'compress',
        'mode',
        'max-buffer-size',
      ].includes(key)
    ) {
      throw new SlipwayError('InvalidArgument', `unknown log opt '${key}' for ${Type} log driver`);
    }
    if (key === 'max-size') parseSize(value);
    if (key === 'max-file' && !/^[1-9]\d*$/.test(value)) {
      throw new SlipwayError('InvalidArgument', `invalid value for log opt 'max-file': ${value}`);
    }
  }
}

/** `10m`, `1g`, `512` to bytes. @throws InvalidArgument */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  if (match === null) throw new SlipwayError('InvalidArgument', `invalid size: '${text}'`);
  const power = ['', 'k', 'm', 'g', 't'].indexOf((match[2] ?? '').toLowerCase());
  return Math.floor(Number(match[1]) * 1024 ** power);
}

const IPC_SYSCTLS =
  /^(kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)|fs\.mqueue\..+)$/;

function validateSysctl(name: string, host: HostConfig): void {
  if (name.startsWith('net.')) {
    if (host.NetworkMode === 'host') {
      throw new SlipwayError(
        'InvalidArgument',
        `sysctl '${name}' is not allowed because host network is used`,
      );
    }
  } else if (!IPC_SYSCTLS.test(name) && name !== 'kernel.domainname') {
    throw new SlipwayError(
      'InvalidArgument',
      `sysctl '${name}' is not allowed: it is not confined to a container`,
    );
  } else if (host.IpcMode === 'host') {
    throw new SlipwayError(
      'InvalidArgument',
      `sysctl '${name}' is not allowed because the host's IPC namespace is used`,
    );
  }
}
