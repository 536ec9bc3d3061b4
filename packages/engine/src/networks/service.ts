import type { CreateNetworkBody, EndpointSettings } from '@slipway/api/docker';
import {
  type Clock,
  errorMessage,
  KeyedLock,
  type Logger,
  newId,
  type Random,
  SlipwayError,
} from '@slipway/base';
import type { Endpoint, Networks } from '@slipway/network';
import type { Database } from '@slipway/store';
import type { EventBus } from '../events/index.ts';
import { isPredefined, type Network } from './network.ts';
import { bridgeOptions } from './options.ts';
import { NetworkRecords } from './records.ts';

export interface NetworkServiceOptions {
  readonly networks: Networks;
  readonly database: Database;
  readonly events: EventBus;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly config: {
    /** The interface of the network `bridge`. */
    readonly bridgeName: string;
    /** Its own address with the prefix length; undefined: chosen by itself. */
    readonly bridgeAddress: string | undefined;
  };
}

/** A running container on a network. */
export interface Member {
  readonly containerId: string;
  readonly name: string;
  readonly endpoint: Endpoint;
}

/** Who can connect containers: the slice of containers, which this one may not import. */
export interface NetworkConnector {
  connect(containerReference: string, networkName: string, settings: EndpointSettings): Promise<void>;
  disconnect(
    containerReference: string,
    networkName: string,
    options: { readonly force: boolean },
  ): Promise<void>;
}

/** Opens the networks of this data root: makes their bridges again, and the predefined ones at the first start. */
export async function openNetworkService(options: NetworkServiceOptions): Promise<NetworkService> {
  const records = new NetworkRecords(options.database);
  const known = records.load();
  for (const { name, bridge } of known) {
    try {
      if (bridge !== undefined) await options.networks.restoreBridge(bridge);
    } catch (error) {
      options.logger.error(
        { network: name, error: errorMessage(error) },
        'this network cannot be used: its bridge cannot be made; mend that and start the daemon again, or remove the network',
      );
    }
  }
  const service = new NetworkService(options, records, known);
  await service.createPredefined();
  return service;
}

/** Networks, and who is on them. */
export class NetworkService {
  readonly #options: NetworkServiceOptions;
  readonly #records: NetworkRecords;
  readonly #networks: Map<string, Network>;
  readonly #members = new Map<string, Map<string, Member>>();
  readonly #lock = new KeyedLock();
  #connector: NetworkConnector | undefined;

  /** Use `openNetworkService`. */
  constructor(options: NetworkServiceOptions, records: NetworkRecords, networks: readonly Network[]) {
    this.#options = options;
    this.#records = records;
    this.#networks = new Map(networks.map((network) => [network.id, network]));
  }

  /** Registers who connects containers. */
  setConnector(connector: NetworkConnector): void {
    this.#connector = connector;
  }

