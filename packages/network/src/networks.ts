import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Clock,
  errorMessage,
  type HostPath,
  hostPath,
  KeyedLock,
  type Logger,
  newId,
  type Random,
  SlipwayError,
  shortId,
} from '@slipway/base';
import { type Bridge, Bridges } from './bridges.ts';
import { Firewall, type PortTarget } from './firewall.ts';
import { endUdpFlows } from './flows.ts';
import { lockHost } from './host-lock.ts';
import { findIpv4, macOf, parseIpv4 } from './ipv4.ts';
import { Kernel } from './kernel/kernel.ts';
import type { Attachment } from './kernel/operations.ts';
import type {
  BridgeNetwork,
  BridgeRequest,
  Endpoint,
  EndpointRequest,
  InterfaceCounters,
  NetworkSandbox,
  Networks,
  PortRequest,
  PublishedPort,
  SandboxRequest,
} from './network.ts';
import { PublishedPorts } from './published-ports.ts';
import { watchTable } from './table-watch.ts';

export interface NetworksOptions {
  /** Namespaces are mounted under `<runRoot>/netns`. */
  readonly runRoot: string;
  /** The nftables table, one for each daemon. `slipway` by default. */
  readonly tableName?: string;
  /** The bridge that the table is named for: another daemon's is refused before anything is touched. */
  readonly bridgeName?: string;
  /** Put before a network's short id to name its bridge; `br-` by default. */
  readonly bridgeNamePrefix?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Namespaces kept ready for the default bridge. */
  readonly prepared?: number;
}

/**
 * Opens this daemon's networking: the thread that speaks with the kernel, and the table of rules.
 * @throws FailedPrecondition when nft is missing or this process may not change the network; AlreadyExists when another
 * daemon has the bridge
 */
export async function openNetworks(options: NetworksOptions): Promise<Networks> {
  await enableForwarding(options.logger);
  const kernel = new Kernel();
  const firewall = new Firewall(options.tableName ?? DEFAULT_TABLE, options.logger);
  try {
    if (options.bridgeName !== undefined) {
      await kernel.run('requireOwnBridge', options.bridgeName, ownerOf(options));
    }
    await Promise.all([firewall.open(), kernel.run('shareFolder', netnsRoot(options))]);
  } catch (error) {
    await kernel[Symbol.asyncDispose]();
    throw error;
  }
  return new HostNetworks(options, kernel, firewall);
}

const DEFAULT_TABLE = 'slipway';

const netnsRoot = ({ runRoot }: NetworksOptions): string => join(runRoot, 'netns');

/** The longest alias that an interface takes. */
const MAX_ALIAS_BYTES = 255;

/** The mark on what this daemon makes on the host: who it is, and, for people, where it runs. */
function ownerOf(options: NetworksOptions): string {
  const mark = `slipway ${identityOf(options).slice(0, 16)} ${options.runRoot}`;
  return Buffer.from(mark)
    .subarray(0, MAX_ALIAS_BYTES)
    .toString()
    .replace(/\uFFFD+$/, '');
}

const identityOf = ({ tableName = DEFAULT_TABLE, runRoot }: NetworksOptions): string =>
  createHash('sha256').update(`${tableName} ${runRoot}`).digest('hex');

const FORWARDING = '/proc/sys/net/ipv4/ip_forward';

async function enableForwarding(logger: Logger): Promise<void> {
  if ((await readFile(FORWARDING, 'utf8')).trim() === '1') return;
  try {
    await writeFile(FORWARDING, '1');
  } catch (error) {
    logger.warn(
      { error: errorMessage(error) },
      'cannot enable IPv4 forwarding: containers reach no other host; run "sysctl -w net.ipv4.ip_forward=1"',
    );
  }
}

/** A namespace with its endpoints, before it belongs to a container. */
interface Namespace {
  readonly path: HostPath;
  readonly endpoints: readonly Endpoint[];
}

