import { readdirSync, readFileSync, statSync } from 'node:fs';
import { arch, release } from 'node:os';
import { join } from 'node:path';
import { SlipwayError } from '@slipway/base';
import { type CgroupHost, detectCgroupHost } from '../driver/cgroup-host.ts';
import { allCapabilities } from './capabilities.ts';

export interface HostDevice {
  readonly type: 'c' | 'b';
  readonly path: string;
  readonly major: number;
  readonly minor: number;
  readonly fileMode: number;
  readonly uid: number;
  readonly gid: number;
}

/** What a container's specification needs to know of the host. */
export interface SpecHost {
  readonly cgroups: CgroupHost;
  /** Go's name, e.g. `amd64`. */
  readonly architecture: string;
  readonly kernel: string;
  readonly capabilities: ReadonlySet<string>;
  /** The hard limit by name (`RLIMIT_NOFILE`); undefined: no limit, or we may raise it. */
  hardLimit(name: string): number | undefined;
  /** A device, or those below a folder. @throws InvalidArgument when there is none */
  devices(path: string): HostDevice[];
}

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' };
const S_IFMT = 0o170000;
const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;
const NOT_FOR_CONTAINERS = new Set([
  'pts',
  'shm',
  'fd',
  'mqueue',
  'console',
  '.lxc',
  '.lxd-mounts',
  '.udev',
  'ptmx',
]);

let detected: SpecHost | undefined;

/** This host; looked at once. */
export function localHost(): SpecHost {
  detected ??= detectHost();
  return detected;
}

function detectHost(): SpecHost {
  const status = readFileSync('/proc/self/status', 'utf8');
  const mask = (name: string) =>
    BigInt(`0x${new RegExp(`^${name}:\\s*([0-9a-f]+)`, 'm').exec(status)?.[1] ?? '0'}`);
  const names = (bits: bigint) =>
    new Set(allCapabilities.filter((_, number) => (bits >> BigInt(number)) & 1n));
  const limits = names(mask('CapEff')).has('CAP_SYS_RESOURCE') ? new Map<string, number>() : readHardLimits();
  return {
    cgroups: detectCgroupHost(),
    architecture: ARCHITECTURES[arch()] ?? arch(),
    kernel: release(),
    capabilities: names(mask('CapBnd')),
    hardLimit: (name) => limits.get(name),
    devices: listDevices,
  };
}

const LIMIT_ROWS: Readonly<Record<string, string>> = {
  'cpu time': 'CPU',
  'file size': 'FSIZE',
  'data size': 'DATA',
  'stack size': 'STACK',
  'core file size': 'CORE',
  'resident set': 'RSS',
  processes: 'NPROC',
  'open files': 'NOFILE',
  'locked memory': 'MEMLOCK',
  'address space': 'AS',
  'file locks': 'LOCKS',
  'pending signals': 'SIGPENDING',
  'msgqueue size': 'MSGQUEUE',
  'nice priority': 'NICE',
  'realtime priority': 'RTPRIO',
  'realtime timeout': 'RTTIME',
};

function readHardLimits(): Map<string, number> {
  const limits = new Map<string, number>();
  const text = readFileSync('/proc/self/limits', 'utf8');
  for (const [, row = '', hard] of text.matchAll(/^Max (.+?)\s{2,}\S+\s+(\d+)/gm)) {
    const name = LIMIT_ROWS[row];
    if (name !== undefined) limits.set(`RLIMIT_${name}`, Number(hard));
  }
  return limits;
}

function listDevices(path: string): HostDevice[] {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) {
    throw new SlipwayError(
      'InvalidArgument',
      `error gathering device information while adding custom device "${path}": no such file or directory`,
    );
  }
  if (stat.isDirectory()) {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => !NOT_FOR_CONTAINERS.has(entry.name) && !entry.isSymbolicLink())
      .filter((entry) => entry.isDirectory() || entry.isCharacterDevice() || entry.isBlockDevice())
      .flatMap((entry) => listDevices(join(path, entry.name)));
  }
  const type = stat.mode & S_IFMT;
  if (type !== S_IFCHR && type !== S_IFBLK) {
    throw new SlipwayError('InvalidArgument', `${path} is not a device node`);
  }
  const { major, minor } = deviceNumbers(BigInt(stat.rdev));
  return [
    {
      type: type === S_IFCHR ? 'c' : 'b',
      path,
      major,
      minor,
      fileMode: stat.mode & 0o7777,
      uid: stat.uid,
      gid: stat.gid,
    },
  ];
}

/** The kernel packs both numbers into one; the low bits of each come first. */
export function deviceNumbers(rdev: bigint): { major: number; minor: number } {
  return {
    major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n)),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n)),
  };
}

/** What `--privileged` gives: every capability that this host lets us give. */
export const ALL_CAPABILITIES: readonly string[] = allCapabilities.filter((name) =>
  localHost().capabilities.has(name),
);
