import { BlockList, isIP } from 'node:net';
import { SlipwayError } from '@slipway/base/errors';
import { parseMap } from '../run/values.ts';

export interface AddressFlags {
  readonly subnet: readonly string[];
  readonly gateway: readonly string[];
  readonly 'ip-range': readonly string[];
  readonly 'aux-address': readonly string[];
}

export interface SubnetConfig {
  readonly Subnet: string;
  IPRange?: string;
  Gateway?: string;
  AuxiliaryAddresses?: Record<string, string>;
}

/**
 * The subnets of a network. Gateways, ranges and taken addresses belong to the subnet that they lie in, in whatever
 * order they were given.
 * @throws InvalidArgument for one that lies in none, or for a second gateway or range of one.
 */
export function parseSubnets(flags: AddressFlags): SubnetConfig[] {
  const subnets = flags.subnet.map((Subnet) => ({
    config: { Subnet } as SubnetConfig,
    contains: within(Subnet),
  }));
  const subnetOf = (address: string, what: string): SubnetConfig => {
    const subnet = subnets.find(({ contains }) => contains(address));
    if (subnet === undefined)
      throw invalid(`no matching subnet for ${what} ${address}: give it with --subnet`);
    return subnet.config;
  };
  for (const range of flags['ip-range']) {
    const config = subnetOf(splitPrefix(range).address, 'range');
    if (config.IPRange !== undefined) throw invalid(`cannot configure multiple ranges on ${config.Subnet}`);
    config.IPRange = range;
  }
  for (const gateway of flags.gateway) {
    const config = subnetOf(gateway, 'gateway');
    if (config.Gateway !== undefined) throw invalid(`cannot configure multiple gateways on ${config.Subnet}`);
    config.Gateway = gateway;
  }
  for (const [name, address] of Object.entries(parseMap(flags['aux-address']))) {
    const config = subnetOf(address, 'aux-address');
    config.AuxiliaryAddresses = { ...config.AuxiliaryAddresses, [name]: address };
  }
  return subnets.map(({ config }) => config);
}

function within(subnet: string): (address: string) => boolean {
  const { address, bits } = splitPrefix(subnet);
  const family = familyOf(address);
  const width = family === 'ipv4' ? 32 : 128;
  if (family === undefined || !Number.isInteger(bits) || bits < 0 || bits > width) {
    throw invalid(`invalid subnet "${subnet}": expected for example 10.9.0.0/16`);
  }
  const block = new BlockList();
  block.addSubnet(address, bits, family);
  return (candidate) => familyOf(candidate) === family && block.check(candidate, family);
}

function splitPrefix(text: string): { readonly address: string; readonly bits: number } {
  const slash = text.indexOf('/');
  const digits = slash === -1 ? '' : text.slice(slash + 1);
  return {
    address: slash === -1 ? text : text.slice(0, slash),
    bits: /^\d{1,3}$/.test(digits) ? Number(digits) : Number.NaN,
  };
}

const familyOf = (address: string): 'ipv4' | 'ipv6' | undefined =>
  isIP(address) === 4 ? 'ipv4' : isIP(address) === 6 ? 'ipv6' : undefined;

const invalid = (message: string): SlipwayError => new SlipwayError('InvalidArgument', message);
