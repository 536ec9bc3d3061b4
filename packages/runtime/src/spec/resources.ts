import { SlipwayError } from '@slipway/base';
import { type HostDevice, localHost, type SpecHost } from './host.ts';
import type { OciLinuxResources } from './oci-spec.ts';
import type { SpecResources } from './options.ts';

export interface ResourceContext {
  readonly host: SpecHost;
  readonly warn: (message: string) => void;
}

type Limits = Omit<OciLinuxResources, 'devices'>;

/**
 * Docker's limits in the runtime specification's terms. A limit whose controller this host does not have is left out, with a
 * warning.
 * @throws InvalidArgument for a block device that is not there
 */
export function buildLimits(resources: SpecResources, context: ResourceContext): Limits {
  const { host, warn } = context;
  const limits: { -readonly [K in keyof Limits]: Limits[K] } = {};
  const keep = <K extends keyof Limits>(key: K, controller: string, value: Limits[K] | undefined) => {
    if (value === undefined || (typeof value === 'object' && Object.keys(value).length === 0)) return;
    // On v2 the block controller is called io.
    const name = host.cgroups.version === 2 && controller === 'blkio' ? 'io' : controller;
    if (host.cgroups.controllers.has(name)) limits[key] = value;
    else
      warn(`this host has no ${controller} cgroup controller; the container runs without its ${key} limits`);
  };
  keep('memory', 'memory', memoryLimits(resources, context));
  keep('cpu', 'cpu', cpuLimits(resources));
  keep('pids', 'pids', resources.pidsLimit ? { limit: resources.pidsLimit } : undefined);
  keep('blockIO', 'blkio', blockLimits(resources, context));
  return limits;
}

function memoryLimits(r: SpecResources, { host, warn }: ResourceContext): Record<string, number | boolean> {
  const memory: Record<string, number | boolean> = {};
  if (r.memoryBytes) memory.limit = r.memoryBytes;
  if (r.memoryReservationBytes) memory.reservation = r.memoryReservationBytes;
  if (r.memorySwappiness !== undefined && r.memorySwappiness >= 0 && host.cgroups.version === 1) {
    memory.swappiness = r.memorySwappiness;
  }
  if (r.oomKillDisable === true && host.cgroups.version === 1) memory.disableOOMKiller = true;
  // Memory alone means as much swap again, as docker has it.
  const swap = r.memorySwapBytes || (r.memoryBytes ? r.memoryBytes * 2 : 0);
  if (swap !== 0 && host.cgroups.swapLimit) memory.swap = swap;
  else if (r.memorySwapBytes) warn('this host cannot limit swap; the container runs without its swap limit');
  return memory;
}

function cpuLimits(r: SpecResources): Record<string, number | string> {
  const entries = {
    shares: r.cpuShares,
    quota: r.cpuQuotaUs,
    period: r.cpuPeriodUs,
    cpus: r.cpusetCpus,
    mems: r.cpusetMems,
    realtimePeriod: r.cpuRealtimePeriodUs,
    realtimeRuntime: r.cpuRealtimeRuntimeUs,
  };
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value)) as Record<
    string,
    number | string
  >;
}

function blockLimits(r: SpecResources, { host, warn }: ResourceContext): Record<string, unknown> {
  const { blockWeight } = host.cgroups;
  if (!blockWeight && (r.blkioWeight || r.blkioWeightDevice?.length)) {
    warn('this host cannot weigh block I/O; the container runs without its blkio weights');
  }
  const numbers = (path: string) => {
    const device = host.devices(path)[0] as HostDevice;
    return { major: device.major, minor: device.minor };
  };
  const rates = (list: readonly { path: string; rate: number }[] | undefined) =>
    list?.length ? list.map(({ path, rate }) => ({ ...numbers(path), rate })) : undefined;
  const entries = {
    weight: blockWeight && r.blkioWeight ? r.blkioWeight : undefined,
    weightDevice:
      blockWeight && r.blkioWeightDevice?.length
        ? r.blkioWeightDevice.map(({ path, weight }) => ({ ...numbers(path), weight }))
        : undefined,
    throttleReadBpsDevice: rates(r.blkioDeviceReadBps),
    throttleWriteBpsDevice: rates(r.blkioDeviceWriteBps),
    throttleReadIOPSDevice: rates(r.blkioDeviceReadIops),
    throttleWriteIOPSDevice: rates(r.blkioDeviceWriteIops),
  };
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined));
}

/** `c 10:200 rwm` as a rule. @throws InvalidArgument */
export function parseDeviceRule(text: string): NonNullable<OciLinuxResources['devices']>[number] {
  const [, type, major, minor, access] = /^([acb]) ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3})$/.exec(text) ?? [];
  if (type === undefined || access === undefined) {
    throw new SlipwayError(
      'InvalidArgument',
      `invalid device cgroup rule format: '${text}'; write it like 'c 1:3 rwm'`,
    );
  }
  return {
    allow: true,
    type,
    ...(major === '*' ? {} : { major: Number(major) }),
    ...(minor === '*' ? {} : { minor: Number(minor) }),
    access,
  };
}

/** Limits to change on a running container. @throws InvalidArgument for a block device that is not there */
export function formatResources(resources: SpecResources): OciLinuxResources {
  return buildLimits(resources, { host: localHost(), warn: () => {} });
}
