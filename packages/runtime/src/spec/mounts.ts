import type { SpecHost } from './host.ts';
import type { OciSpec } from './oci-spec.ts';
import type { SpecOptions } from './options.ts';

type OciMount = OciSpec['mounts'][number];

const DEFAULT_SHM_BYTES = 64 * 1024 * 1024;

/** Docker's own mounts, then the container's, parents before children. */
export function buildMounts(options: SpecOptions, host: SpecHost): OciMount[] {
  const replaced = new Set(options.mounts.map(({ destination }) => destination));
  const own = defaultMounts(options, host).filter(({ destination }) => !replaced.has(destination));
  const given = options.mounts.map(({ destination, type, source, options: flags }) => ({
    destination,
    type,
    source,
    options: flags,
  }));
  // The sort is stable: mounts of the same depth stay in the order they were given.
  const depth = ({ destination }: OciMount) => destination.split('/').filter((part) => part !== '').length;
  return [...own, ...given.sort((a, b) => depth(a) - depth(b))];
}

function defaultMounts({ privileged, shmSizeBytes, namespaces }: SpecOptions, host: SpecHost): OciMount[] {
  const flags = ['nosuid', 'noexec', 'nodev'];
  const writable = privileged ? 'rw' : 'ro';
  const size = shmSizeBytes !== 'none' && shmSizeBytes > 0 ? shmSizeBytes : DEFAULT_SHM_BYTES;
  // Joined or host IPC: its /dev/shm and message queues belong to somebody else, and come as binds if at all.
  const ipc: OciMount[] =
    namespaces.ipc.kind === 'new'
      ? shmSizeBytes === 'none'
        ? []
        : [
            {
              destination: '/dev/shm',
              type: 'tmpfs',
              source: 'shm',
              options: [...flags, 'mode=1777', `size=${size}`],
            },
          ]
      : namespaces.ipc.kind === 'host'
        ? [{ destination: '/dev/shm', type: 'bind', source: '/dev/shm', options: ['rbind', 'rprivate'] }]
        : [];
  const inUserNamespace = namespaces.user.kind !== 'host';
  // A user namespace may not mount sysfs of a network namespace that it does not own.
  const sys: OciMount =
    inUserNamespace && namespaces.network.kind !== 'new'
      ? {
          destination: '/sys',
          type: 'bind',
          source: '/sys',
          options: ['rbind', 'rprivate', writable, ...flags],
        }
      : { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...flags, writable] };
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: flags },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    sys,
    {
      destination: '/sys/fs/cgroup',
      type: 'cgroup',
      source: 'cgroup',
      options: [writable, ...flags, ...(host.cgroups.version === 2 ? [] : ['relatime'])],
    },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: flags },
    ...ipc,
  ];
}
