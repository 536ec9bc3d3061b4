import {
  type Filters,
  fitsLabels,
  type IpamConfigBody,
  type NetworkBody,
  parseFilterFlag,
  parseFilterTimeMs,
} from '@slipway/api/docker';
import { formatTimeNs, SlipwayError } from '@slipway/base';
import { isPredefined, type Network } from './network.ts';
import type { NetworkService } from './service.ts';

/** A network as Docker shows it; a list leaves the containers out. */
export function toNetworkBody(
  service: NetworkService,
  network: Network,
  { withContainers }: { readonly withContainers: boolean },
): NetworkBody {
  const members = withContainers ? service.members(network.id) : [];
  return {
    Name: network.name,
    Id: network.id,
    Created: formatTimeNs(network.createdAtNs),
    Scope: 'local',
    Driver: network.driver,
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: { Driver: network.ipamDriver, Options: network.ipamOptions ?? null, Config: ipamConfig(network) },
    Internal: network.bridge?.internal ?? false,
    Attachable: network.attachable,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: Object.fromEntries(
      members.map(({ containerId, name, endpoint }) => [
        containerId,
        {
          Name: name.replace(/^\//, ''),
          EndpointID: endpoint.endpointId,
          MacAddress: endpoint.macAddress,
          IPv4Address: `${endpoint.ipv4}/${endpoint.prefixLength}`,
          IPv6Address: '',
        },
      ]),
    ),
    Options: network.options,
    Labels: network.labels,
  };
}

function ipamConfig({ bridge }: Network): IpamConfigBody[] | null {
  if (bridge === undefined) return null;
  return bridge.subnets.map(({ subnet, gateway, ipRange, auxiliaryAddresses }) => ({
    Subnet: subnet,
    ...(ipRange === undefined ? {} : { IPRange: ipRange }),
    Gateway: gateway,
    ...(Object.keys(auxiliaryAddresses).length === 0 ? {} : { AuxiliaryAddresses: auxiliaryAddresses }),
  }));
}

/** Whether a network passes Docker's filters. @throws InvalidArgument for a value that means nothing. */
export function networkFilter(service: NetworkService, filters: Filters): (network: Network) => boolean {
  const untilMs = filters.get('until')?.map((value) => parseFilterTimeMs(value, service.nowMs()));
  const any = (key: string, fits: (value: string) => boolean) => filters.get(key)?.some(fits) ?? true;
  const types = filters.get('type')?.map(requireType);
  const dangling = filters.get('dangling')?.map((value) => parseFilterFlag('dangling', value));
  return (network) => {
    return (
      any('name', (value) => network.name.includes(value)) &&
      any('id', (value) => network.id.startsWith(value)) &&
      any('driver', (value) => network.driver === value) &&
      any('scope', (value) => value === 'local') &&
      (untilMs?.every((time) => Number(network.createdAtNs / 1_000_000n) < time) ?? true) &&
      fitsLabels(network.labels, filters) &&
      (types?.includes(isPredefined(network) ? 'builtin' : 'custom') ?? true) &&
      (dangling?.includes(!isPredefined(network) && service.members(network.id).length === 0) ?? true)
    );
  };
}

function requireType(value: string): string {
  if (value === 'builtin' || value === 'custom') return value;
  throw new SlipwayError('InvalidArgument', `invalid filter: 'type'='${value}'`);
}
