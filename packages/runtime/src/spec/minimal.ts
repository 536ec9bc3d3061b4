import type { SpecOptions } from './options.ts';

/** Options of a container with Docker's defaults, no network, and root as its user; `given` comes over them. */
export function minimalOptions(
  given: Pick<SpecOptions, 'id' | 'rootfsPath' | 'args' | 'cgroupsPath'> & Partial<SpecOptions>,
): SpecOptions {
  const own = { kind: 'new' } as const;
  return {
    env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
    cwd: '/',
    terminal: false,
    user: { uid: 0, gid: 0, additionalGids: [] },
    hostname: given.id.slice(0, 12),
    domainname: '',
    privileged: false,
    readonlyRootfs: false,
    capAdd: [],
    capDrop: [],
    noNewPrivileges: false,
    seccomp: 'default',
    apparmorProfile: undefined,
    selinuxLabel: undefined,
    namespaces: {
      pid: own,
      ipc: own,
      uts: own,
      network: own,
      cgroup: { kind: 'host' },
      user: { kind: 'host' },
    },
    idMappings: undefined,
    mounts: [],
    shmSizeBytes: 0,
    devices: [],
    resources: {},
    sysctls: {},
    ulimits: [],
    oomScoreAdj: undefined,
    maskedPaths: undefined,
    readonlyPaths: undefined,
    annotations: {},
    ...given,
  };
}
