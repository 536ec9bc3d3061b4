import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** How this host offers cgroups. */
export interface CgroupHost {
  /** 1 also on hybrid hosts, whose controllers are v1. */
  readonly version: 1 | 2;
  readonly controllers: ReadonlySet<string>;
  /** Where each hierarchy is mounted; on v2 there is one. */
  readonly hierarchies: readonly string[];
  /** The memory controller can limit swap. */
  readonly swapLimit: boolean;
  /** The block controller can weigh devices: a matter of the kernel's I/O scheduler. */
  readonly blockWeight: boolean;
}

/** Where the host's cgroups are mounted. */
export const CGROUP_ROOT = '/sys/fs/cgroup';

export function detectCgroupHost(): CgroupHost {
  if (existsSync(`${CGROUP_ROOT}/cgroup.controllers`)) {
    const controllers = readFileSync(`${CGROUP_ROOT}/cgroup.controllers`, 'utf8').trim().split(' ');
    return {
      version: 2,
      hierarchies: [CGROUP_ROOT],
      controllers: new Set(controllers.filter((name) => name !== '')),
      swapLimit: true,
      blockWeight: true,
    };
  }
  const mounted = existsSync(CGROUP_ROOT)
    ? readdirSync(CGROUP_ROOT, { withFileTypes: true }).filter((entry) => !entry.isFile())
    : [];
  const names = mounted.flatMap(({ name }) => name.split(','));
  const controllers = new Set(names.filter((name) => name !== 'systemd' && name !== 'unified'));
  return {
    version: 1,
    // Controllers that share a hierarchy have links to it beside. A v2 hierarchy is hidden from runtimes by the shim.
    hierarchies: mounted
      .filter((entry) => entry.isDirectory() && entry.name !== 'unified')
      .map(({ name }) => `${CGROUP_ROOT}/${name}`),
    controllers,
    swapLimit: existsSync(`${CGROUP_ROOT}/memory/memory.memsw.limit_in_bytes`),
    blockWeight: existsSync(`${CGROUP_ROOT}/blkio/blkio.weight`),
  };
}

/** The folders of a container's cgroup under every controller; some may not be there. */
export const cgroupDirs = (host: CgroupHost, cgroupsPath: string): string[] =>
  host.hierarchies.map((root) => `${root}${cgroupsPath}`);

/** The folder of a container's cgroup; on v2 the same one for every controller. */
export function cgroupDir(host: CgroupHost, controller: string, cgroupsPath: string): string {
  return host.version === 2 ? `${CGROUP_ROOT}${cgroupsPath}` : `${CGROUP_ROOT}/${controller}${cgroupsPath}`;
}
