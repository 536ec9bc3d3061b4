import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { isSlipwayError, SlipwayError } from '@slipway/base';
import type { InterfaceCounters } from '../network.ts';
import * as netlink from './netlink.ts';
import {
  bindMount,
  connectToLoopback,
  enterNetwork,
  listenOnLoopback,
  NetlinkSocket,
  shareMount,
  unmount,
  unshareNetwork,
} from './system-calls.ts';

/** One interface to be made in a namespace, with its other end on a bridge. */
export interface Attachment {
  readonly interfaceName: string;
  readonly interfaceIndex: number;
  readonly hostInterfaceName: string;
  readonly macAddress: string;
  readonly ipv4: string;
  readonly prefixLength: number;
  readonly mtu: number;
  readonly bridgeName: string;
  readonly isolated: boolean;
  /** Undefined: no default route through this one. */
  readonly defaultGateway: string | undefined;
}

const hostNetnsFd = openSync('/proc/thread-self/ns/net', 'r');
const host = new NetlinkSocket();

/** Makes the bridge if it is not there, with its addresses, up; `owner` is written on it. */
export function ensureBridge(
  bridge: netlink.BridgeLink,
  addresses: readonly (readonly [string, number])[],
  owner: string,
): void {
  requireOwnBridge(bridge.name, owner);
  const [failure] = host.request([netlink.addBridge(bridge)]);
  if (failure !== undefined && failure.errno !== 'EEXIST') {
    host.require([netlink.addBridge(bridge)], `cannot make bridge ${bridge.name}`);
  }
  if (!existsSync(`/sys/class/net/${bridge.name}/bridge`)) {
    throw new SlipwayError(
      'AlreadyExists',
      `the network interface ${bridge.name} exists already and is no bridge; delete it with "ip link delete ${bridge.name}"`,
    );
  }
  const index = interfaceIndex(bridge.name);
  host.require(
    [
      netlink.setUp(index),
      ...addresses.map(([address, prefix]) => netlink.addAddress(index, address, prefix)),
    ],
    `cannot give bridge ${bridge.name} its addresses`,
  );
  writeFileSync(`/sys/class/net/${bridge.name}/ifalias`, owner);
  // Ports published on 127.0.0.1 lead through the bridge; the firewall keeps others off the loopback addresses.
  writeFileSync(`/proc/sys/net/ipv4/conf/${bridge.name}/route_localnet`, '1');
}

/** @throws AlreadyExists when the interface is there and carries the mark of another daemon. */
export function requireOwnBridge(name: string, owner: string): void {
  const alias = readAlias(name);
  if (!alias.startsWith('slipway ') || identityOf(alias) === identityOf(owner)) return;
  const home = alias.slice(identityOf(alias).length).trim();
  throw new SlipwayError(
    'AlreadyExists',
    `bridge ${name} belongs to another slipwayd, with its run root at ${home || 'a place unknown'}: choose another --bridge, or, when that one is gone for good, delete the bridge with "ip link delete ${name}"`,
  );
}

/** An owner is `slipway IDENTITY PATH`; the path is for people, and may be cut. */
const identityOf = (owner: string): string => owner.split(' ', 2).join(' ');

/** The names of the bridges that carry `owner`. */
export function listBridgesOf(owner: string): string[] {
  return host
    .dump(netlink.dumpLinks())
    .filter(({ kind, name }) => kind === 'bridge' && identityOf(readAlias(name)) === identityOf(owner))
    .map(({ name }) => name);
}

function readAlias(name: string): string {
  try {
    return readFileSync(`/sys/class/net/${name}/ifalias`, 'utf8').trim();
  } catch {
    // It went while we looked.
    return '';
  }
}

/** Nothing when it is not there. */
export function deleteLink(name: string): void {
  try {
    host.require([netlink.deleteLink(name)], `cannot delete interface ${name}`);
  } catch (error) {
    if (!(isSlipwayError(error) && error.reason === 'ENODEV')) throw error;
  }
}

/** Whether the nftables table is there. */
export function hasTable(name: string): boolean {
  using socket = new NetlinkSocket(netlink.NETLINK_NETFILTER);
  const [failure] = socket.request([netlink.getTable(name)]);
  if (failure === undefined || failure.errno === 'ENOENT') return failure === undefined;
  throw new SlipwayError('Internal', `cannot look for the table ${name} of rules: ${failure.errno}`);
}

/**
 * Makes a folder in which namespaces can be mounted after a shim was given its own view of the mounts: they reach it all
 * the same. As `ip netns` does it.
 */
export function shareFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const isMounted = readFileSync('/proc/thread-self/mountinfo', 'utf8').includes(` ${path} `);
  if (!isMounted) bindMount(path, path);
  shareMount(path);
}