  /** Makes `bridge`, `host` and `none` where they are not recorded. */
  async createPredefined(): Promise<void> {
    const { bridgeName, bridgeAddress } = this.#options.config;
    const [gateway] = bridgeAddress?.split('/') ?? [];
    await this.#createIfMissing('bridge', 'bridge', {
      IPAM: { Config: bridgeAddress === undefined ? [] : [{ Subnet: bridgeAddress, Gateway: gateway }] },
      Options: {
        'com.docker.network.bridge.default_bridge': 'true',
        'com.docker.network.bridge.enable_icc': 'true',
        'com.docker.network.bridge.enable_ip_masquerade': 'true',
        'com.docker.network.bridge.host_binding_ipv4': '0.0.0.0',
        'com.docker.network.bridge.name': bridgeName,
        'com.docker.network.driver.mtu': '1500',
      },
    });
    await this.#createIfMissing('host', 'host', {});
    await this.#createIfMissing('none', 'null', {});
  }

  /**
   * @throws InvalidArgument, AlreadyExists for a taken name (reason NETWORK_EXISTS), NotFound for a driver that is not here,
   * PermissionDenied for a subnet that overlaps another network's
   */
  async create(body: CreateNetworkBody): Promise<Network> {
    const name = requireName(body.Name ?? '');
    requireCreatable(name, body);
    return await this.#lock.run(name, async () => {
      if (this.#byName(name) !== undefined) {
        throw new SlipwayError('AlreadyExists', `network with name ${name} already exists`, {
          reason: 'NETWORK_EXISTS',
        });
      }
      const network = await this.#make(name, 'bridge', body);
      this.#tell('create', network);
      return network;
    });
  }

  /** By name, id, or an id's beginning. @throws NotFound `network X not found`; InvalidArgument when several begin so. */
  get(reference: string): Network {
    const network = this.find(reference);
    if (network !== undefined) return network;
    throw new SlipwayError('NotFound', `network ${reference} not found`);
  }

  /** As `get`; undefined when there is none. @throws InvalidArgument when several ids begin so. */
  find(reference: string): Network | undefined {
    const exact = this.#networks.get(reference) ?? this.#byName(reference);
    if (exact !== undefined || reference === '') return exact;
    const matching = this.list().filter(({ id }) => id.startsWith(reference));
    if (matching.length > 1) {
      throw new SlipwayError(
        'InvalidArgument',
        `network ${reference} is ambiguous (${matching.length} matches found based on ID prefix)`,
      );
    }
    return matching[0];
  }

  list(): Network[] {
    return [...this.#networks.values()];
  }

  nowMs(): number {
    return this.#options.clock.nowMs();
  }

  /** The address of this host on the default bridge, for `host-gateway`. */
  defaultGateway(): string | undefined {
    return this.#byName('bridge')?.bridge?.subnets[0]?.gateway;
  }

  /** The running containers on a network. */
  members(networkId: string): Member[] {
    return [...(this.#members.get(networkId)?.values() ?? [])];
  }

  /** Notes that a container came onto a network. */
  attach(networkId: string, member: Member): void {
    const members = this.#members.get(networkId) ?? new Map<string, Member>();
    this.#members.set(networkId, members.set(member.containerId, member));
    const network = this.#networks.get(networkId);
    if (network !== undefined) this.#tell('connect', network, { container: member.containerId });
  }

  /** Notes that it left; nothing when it was not there. */
  detach(networkId: string, containerId: string): void {
    if (this.#members.get(networkId)?.delete(containerId) !== true) return;
    const network = this.#networks.get(networkId);
    if (network !== undefined) this.#tell('disconnect', network, { container: containerId });
  }

  /** @throws NotFound for the network or the container, PermissionDenied for a host network, as the connector does. */
  async connect(reference: string, container: string, settings: EndpointSettings): Promise<void> {
    const network = this.get(reference);
    if (network.driver === 'host') {
      throw new SlipwayError('PermissionDenied', 'container cannot be connected to host network');
    }
    await this.#requireConnector().connect(container, network.name, settings);
  }

  async disconnect(
    reference: string,
    container: string,
    options: { readonly force: boolean },
  ): Promise<void> {
    const network = this.get(reference);
    if (network.driver === 'host') {
      throw new SlipwayError('PermissionDenied', 'container cannot be disconnected from host network');
    }
    await this.#requireConnector().disconnect(container, network.name, options);
  }

  /** @throws NotFound; PermissionDenied for a predefined one, and while containers are on it. */
  async remove(reference: string): Promise<void> {
    const { name } = this.get(reference);
    await this.#lock.run(name, async () => {
      const network = this.get(reference);
      if (isPredefined(network)) {
        throw new SlipwayError(
          'PermissionDenied',
          `${network.name} is a pre-defined network and cannot be removed`,
        );
      }
      if (this.members(network.id).length > 0) throw inUse(network);
      // The record goes first: a bridge without one is swept at the next start, whereas one that is made again for a
      // record may collide with a network that took its subnet meanwhile.
      this.#records.delete(network.id);
      try {
        await this.#removeBridge(network);
      } catch (error) {
        this.#records.insert(network);
        throw error;
      }
      this.#networks.delete(network.id);
      this.#members.delete(network.id);
      this.#tell('destroy', network);
    });
  }

  /** Removes the user-made networks that nobody is on; answers their names. */
  async prune(matches: (network: Network) => boolean): Promise<string[]> {
    const removed: string[] = [];
    for (const network of this.list()) {
      if (isPredefined(network) || this.members(network.id).length > 0 || !matches(network)) continue;
      try {
        await this.remove(network.id);
        removed.push(network.name);
      } catch (error) {
        // One that was taken or removed in the meantime is none to prune.
        if (!(error instanceof SlipwayError)) throw error;
      }
    }
    return removed;
  }

  async #createIfMissing(name: string, driver: Network['driver'], body: CreateNetworkBody): Promise<void> {
    if (this.#byName(name) === undefined) await this.#make(name, driver, body);
  }

  async #make(name: string, driver: Network['driver'], body: CreateNetworkBody): Promise<Network> {
    const { networks, random, clock } = this.#options;
    const id = newId(random);
    const bridge =
      driver === 'bridge'
        ? await networks.createBridge({ ...bridgeOptions(body), id, name, resolvesNames: name !== 'bridge' })
        : undefined;
    const network: Network = {
      id,
      name,
      driver,
      createdAtNs: clock.nowNs(),
      attachable: body.Attachable ?? false,
      labels: body.Labels ?? {},
      options: body.Options ?? {},
      ipamDriver: body.IPAM?.Driver || 'default',
      ipamOptions: body.IPAM?.Options,
      bridge,
    };
    try {
      this.#records.insert(network);
    } catch (error) {
      if (bridge !== undefined) await networks.removeBridge(id);
      throw error;
    }
    this.#networks.set(id, network);
    return network;
  }

  async #removeBridge(network: Network): Promise<void> {
    try {
      await this.#options.networks.removeBridge(network.id);
    } catch (error) {
      if (error instanceof SlipwayError && error.code === 'FailedPrecondition') throw inUse(network, error);
      throw error;
    }
  }

  #byName(name: string): Network | undefined {
    for (const network of this.#networks.values()) if (network.name === name) return network;
    return undefined;
  }

  #requireConnector(): NetworkConnector {
    if (this.#connector !== undefined) return this.#connector;
    throw new SlipwayError('Unavailable', 'the engine is still starting: try again');
  }

  #tell(action: string, { id, name, driver }: Network, more: Readonly<Record<string, string>> = {}): void {
    this.#options.events.publish({
      type: 'network',
      action,
      id,
      attributes: { name, type: driver, ...more },
    });
  }
}

