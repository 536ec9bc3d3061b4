import type { HostPath } from '@slipway/base';

/** One range of addresses of a network, in CIDR form. */
export interface Subnet {
  readonly subnet: string;
  readonly gateway: string;
  /** Addresses are given out from here; the whole subnet when undefined. */
  readonly ipRange: string | undefined;
  /** Names for addresses that are never given out. */
  readonly auxiliaryAddresses: Readonly<Record<string, string>>;
}

/** A bridge network. */
export interface BridgeNetwork {
  readonly id: string;
  readonly name: string;
  /** The bridge's interface name on the host. */
  readonly bridgeName: string;
  readonly subnets: readonly Subnet[];
  /** No way out, and no published ports. */
  readonly internal: boolean;
  /** Whether its containers may talk to one another. */
  readonly interContainer: boolean;
  readonly masquerade: boolean;
  readonly mtu: number;
  /** The address that ports are published on when none is named. */
  readonly hostBindingIp: string;
  /** The default bridge gives no names to its containers; user-made ones do. */
  readonly resolvesNames: boolean;
}

/** What the caller asks for; the answer is a `BridgeNetwork`, to be stored by the caller and handed back after a restart. */
export interface BridgeRequest {
  readonly id: string;
  readonly name: string;
  readonly bridgeName?: string | undefined;
  /** Empty: a free subnet is chosen that no route or address of this host overlaps. */
  readonly subnets: readonly {
    subnet?: string | undefined;
    gateway?: string | undefined;
    ipRange?: string | undefined;
    auxiliaryAddresses?: Readonly<Record<string, string>> | undefined;
  }[];
  readonly internal?: boolean | undefined;
  readonly interContainer?: boolean | undefined;
  readonly masquerade?: boolean | undefined;
  readonly mtu?: number | undefined;
  readonly hostBindingIp?: string | undefined;
  readonly resolvesNames: boolean;
}

export interface PortRequest {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly containerPort: number;
  /** Empty: the network's `hostBindingIp` (`0.0.0.0`, and `::` beside it). */
  readonly hostIp: string;
  /** `{first: 0, last: 0}`: any free port. A range: the first free one in it. */
  readonly hostPort: { readonly first: number; readonly last: number };
}

/** A port as published: `hostPort` is the one that was taken. */
export interface PublishedPort {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly containerPort: number;
  readonly hostIp: string;
  readonly hostPort: number;
}

export interface EndpointRequest {
  readonly networkId: string;
  readonly ipv4?: string | undefined;
  readonly macAddress?: string | undefined;
  /** The names that resolve to this endpoint on its network: the container's name, short id, aliases. */
  readonly names: readonly string[];
  /** Where this endpoint's queries for names outside go; the host's servers when undefined or empty. */
  readonly nameServers?: readonly string[] | undefined;
}

export interface Endpoint {
  readonly networkId: string;
  readonly endpointId: string;
  readonly interfaceName: string;
  readonly hostInterfaceName: string;
  readonly ipv4: string;
  readonly prefixLength: number;
  readonly gateway: string;
  readonly macAddress: string;
  readonly names: readonly string[];
  readonly nameServers?: readonly string[] | undefined;
}

/** A container's network namespace with its endpoints: plain data that the caller stores, and hands back after a restart. */
export interface NetworkSandbox {
  readonly containerId: string;
  readonly netnsPath: HostPath;
  readonly endpoints: readonly Endpoint[];
  readonly ports: readonly PublishedPort[];
  /** What was asked for: published again when the container gets to another network that reaches outside. */
  readonly portRequests?: readonly PortRequest[];
  readonly containerName?: string;
}

export interface SandboxRequest {
  readonly containerId: string;
  /** For error messages, as docker has them: `… on endpoint NAME (ID): …`. */
  readonly containerName: string;
  /** None: a namespace with loopback only (`--network none`). The first carries the default route. */
  readonly endpoints: readonly EndpointRequest[];
  readonly ports: readonly PortRequest[];
}

/** All of the host's networking that belongs to this daemon. */
export interface Networks extends AsyncDisposable {
  /** Fills in the free choices and makes the bridge. @throws InvalidArgument for a bad or overlapping subnet, AlreadyExists for a taken bridge name. */
  createBridge(request: BridgeRequest): Promise<BridgeNetwork>;
  /** Makes a known bridge again if it is not there (after a reboot). */
  restoreBridge(network: BridgeNetwork): Promise<void>;
  /** @throws FailedPrecondition while it has endpoints. */
  removeBridge(networkId: string): Promise<void>;
  /**
   * Everything in one: namespace, addresses, ports, names.
   * @throws Conflict reason PORT_IN_USE, worded as docker does (`Bind for 0.0.0.0:80 failed: port is already allocated`);
   * ResourceExhausted when a subnet has no address left; Conflict (reason ADDRESS_IN_USE) for a taken address. Nothing is left behind.
   */
  createSandbox(request: SandboxRequest): Promise<NetworkSandbox>;
  /**
   * Takes back what a running container from before the restart holds: addresses, ports, names. What somebody else took
   * meanwhile is logged, and left to them.
   */
  restoreSandbox(sandbox: NetworkSandbox): Promise<void>;
  /** Idempotent; the caller does not wait for the kernel's own clean-up. */
  removeSandbox(containerId: string): Promise<void>;
  /** What a running container has now. @throws NotFound when it has no network of its own. */
  sandbox(containerId: string): NetworkSandbox;
  /** Published ports that had no network to lead to lead to this one. @throws as `createSandbox` */
  connect(containerId: string, endpoint: EndpointRequest): Promise<Endpoint>;
  /** Published ports that led to this network lead to the next one that reaches outside, if there is one. */
  disconnect(containerId: string, networkId: string): Promise<void>;
  /** New names of a renamed container. */
  setNames(containerId: string, networkId: string, names: readonly string[]): void;
  /** Byte and packet counts by interface name inside the container. */
  counters(containerId: string): Promise<Readonly<Record<string, InterfaceCounters>>>;
  /**
   * A socket that listens on a port of 127.0.0.1 *inside* a namespace, as a descriptor of this process: for
   * `net.Server.listen`, which owns it from then on. Only processes in the namespace can reach it.
   * @throws Internal, reason EADDRINUSE for a taken port
   */
  listenInside(netnsPath: HostPath, port: number): Promise<number>;
  /**
   * A socket that is connecting to a port of 127.0.0.1 inside a namespace, as a descriptor of this process: for
   * `new net.Socket`, which tells when nobody listens there.
   */
  connectInside(netnsPath: HostPath, port: number): Promise<number>;
  /** The name server to put into `resolv.conf` for a container on this network; undefined where names are not resolved. */
  nameServer(networkId: string): string | undefined;
  /**
   * Removes namespaces, bridges and rules of this daemon that belong to no container of `keep`: what a crash left. To be
   * called once at start, after every network and every running container was restored: what was not, goes.
   */
  sweep(keep: ReadonlySet<string>): Promise<void>;
}

export interface InterfaceCounters {
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly txBytes: number;
  readonly txPackets: number;
  readonly txErrors: number;
  readonly txDropped: number;
}
