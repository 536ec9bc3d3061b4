import type { CreateNetworkBody } from '@slipway/api/docker';
import { SlipwayError } from '@slipway/base';
import type { BridgeRequest } from '@slipway/network';

type BridgeOptions = Omit<BridgeRequest, 'id' | 'name' | 'resolvesNames'>;

/** What a create request asks of its bridge. Options of drivers that are not ours are kept and mean nothing, as with Docker. */
export function bridgeOptions(body: CreateNetworkBody): BridgeOptions {
  const options = body.Options ?? {};
  return {
    bridgeName: options['com.docker.network.bridge.name'] || undefined,
    subnets: (body.IPAM?.Config ?? [])
      .filter(({ Subnet }) => !Subnet?.includes(':'))
      .map((config) => {
        if (!config.Subnet && (config.Gateway || config.IPRange)) {
          throw new SlipwayError('InvalidArgument', 'a gateway or an IP range needs a subnet: add --subnet');
        }
        return {
          subnet: config.Subnet || undefined,
          gateway: config.Gateway || undefined,
          ipRange: config.IPRange || undefined,
          auxiliaryAddresses: config.AuxiliaryAddresses,
        };
      }),
    internal: body.Internal ?? false,
    interContainer: booleanOption(options, 'com.docker.network.bridge.enable_icc'),
    masquerade: booleanOption(options, 'com.docker.network.bridge.enable_ip_masquerade'),
    hostBindingIp: options['com.docker.network.bridge.host_binding_ipv4'] || undefined,
    mtu: mtuOption(options['com.docker.network.driver.mtu']),
  };
}

function booleanOption(options: Readonly<Record<string, string>>, name: string): boolean | undefined {
  const value = options[name];
  if (value === undefined || value === '') return undefined;
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(value)) return true;
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(value)) return false;
  throw new SlipwayError(
    'InvalidArgument',
    `invalid value for ${name}: "${value}" is neither true nor false`,
  );
}

function mtuOption(value: string | undefined): number | undefined {
  if (value === undefined || value === '' || value === '0') return undefined;
  const mtu = Number(value);
  if (/^\d+$/.test(value) && mtu >= 68 && mtu <= 65_535) return mtu;
  throw new SlipwayError(
    'InvalidArgument',
    `invalid value for com.docker.network.driver.mtu: "${value}" is not within 68 and 65535`,
  );
}
