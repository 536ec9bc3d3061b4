import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { SlipwayError } from '@slipway/base';
import {
  formatIpv4,
  formatRange,
  type Ipv4Range,
  lastOf,
  parseIpv4,
  parseRange,
  rangeContains,
  rangesOverlap,
} from './ipv4.ts';
import type { BridgeRequest, Subnet } from './network.ts';

/** Docker's default pools: 172.17 to 172.31 by /16, then 192.168 by /20. */
const POOLS: readonly Ipv4Range[] = [
  ...Array.from({ length: 15 }, (_, i) => parseRange(`172.${17 + i}.0.0/16`)),
  ...Array.from({ length: 16 }, (_, i) => parseRange(`192.168.${i * 16}.0/20`)),
];

/** Every range that an address or a route of this host uses already, the default route aside. */
export async function usedOnHost(): Promise<Ipv4Range[]> {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const used = addresses.flatMap(({ family, cidr }) => (family === 'IPv4' && cidr ? [parseRange(cidr)] : []));
  const routes = (await readFile('/proc/net/route', 'utf8')).split('\n').slice(1);
  for (const line of routes) {
    const [, destination, , , , , , mask] = line.split('\t');
    if (destination === undefined || mask === undefined || mask === '00000000') continue;
    const prefixLength = Number.parseInt(mask, 16).toString(2).replaceAll('0', '').length;
    used.push({ base: Buffer.from(destination, 'hex').readUInt32LE(), prefixLength });
  }
  return used;
}

/**
 * Fills in what a request leaves open.
 * @throws InvalidArgument for a bad subnet, gateway or range; PermissionDenied for one that overlaps another network
 */
export function planSubnets(
  asked: BridgeRequest['subnets'],
  ownRanges: readonly Ipv4Range[],
  hostRanges: readonly Ipv4Range[],
): Subnet[] {
  const planned: Subnet[] = [];
  for (const request of asked.length === 0 ? [{}] : asked) {
    const own = [...ownRanges, ...planned.map(({ subnet }) => parseRange(subnet))];
    planned.push(planSubnet(request, own, hostRanges));
  }
  return planned;
}

function planSubnet(
  request: BridgeRequest['subnets'][number],
  own: readonly Ipv4Range[],
  hostRanges: readonly Ipv4Range[],
): Subnet {
  const range = request.subnet === undefined ? freePool([...own, ...hostRanges]) : parseRange(request.subnet);
  if (range.prefixLength > 30) {
    throw new SlipwayError(
      'InvalidArgument',
      `subnet ${formatRange(range)} is too small: use a /30 or larger`,
    );
  }
  if (request.subnet !== undefined && own.some((other) => rangesOverlap(other, range))) {
    throw new SlipwayError('PermissionDenied', 'Pool overlaps with other one on this address space', {
      reason: 'SUBNET_OVERLAPS',
    });
  }
  if (request.ipRange !== undefined) {
    const inner = parseRange(request.ipRange);
    if (!rangeContains(range, inner.base) || lastOf(inner) > lastOf(range)) {
      throw new SlipwayError(
        'InvalidArgument',
        `ip range ${request.ipRange} is not within subnet ${formatRange(range)}`,
      );
    }
  }
  const auxiliaryAddresses = request.auxiliaryAddresses ?? {};
  for (const [name, address] of Object.entries(auxiliaryAddresses))
    requireWithin(range, address, `auxiliary ${name}`);
  if (request.gateway !== undefined) requireWithin(range, request.gateway, 'gateway');
  return {
    subnet: formatRange(range),
    gateway: request.gateway ?? firstFree(range, request.ipRange, new Set(Object.values(auxiliaryAddresses))),
    ipRange: request.ipRange,
    auxiliaryAddresses,
  };
}

function freePool(used: readonly Ipv4Range[]): Ipv4Range {
  const free = POOLS.find((pool) => !used.some((other) => rangesOverlap(pool, other)));
  if (free !== undefined) return free;
  throw new SlipwayError(
    'ResourceExhausted',
    'could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network; name one with --subnet',
  );
}

function firstFree(range: Ipv4Range, ipRange: string | undefined, auxiliary: ReadonlySet<string>): string {
  const base = ipRange === undefined ? range.base : parseRange(ipRange).base;
  let address = base === range.base ? base + 1 : base;
  while (auxiliary.has(formatIpv4(address))) address++;
  return formatIpv4(address);
}

function requireWithin(range: Ipv4Range, address: string, what: string): void {
  const value = parseIpv4(address);
  if (!rangeContains(range, value) || value === range.base || value === lastOf(range)) {
    throw new SlipwayError(
      'InvalidArgument',
      `${what} ${address} is not a host address of subnet ${formatRange(range)}`,
    );
  }
}
