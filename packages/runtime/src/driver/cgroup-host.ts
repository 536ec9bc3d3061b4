import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** How this host offers cgroups. */
export interface CgroupHost {
  /** 1 also on hybrid hosts, whose controllers are v1. */
  readonly version: 1 | 2;
  readonly controllers: ReadonlySet<string>;
  /** The memory controller can limit swap. */
  readonly swapLimit: boolean;
  /** The block controller can weigh devices: a matter of the kernel's I/O scheduler. */
  readonly blockWeight: boolean;
}

const ROOT = '/sys/fs/cgroup';

export function detectCgroupHost(): CgroupHost {
  if (existsSync(`${ROOT}/cgroup.controllers`)) {
    const controllers = readFileSync(`${ROOT}/cgroup.controllers`, 'utf8').trim().split(' ');
    return {
      version: 2,
      controllers: new Set(controllers.filter((name) => name !== '')),
      swapLimit: true,
      blockWeight: true,
    };
  }
  const names = existsSync(ROOT) ? readdirSync(ROOT).flatMap((name) => name.split(',')) : [];
  const controllers = new Set(names.filter((name) => name !== 'systemd' && name !== 'unified'));
  return {
    version: 1,
    controllers,
    swapLimit: existsSync(`${ROOT}/memory/memory.memsw.limit_in_bytes`),
    blockWeight: existsSync(`${ROOT}/blkio/blkio.weight`),
  };
}

/** The folder of a container's cgroup; on v2 the same one for every controller. */
export function cgroupDir(host: CgroupHost, controller: string, cgroupsPath: string): string {
  return host.version === 2 ? `${ROOT}${cgroupsPath}` : `${ROOT}/${controller}${cgroupsPath}`;
}
