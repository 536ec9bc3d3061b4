import { existsSync, readFileSync } from 'node:fs';
import { arch, availableParallelism, hostname, release, totalmem } from 'node:os';

/** What is true of the host as long as it runs. */
export interface HostFacts {
  readonly name: string;
  readonly kernelVersion: string;
  /** As Go names it: `amd64`, `arm64`. */
  readonly goArchitecture: string;
  /** As the kernel names it: `x86_64`, `aarch64`. */
  readonly architecture: string;
  readonly operatingSystem: string;
  readonly osVersion: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly cgroup: CgroupFacts;
  readonly ipv4Forwarding: boolean;
  readonly apparmor: boolean;
}

/** Which limits the kernel can set. */
export interface CgroupFacts {
  readonly version: 1 | 2;
  readonly memory: boolean;
  readonly swap: boolean;
  readonly oomKillDisable: boolean;
  readonly cpuPeriod: boolean;
  readonly cpuQuota: boolean;
  readonly cpuShares: boolean;
  readonly cpuset: boolean;
  readonly pids: boolean;
}

const ARCHITECTURES: Readonly<Record<string, { go: string; kernel: string }>> = {
  x64: { go: 'amd64', kernel: 'x86_64' },
  arm64: { go: 'arm64', kernel: 'aarch64' },
};

export function readHostFacts(): HostFacts {
  const architecture = ARCHITECTURES[arch()] ?? { go: arch(), kernel: arch() };
  const os = readOsRelease();
  return {
    name: hostname(),
    kernelVersion: release(),
    goArchitecture: architecture.go,
    architecture: architecture.kernel,
    operatingSystem: os.get('PRETTY_NAME') ?? 'Linux',
    osVersion: os.get('VERSION_ID') ?? '',
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
    cgroup: readCgroupFacts(),
    ipv4Forwarding: readText('/proc/sys/net/ipv4/ip_forward').trim() === '1',
    apparmor: readText('/sys/module/apparmor/parameters/enabled').trim() === 'Y',
  };
}

function readCgroupFacts(root = '/sys/fs/cgroup'): CgroupFacts {
  const controllers = readText(`${root}/cgroup.controllers`);
  if (controllers !== '') {
    const has = (name: string) => controllers.split(/\s+/).includes(name);
    return {
      version: 2,
      memory: has('memory'),
      swap: has('memory'),
      oomKillDisable: false,
      cpuPeriod: has('cpu'),
      cpuQuota: has('cpu'),
      cpuShares: has('cpu'),
      cpuset: has('cpuset'),
      pids: has('pids'),
    };
  }
  const has = (file: string) => existsSync(`${root}/${file}`);
  return {
    version: 1,
    memory: has('memory/memory.limit_in_bytes'),
    swap: has('memory/memory.memsw.limit_in_bytes'),
    oomKillDisable: has('memory/memory.oom_control'),
    cpuPeriod: has('cpu/cpu.cfs_period_us'),
    cpuQuota: has('cpu/cpu.cfs_quota_us'),
    cpuShares: has('cpu/cpu.shares'),
    cpuset: has('cpuset/cpuset.cpus'),
    pids: has('pids'),
  };
}

function readOsRelease(): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of readText('/etc/os-release').split('\n')) {
    const match = /^(\w+)="?(.*?)"?$/.exec(line);
    if (match !== null) values.set(match[1] as string, match[2] as string);
  }
  return values;
}

/** The file's text; empty where there is no such file. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
