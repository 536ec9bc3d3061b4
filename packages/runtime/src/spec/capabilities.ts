import { SlipwayError } from '@slipway/base';

/** Every capability, in the kernel's order: its place is its number. */
export const allCapabilities: readonly string[] = `
  CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
  NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
  SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
  MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`
  .trim()
  .split(/\s+/)
  .map((name) => `CAP_${name}`);

/** What Docker gives to a container by default. */
const DEFAULT = `
  CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL
  AUDIT_WRITE`
  .trim()
  .split(/\s+/)
  .map((name) => `CAP_${name}`);

export interface CapabilityOptions {
  readonly privileged: boolean;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  /** What the host lets us give away. */
  readonly available: ReadonlySet<string>;
  readonly warn: (message: string) => void;
}

/**
 * The capabilities of a container, in the kernel's order.
 * @throws InvalidArgument for a name that is none
 */
export function containerCapabilities(options: CapabilityOptions): string[] {
  const add = options.capAdd.map(capabilityName);
  const drop = new Set(options.capDrop.map(capabilityName));
  const wanted = new Set(
    options.privileged || add.includes('ALL') ? allCapabilities : drop.has('ALL') ? [] : DEFAULT,
  );
  for (const name of add) if (name !== 'ALL') wanted.add(name);
  // As docker has it: what is added wins over `--cap-drop ALL`, and what is dropped by its name over everything.
  if (!options.privileged) for (const name of drop) wanted.delete(name);
  return allCapabilities.filter((name) => {
    if (!wanted.has(name)) return false;
    if (options.available.has(name)) return true;
    if (add.includes(name)) options.warn(`this host does not grant ${name}; the container runs without it`);
    return false;
  });
}

function capabilityName(given: string): string {
  const upper = given.toUpperCase();
  const name = upper === 'ALL' || upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  if (name !== 'ALL' && !allCapabilities.includes(name)) {
    throw new SlipwayError('InvalidArgument', `unknown capability: ${JSON.stringify(given)}`);
  }
  return name;
}