/** Takes the mount of a shared folder away, unless namespaces are still in it. */
export function unshareFolder(path: string): void {
  if (readdirSync(path).length === 0) unmount(path);
}

/** Makes a namespace at `path` with loopback and the attachments; nothing is left behind when it fails. */
export function makeNamespace(path: string, attachments: readonly Attachment[]): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(path, '', { flag: 'wx' });
  try {
    unshareNetwork();
    try {
      bindMount('/proc/thread-self/ns/net', path);
      writeFileSync('/proc/sys/net/ipv6/conf/default/disable_ipv6', '1');
      using inside = new NetlinkSocket();
      inside.require(
        [netlink.setUp(1), ...attachments.flatMap(attachMessages)],
        `cannot set up namespace ${path}`,
      );
    } finally {
      enterNetwork(hostNetnsFd);
    }
    joinBridges(attachments);
  } catch (error) {
    removeNamespace(path);
    throw error;
  }
}

/** Adds an interface to a namespace that is in use. */
export function attach(path: string, attachment: Attachment): void {
  inNamespace(path, (inside) =>
    inside.require(attachMessages(attachment), `cannot attach to namespace ${path}`),
  );
  try {
    joinBridges([attachment]);
  } catch (error) {
    deleteLink(attachment.hostInterfaceName);
    throw error;
  }
}

/** Undefined takes the default route away. */
export function setDefaultGateway(path: string, gateway: string | undefined): void {
  inNamespace(path, (inside) => {
    if (gateway === undefined) inside.request([netlink.deleteDefaultRoute()]);
    else inside.require([netlink.setDefaultRoute(gateway)], `cannot set the default route of ${path}`);
  });
}

/** The kernel takes the namespace apart by itself once the last process in it is gone. */
export function removeNamespace(path: string): void {
  unmount(path);
  rmSync(path, { force: true });
}

export function readCounters(path: string): Record<string, InterfaceCounters> {
  const links = inNamespace(path, (inside) => inside.dump(netlink.dumpLinks()));
  const counters: Record<string, InterfaceCounters> = {};
  for (const { name, stats } of links) {
    if (name === 'lo') continue;
    const [
      rxPackets = 0,
      txPackets = 0,
      rxBytes = 0,
      txBytes = 0,
      rxErrors = 0,
      txErrors = 0,
      rxDropped = 0,
      txDropped = 0,
    ] = stats;
    counters[name] = { rxBytes, rxPackets, rxErrors, rxDropped, txBytes, txPackets, txErrors, txDropped };
  }
  return counters;
}

const attachMessages = (attachment: Attachment): Buffer[] => [
  netlink.addVeth(
    {
      index: attachment.interfaceIndex,
      name: attachment.interfaceName,
      macAddress: attachment.macAddress,
      mtu: attachment.mtu,
      hostName: attachment.hostInterfaceName,
    },
    hostNetnsFd,
  ),
  netlink.addAddress(attachment.interfaceIndex, attachment.ipv4, attachment.prefixLength),
  ...(attachment.defaultGateway === undefined ? [] : [netlink.setDefaultRoute(attachment.defaultGateway)]),
];

function joinBridges(attachments: readonly Attachment[]): void {
  for (const { hostInterfaceName, bridgeName, isolated } of attachments) {
    writeFileSync(`/proc/sys/net/ipv6/conf/${hostInterfaceName}/disable_ipv6`, '1');
    host.require(
      netlink.joinBridge(hostInterfaceName, interfaceIndex(bridgeName), { isolated }),
      `cannot join ${hostInterfaceName} to bridge ${bridgeName}`,
    );
  }
}

/** A descriptor of this process, not of this thread: whoever gets it has to close it. */
export const listenInside = (path: string, port: number): number => visit(path, () => listenOnLoopback(port));

/** Like `listenInside`, of a socket that is connecting. */
export const connectInside = (path: string, port: number): number =>
  visit(path, () => connectToLoopback(port));

function inNamespace<T>(path: string, work: (inside: NetlinkSocket) => T): T {
  using inside = visit(path, () => new NetlinkSocket());
  return work(inside);
}

/** A socket belongs for good to the namespace in which it was made. */
function visit<T>(path: string, make: () => T): T {
  const fd = openSync(path, 'r');
  try {
    enterNetwork(fd);
    try {
      return make();
    } finally {
      enterNetwork(hostNetnsFd);
    }
  } finally {
    closeSync(fd);
  }
}

const interfaceIndex = (name: string): number =>
  Number(readFileSync(`/sys/class/net/${name}/ifindex`, 'utf8').trim());