const inUse = ({ name, id }: Network, cause?: unknown): SlipwayError =>
  new SlipwayError(
    'PermissionDenied',
    `error while removing network: network ${name} id ${id} has active endpoints`,
    { cause, reason: 'NETWORK_IN_USE' },
  );

function requireName(name: string): string {
  if (name.trim() === '') throw new SlipwayError('InvalidArgument', 'network name cannot be empty');
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name)) return name;
  throw new SlipwayError(
    'InvalidArgument',
    `invalid network name "${name}": only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
  );
}

function requireCreatable(name: string, body: CreateNetworkBody): void {
  const driver = body.Driver || 'bridge';
  if (isPredefined({ name })) {
    throw new SlipwayError('PermissionDenied', `operation is not permitted on predefined ${name} network`);
  }
  if (driver === 'host' || driver === 'null') {
    throw new SlipwayError('PermissionDenied', `only one instance of "${driver}" network is allowed`);
  }
  if (driver !== 'bridge') {
    throw new SlipwayError(
      'NotFound',
      `could not find plugin ${driver} in v1 plugin registry: plugin not found`,
    );
  }
  const ipamDriver = body.IPAM?.Driver || 'default';
  if (ipamDriver !== 'default') {
    throw new SlipwayError(
      'NotFound',
      `could not find plugin ${ipamDriver} in v1 plugin registry: plugin not found`,
    );
  }
  if (body.EnableIPv6 === true) {
    throw new SlipwayError(
      'NotImplemented',
      'networks with IPv6 addresses are not here yet: create it without --ipv6',
    );
  }
}