interface Sandbox {
  readonly containerId: string;
  readonly containerName: string;
  readonly netnsPath: HostPath;
  endpoints: readonly Endpoint[];
  readonly portRequests: readonly PortRequest[];
  ports: readonly PublishedPort[];
  /** Which endpoint the ports lead to. */
  portsEndpoint: Endpoint | undefined;
}

const DEFAULT_PREPARED = 6;
const FIRST_INTERFACE_INDEX = 10;

class HostNetworks implements Networks {
  readonly #kernel: Kernel;
  readonly #firewall: Firewall;
  readonly #bridges: Bridges;
  readonly #ports: PublishedPorts;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #netnsRoot: string;
  readonly #vethPrefix: string;
  readonly #preparedCount: number;
  readonly #sandboxes = new Map<string, Sandbox>();
  /** Namespaces made ahead, by network; the oldest is given out first. */
  readonly #prepared = new Map<string, Promise<Namespace>[]>();
  readonly #background = new Set<Promise<void>>();
  readonly #locks = new KeyedLock();
  readonly #namespacesInUse = new Set<string>();
  readonly #tableWatch: AsyncDisposable;
  #closed = false;

  constructor(options: NetworksOptions, kernel: Kernel, firewall: Firewall) {
    const { clock, random, logger } = options;
    this.#kernel = kernel;
    this.#firewall = firewall;
    this.#clock = clock;
    this.#random = random;
    this.#logger = logger;
    this.#netnsRoot = netnsRoot(options);
    this.#vethPrefix = `v${identityOf(options).slice(0, 4)}`;
    this.#preparedCount = options.prepared ?? DEFAULT_PREPARED;
    this.#ports = new PublishedPorts(random);
    this.#bridges = new Bridges({
      kernel,
      firewall,
      clock,
      logger,
      namePrefix: options.bridgeNamePrefix ?? 'br-',
      owner: ownerOf(options),
    });
    this.#tableWatch = watchTable({
      clock,
      logger,
      isThere: () => kernel.run('hasTable', options.tableName ?? DEFAULT_TABLE),
      restore: () => this.#restoreRules(),
    });
  }

  async createBridge(request: BridgeRequest): Promise<BridgeNetwork> {
    // Two requests at once must not choose the same subnet, of this daemon or of another.
    return await this.#locks.run('bridges', async () => {
      await using _subnets = await lockHost('subnets', this.#clock);
      const bridge = await this.#bridges.create(request);
      this.#prepare(bridge);
      return bridge.network;
    });
  }

  async restoreBridge(network: BridgeNetwork): Promise<void> {
    await this.#locks.run('bridges', async () => void (await this.#bridges.make(network)));
  }

  async removeBridge(networkId: string): Promise<void> {
    await this.#locks.run('bridges', async () => {
      const user = [...this.#sandboxes.values()].find(({ endpoints }) =>
        endpoints.some((endpoint) => endpoint.networkId === networkId),
      );
      if (user !== undefined) {
        throw new SlipwayError(
          'FailedPrecondition',
          `network ${shortId(networkId)} has active endpoints: container ${shortId(user.containerId)} is connected`,
        );
      }
      await this.#dropPrepared(networkId);
      await this.#bridges.remove(networkId);
    });
  }

  async createSandbox(request: SandboxRequest): Promise<NetworkSandbox> {
    return await this.#locks.run(request.containerId, async () => {
      if (this.#sandboxes.has(request.containerId)) {
        throw new SlipwayError(
          'AlreadyExists',
          `container ${shortId(request.containerId)} has a network already`,
        );
      }
      const { path, endpoints } = await this.#namespaceFor(request.endpoints);
      const sandbox: Sandbox = {
        containerId: request.containerId,
        containerName: request.containerName,
        netnsPath: path,
        endpoints,
        portRequests: request.ports,
        ports: [],
        portsEndpoint: undefined,
      };
      try {
        await this.#publish(sandbox);
      } catch (error) {
        this.#releaseEndpoints(endpoints);
        this.#dropNamespace(path);
        throw error;
      }
      this.#sandboxes.set(request.containerId, sandbox);
      this.#announce(sandbox);
      return snapshot(sandbox);
    });
  }

  async restoreSandbox(stored: NetworkSandbox): Promise<void> {
    const { containerId, netnsPath, endpoints, ports, portRequests = [], containerName = '' } = stored;
    const portsEndpoint = endpoints.find(
      ({ networkId }) => this.#bridges.find(networkId)?.network.internal === false,
    );
    const sandbox: Sandbox = {
      containerId,
      containerName,
      netnsPath,
      endpoints,
      portRequests,
      ports,
      portsEndpoint,
    };
    for (const endpoint of endpoints) {
      for (const pool of this.#bridges.find(endpoint.networkId)?.addresses ?? []) {
        if (pool.contains(endpoint.ipv4)) pool.takeBack(endpoint.ipv4);
      }
    }
    this.#announce(sandbox);
    this.#namespacesInUse.add(netnsPath);
    this.#sandboxes.set(containerId, sandbox);
    if (portsEndpoint === undefined) return;
    const { held, lost } = await this.#ports.takeBack(ports, portsEndpoint.ipv4);
    sandbox.ports = held;
    for (const { port, cause } of lost) {
      this.#logger.warn(
        { container: shortId(containerId), port, error: errorMessage(cause) },
        'a published port was taken by somebody else meanwhile: restart the container when it is free again',
      );
    }
  }

  async removeSandbox(containerId: string): Promise<void> {
    await this.#locks.run(containerId, async () => {
      const sandbox = this.#sandboxes.get(containerId);
      if (sandbox === undefined) return;
      this.#sandboxes.delete(containerId);
      try {
        await this.#unpublish(sandbox);
      } finally {
        this.#releaseEndpoints(sandbox.endpoints);
        this.#dropNamespace(sandbox.netnsPath);
      }
    });
  }

  async connect(containerId: string, request: EndpointRequest): Promise<Endpoint> {
    return await this.#locks.run(containerId, async () => {
      const sandbox = this.#sandbox(containerId);
      if (sandbox.endpoints.some(({ networkId }) => networkId === request.networkId)) {
        throw new SlipwayError(
          'PermissionDenied',
          `container ${shortId(containerId)} is connected to network ${shortId(request.networkId)} already`,
        );
      }
      const used = new Set(sandbox.endpoints.map(({ interfaceName }) => interfaceName));
      let position = 0;
      while (used.has(`eth${position}`)) position++;
      const endpoint = this.#newEndpoint(request, position);
      try {
        const hasDefault = sandbox.endpoints.some(({ gateway }) => gateway !== '');
        await this.#kernel.run('attach', sandbox.netnsPath, this.#attachment(endpoint, !hasDefault));
      } catch (error) {
        this.#releaseEndpoints([endpoint]);
        throw error;
      }
      sandbox.endpoints = [...sandbox.endpoints, endpoint];
      try {
        if (sandbox.portsEndpoint === undefined) await this.#publish(sandbox);
      } catch (error) {
        await this.#detach(sandbox, endpoint);
        throw error;
      }
      this.#announce(sandbox);
      return endpoint;
    });
  }

  async disconnect(containerId: string, networkId: string): Promise<void> {
    await this.#locks.run(containerId, async () => {
      const sandbox = this.#sandbox(containerId);
      const endpoint = sandbox.endpoints.find((each) => each.networkId === networkId);
      if (endpoint === undefined) {
        throw new SlipwayError(
          'PermissionDenied',
          `container ${containerId} is not connected to network ${networkId}`,
        );
      }
      const carriedPorts = sandbox.portsEndpoint === endpoint;
      if (carriedPorts) await this.#unpublish(sandbox);
      await this.#detach(sandbox, endpoint);
      this.#announce(sandbox);
      if (carriedPorts) await this.#publish(sandbox);
    });
  }

  async #detach(sandbox: Sandbox, endpoint: Endpoint): Promise<void> {
    const wasDefault = sandbox.endpoints.find(({ gateway }) => gateway !== '') === endpoint;
    sandbox.endpoints = sandbox.endpoints.filter((each) => each !== endpoint);
    await this.#kernel.run('deleteLink', endpoint.hostInterfaceName);
    this.#releaseEndpoints([endpoint]);
    const next = sandbox.endpoints.find(({ gateway }) => gateway !== '');
    if (wasDefault && next !== undefined) {
      await this.#kernel.run('setDefaultGateway', sandbox.netnsPath, next.gateway);
    }
  }

  sandbox(containerId: string): NetworkSandbox {
    return snapshot(this.#sandbox(containerId));
  }

  setNames(containerId: string, networkId: string, names: readonly string[]): void {
    const sandbox = this.#sandbox(containerId);
    const carriesPorts = sandbox.portsEndpoint?.networkId === networkId;
    sandbox.endpoints = sandbox.endpoints.map((endpoint) =>
      endpoint.networkId === networkId ? { ...endpoint, names } : endpoint,
    );
    // It is told apart by identity.
    if (carriesPorts) sandbox.portsEndpoint = sandbox.endpoints.find((each) => each.networkId === networkId);
    this.#announce(sandbox);
  }

  async counters(containerId: string): Promise<Readonly<Record<string, InterfaceCounters>>> {
    return await this.#kernel.run('readCounters', this.#sandbox(containerId).netnsPath);
  }

  async listenInside(netnsPath: HostPath, port: number): Promise<number> {
    return await this.#kernel.run('listenInside', netnsPath, port);
  }

  async connectInside(netnsPath: HostPath, port: number): Promise<number> {
    return await this.#kernel.run('connectInside', netnsPath, port);
  }

  nameServer(networkId: string): string | undefined {
    const bridge = this.#bridges.find(networkId);
    return bridge?.nameServer === undefined ? undefined : bridge.network.subnets[0]?.gateway;
  }

  async sweep(keep: ReadonlySet<string>): Promise<void> {
    for (const containerId of [...this.#sandboxes.keys()]) {
      if (!keep.has(containerId)) await this.removeSandbox(containerId);
    }
    await this.#firewall.keepOnly([...this.#sandboxes.values()].flatMap(portTargets));
    const names = await readdir(this.#netnsRoot).catch(() => []);
    for (const path of names.map((name) => join(this.#netnsRoot, name))) {
      if (!this.#namespacesInUse.has(path)) await this.#kernel.run('removeNamespace', path);
    }
    await this.#bridges.sweep();
    for (const bridge of this.#bridges.list()) this.#prepare(bridge);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#tableWatch[Symbol.asyncDispose]();
    await Promise.all([...this.#prepared.keys()].map((networkId) => this.#dropPrepared(networkId)));
    await Promise.all(this.#background);
    await this.#ports[Symbol.asyncDispose]();
    // Running containers keep their bridges and rules; without any, the host is left as it was found.
    if (this.#sandboxes.size === 0) {
      for (const { network } of [...this.#bridges.list()]) await this.#bridges.remove(network.id);
      await this.#firewall.remove();
    }
    await this.#bridges[Symbol.asyncDispose]();
    await this.#kernel.run('unshareFolder', this.#netnsRoot);
    await this.#kernel[Symbol.asyncDispose]();
  }

  #sandbox(containerId: string): Sandbox {
    const sandbox = this.#sandboxes.get(containerId);
    if (sandbox !== undefined) return sandbox;
    throw new SlipwayError(
      'NotFound',
      `container ${shortId(containerId)} has no network of its own: it does not run`,
    );
  }

  /** One that was made ahead, where the request leaves everything open; else a new one. */
  async #namespaceFor(requests: readonly EndpointRequest[]): Promise<Namespace> {
    const [only, ...others] = requests;
    if (
      only !== undefined &&
      others.length === 0 &&
      only.ipv4 === undefined &&
      only.macAddress === undefined
    ) {
      const ready = this.#prepared.get(only.networkId)?.shift();
      if (ready !== undefined) {
        this.#prepare(this.#bridges.get(only.networkId));
        const { path, endpoints } = await ready;
        return { path, endpoints: endpoints.map((endpoint) => ({ ...endpoint, names: only.names })) };
      }
    }
    return await this.#makeNamespace(requests);
  }

  async #makeNamespace(requests: readonly EndpointRequest[]): Promise<Namespace> {
    const path = hostPath(join(this.#netnsRoot, this.#random.hex(8)));
    const endpoints: Endpoint[] = [];
    this.#namespacesInUse.add(path);
    try {
      for (const [position, request] of requests.entries())
        endpoints.push(this.#newEndpoint(request, position));
      const first = endpoints.find(({ gateway }) => gateway !== '');
      await this.#kernel.run(
        'makeNamespace',
        path,
        endpoints.map((endpoint) => this.#attachment(endpoint, endpoint === first)),
      );
      return { path, endpoints };
    } catch (error) {
      this.#namespacesInUse.delete(path);
      this.#releaseEndpoints(endpoints);
      throw error;
    }
  }

  #newEndpoint(
    { networkId, ipv4, macAddress, names, nameServers }: EndpointRequest,
    position: number,
  ): Endpoint {
    const { network, addresses } = this.#bridges.get(networkId);
    const pool =
      ipv4 === undefined ? addresses[0] : addresses.find((each) => each.contains(requireIpv4(ipv4)));
    if (pool === undefined) {
      throw new SlipwayError(
        'InvalidArgument',
        `no configured subnet contains IP address ${ipv4}: network ${network.name} has ${network.subnets.map(({ subnet }) => subnet).join(', ')}`,
      );
    }
    if (ipv4 !== undefined) pool.takeStatic(ipv4);
    const address = ipv4 ?? pool.take();
    return {
      networkId,
      endpointId: newId(this.#random),
      interfaceName: `eth${position}`,
      hostInterfaceName: `${this.#vethPrefix}${this.#random.hex(4)}`,
      ipv4: address,
      prefixLength: pool.prefixLength,
      gateway: network.internal ? '' : pool.gateway,
      macAddress: macAddress?.toLowerCase().replaceAll('-', ':') ?? macOf(parseIpv4(address)),
      names,
      nameServers,
    };
  }

  #attachment(endpoint: Endpoint, carriesDefaultRoute: boolean): Attachment {
    const { network } = this.#bridges.get(endpoint.networkId);
    return {
      interfaceName: endpoint.interfaceName,
      interfaceIndex: FIRST_INTERFACE_INDEX + Number(endpoint.interfaceName.slice('eth'.length)),
      hostInterfaceName: endpoint.hostInterfaceName,
      macAddress: endpoint.macAddress,
      ipv4: endpoint.ipv4,
      prefixLength: endpoint.prefixLength,
      mtu: network.mtu,
      bridgeName: network.bridgeName,
      isolated: !network.interContainer,
      defaultGateway: carriesDefaultRoute && endpoint.gateway !== '' ? endpoint.gateway : undefined,
    };
  }

  /** Leads the ports that were asked for to the first endpoint that reaches outside. */
  async #publish(sandbox: Sandbox): Promise<void> {
    const { containerId, containerName, portRequests } = sandbox;
    const endpoint = sandbox.endpoints.find(({ gateway }) => gateway !== '');
    if (endpoint === undefined || portRequests.length === 0) return;
    const { hostBindingIp } = this.#bridges.get(endpoint.networkId).network;
    const target = { ip: endpoint.ipv4, hostBindingIp };
    const owner = { containerId, containerName, endpointId: endpoint.endpointId };
    sandbox.ports = await this.#ports.take(portRequests, target, owner);
    sandbox.portsEndpoint = endpoint;
    try {
      await this.#firewall.publish(portTargets(sandbox));
    } catch (error) {
      await this.#ports.release(sandbox.ports);
      sandbox.ports = [];
      sandbox.portsEndpoint = undefined;
      throw error;
    }
  }

  async #unpublish(sandbox: Sandbox): Promise<void> {
    const targets = portTargets(sandbox);
    const { ports } = sandbox;
    sandbox.ports = [];
    sandbox.portsEndpoint = undefined;
    try {
      await this.#firewall.unpublish(targets);
      await endUdpFlows(ports);
    } finally {
      await this.#ports.release(ports);
    }
  }

  async #restoreRules(): Promise<void> {
    await Promise.all([
      this.#firewall.open(),
      ...[...this.#bridges.list()].map(({ network }) => this.#firewall.addBridge(network)),
      this.#firewall.publish([...this.#sandboxes.values()].flatMap(portTargets)),
    ]);
  }

  /** Gives a container its names on its networks, and the names of all of them to it. */
  #announce({ endpoints }: Sandbox): void {
    const tables = endpoints.flatMap(({ networkId }) => this.#bridges.find(networkId)?.names ?? []);
    for (const { networkId, ipv4, names, nameServers = [] } of endpoints) {
      const table = this.#bridges.find(networkId)?.names;
      table?.set(ipv4, names);
      table?.setClient(ipv4, { nameServers, others: tables.filter((other) => other !== table) });
    }
  }

  #releaseEndpoints(endpoints: readonly Endpoint[]): void {
    for (const { networkId, ipv4 } of endpoints) {
      const bridge = this.#bridges.find(networkId);
      bridge?.names.set(ipv4, []);
      bridge?.names.setClient(ipv4, undefined);
      bridge?.addresses.find((pool) => pool.contains(ipv4))?.release(ipv4);
    }
  }

  #dropNamespace(path: string): void {
    this.#inBackground(async () => {
      await this.#kernel.run('removeNamespace', path);
      this.#namespacesInUse.delete(path);
    });
  }

  /** Makes namespaces ahead for the default bridge, where most containers go. */
  #prepare({ network }: Bridge): void {
    if (network.resolvesNames || this.#closed) return;
    const ready = this.#prepared.get(network.id) ?? [];
    this.#prepared.set(network.id, ready);
    while (ready.length < this.#preparedCount) {
      const namespace = this.#makeNamespace([{ networkId: network.id, names: [] }]);
      ready.push(namespace);
      this.#inBackground(async () => {
        try {
          await namespace;
        } catch (error) {
          const place = ready.indexOf(namespace);
          if (place >= 0) ready.splice(place, 1);
          throw error;
        }
      });
    }
  }

  async #dropPrepared(networkId: string): Promise<void> {
    const ready = this.#prepared.get(networkId) ?? [];
    this.#prepared.delete(networkId);
    for (const outcome of await Promise.allSettled(ready)) {
      if (outcome.status === 'rejected') continue;
      this.#releaseEndpoints(outcome.value.endpoints);
      this.#dropNamespace(outcome.value.path);
    }
  }

  #inBackground(work: () => Promise<void>): void {
    const running = work()
      .catch((error: unknown) =>
        this.#logger.warn({ error: errorMessage(error) }, 'work on a namespace failed'),
      )
      .finally(() => this.#background.delete(running));
    this.#background.add(running);
  }
}

const snapshot = (sandbox: Sandbox): NetworkSandbox => ({
  containerId: sandbox.containerId,
  containerName: sandbox.containerName,
  netnsPath: sandbox.netnsPath,
  endpoints: sandbox.endpoints,
  ports: sandbox.ports,
  portRequests: sandbox.portRequests,
});

/** What the firewall translates: IPv4 only, for the relays carry IPv6. */
function portTargets({ ports, portsEndpoint }: Sandbox): PortTarget[] {
  if (portsEndpoint === undefined) return [];
  return ports
    .filter(({ hostIp }) => !hostIp.includes(':'))
    .map((port) => ({ ...port, containerIp: portsEndpoint.ipv4 }));
}

function requireIpv4(address: string): string {
  if (findIpv4(address) !== undefined) return address;
  throw new SlipwayError('InvalidArgument', `invalid IPv4 address: "${address}"`);
}
