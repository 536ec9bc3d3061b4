import { existsSync } from 'node:fs';
import { type Clock, errorMessage, type Logger, SlipwayError, shortId } from '@slipway/base';
import { AddressPool } from './address-pool.ts';
import type { Firewall } from './firewall.ts';
import { macOf, parseIpv4, parseRange } from './ipv4.ts';
import type { Kernel } from './kernel/kernel.ts';
import { openNameServer } from './names/name-server.ts';
import { NameTable } from './names/name-table.ts';
import type { BridgeNetwork, BridgeRequest } from './network.ts';
import { planSubnets, usedOnHost } from './subnets.ts';

/** A bridge that exists, with what hangs on it. */
export interface Bridge {
  readonly network: BridgeNetwork;
  readonly addresses: readonly AddressPool[];
  readonly names: NameTable;
  readonly nameServer: AsyncDisposable | undefined;
}

const DEFAULT_MTU = 1500;
const MAX_INTERFACE_NAME = 15;

interface BridgesOptions {
  readonly kernel: Kernel;
  readonly firewall: Firewall;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly namePrefix: string;
  /** Marks the bridges of this daemon on the host. */
  readonly owner: string;
}

/** The bridges of this daemon. */
export class Bridges implements AsyncDisposable {
  readonly #options: BridgesOptions;
  readonly #bridges = new Map<string, Bridge>();

  constructor(options: BridgesOptions) {
    this.#options = options;
  }

  /** @throws NotFound */
  get(networkId: string): Bridge {
    const bridge = this.#bridges.get(networkId);
    if (bridge !== undefined) return bridge;
    throw new SlipwayError('NotFound', `network ${shortId(networkId)} has no bridge on this host`);
  }

  find(networkId: string): Bridge | undefined {
    return this.#bridges.get(networkId);
  }

  list(): Iterable<Bridge> {
    return this.#bridges.values();
  }

  /** Chooses what the request leaves open, and makes the bridge. */
  async create(request: BridgeRequest): Promise<Bridge> {
    const bridgeName = request.bridgeName ?? `${this.#options.namePrefix}${request.id.slice(0, 12)}`;
    await this.#requireFreeName(bridgeName);
    const own = [...this.#bridges.values()].flatMap(({ network }) =>
      network.subnets.map((each) => parseRange(each.subnet)),
    );
    return await this.make({
      id: request.id,
      name: request.name,
      bridgeName,
      subnets: planSubnets(request.subnets, own, await usedOnHost()),
      internal: request.internal ?? false,
      interContainer: request.interContainer ?? true,
      masquerade: request.masquerade ?? true,
      mtu: request.mtu ?? DEFAULT_MTU,
      hostBindingIp: request.hostBindingIp ?? '0.0.0.0',
      resolvesNames: request.resolvesNames,
    });
  }

  /** Makes the bridge of a network, or takes up the one that is there. */
  async make(network: BridgeNetwork): Promise<Bridge> {
    const { kernel, firewall, owner } = this.#options;
    const known = this.#bridges.get(network.id);
    if (known !== undefined) return known;
    const addresses = network.subnets.map((subnet) => new AddressPool(subnet));
    const first = addresses[0];
    if (first === undefined)
      throw new SlipwayError('InvalidArgument', `network ${network.name} has no subnet`);
    await kernel.run(
      'ensureBridge',
      { name: network.bridgeName, macAddress: macOf(parseIpv4(first.gateway)), mtu: network.mtu },
      addresses.map((pool) => [pool.gateway, pool.prefixLength] as const),
      owner,
    );
    try {
      await firewall.addBridge(network);
    } catch (error) {
      await kernel.run('deleteLink', network.bridgeName);
      throw error;
    }
    const names = new NameTable(network.name);
    const bridge = {
      network,
      addresses,
      names,
      nameServer: await this.#serveNames(network, first.gateway, names),
    };
    this.#bridges.set(network.id, bridge);
    return bridge;
  }

  async remove(networkId: string): Promise<void> {
    const bridge = this.#bridges.get(networkId);
    if (bridge === undefined) return;
    this.#bridges.delete(networkId);
    await bridge.nameServer?.[Symbol.asyncDispose]();
    await this.#options.firewall.removeBridge(bridge.network);
    await this.#options.kernel.run('deleteLink', bridge.network.bridgeName);
  }

  /** Deletes the bridges of this daemon that no known network names. */
  async sweep(): Promise<void> {
    const known = new Set([...this.#bridges.values()].map(({ network }) => network.bridgeName));
    for (const name of await this.#options.kernel.run('listBridgesOf', this.#options.owner)) {
      if (!known.has(name)) await this.#options.kernel.run('deleteLink', name);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      [...this.#bridges.values()].map(({ nameServer }) => nameServer?.[Symbol.asyncDispose]()),
    );
  }

  async #requireFreeName(name: string): Promise<void> {
    if (name.length > MAX_INTERFACE_NAME || !/^[\w.-]+$/.test(name) || name === '.' || name === '..') {
      throw new SlipwayError(
        'InvalidArgument',
        `invalid bridge name "${name}": at most ${MAX_INTERFACE_NAME} letters, digits, ".", "_" or "-"`,
      );
    }
    if (!existsSync(`/sys/class/net/${name}`)) return;
    const known = [...this.#bridges.values()].some(({ network }) => network.bridgeName === name);
    await this.#options.kernel.run('requireOwnBridge', name, this.#options.owner);
    const own = await this.#options.kernel.run('listBridgesOf', this.#options.owner);
    if (known || !own.includes(name)) {
      throw new SlipwayError(
        'AlreadyExists',
        `network interface ${name} exists already on this host: choose another bridge name, or delete it with "ip link delete ${name}"`,
      );
    }
    // Left by an earlier life of this daemon whose records are gone.
    await this.#options.kernel.run('deleteLink', name);
  }

  async #serveNames(
    network: BridgeNetwork,
    gateway: string,
    names: NameTable,
  ): Promise<AsyncDisposable | undefined> {
    if (!network.resolvesNames) return undefined;
    const { clock, logger } = this.#options;
    try {
      return await openNameServer({ address: gateway, names, clock, logger, forwards: !network.internal });
    } catch (error) {
      logger.warn(
        { network: network.name, address: gateway, error: errorMessage(error) },
        'cannot serve names on this network: another program has port 53; its containers use the name servers of the host',
      );
      return undefined;
    }
  }
}
