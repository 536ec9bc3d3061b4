import type { EndpointSettings } from '@slipway/api/docker';
import type { Endpoint, PublishedPort } from '@slipway/network';
import type { Container, MountPoint } from '../container.ts';
import type { ContainerContext } from '../context.ts';
import { parsePorts } from '../create/ports.ts';

/** Pieces of docker's JSON that both `list` and `inspect` show. */

/** One entry of `Mounts`. */
export function mountToWire(
  mount: MountPoint,
  volumeMountpoint: (name: string) => string,
): Record<string, unknown> {
  return {
    Type: mount.type,
    ...(mount.name === '' ? {} : { Name: mount.name }),
    Source: mount.type === 'volume' ? volumeMountpoint(mount.name) : mount.source,
    Destination: mount.destination,
    ...(mount.type === 'volume' ? { Driver: mount.driver } : {}),
    Mode: mount.mode,
    RW: mount.readWrite,
    Propagation: mount.propagation,
  };
}

/** `NetworkSettings.Networks`: each network asked for, with its addresses while the container runs. */
export function networksToWire(context: ContainerContext, container: Container): Record<string, unknown> {
  const { definition, sandbox } = container;
  const mode = definition.hostConfig.NetworkMode ?? '';
  const wire: Record<string, unknown> = {};
  if (mode === 'host' || mode === 'none') {
    const networkId = context.networks.find(mode)?.id ?? '';
    wire[mode] = endpointToWire(networkId, undefined, {}, []);
  }
  for (const [name, settings] of definition.networks) {
    const network = context.networks.find(name);
    const endpoint = sandbox?.endpoints.find(({ networkId }) => networkId === network?.id);
    wire[network?.name ?? name] = endpointToWire(network?.id ?? '', endpoint, settings, [
      definition.name,
      definition.id.slice(0, 12),
      ...(settings.Aliases ?? []),
    ]);
  }
  return wire;
}

function endpointToWire(
  networkId: string,
  endpoint: Endpoint | undefined,
  settings: EndpointSettings,
  dnsNames: readonly string[],
): Record<string, unknown> {
  return {
    IPAMConfig: settings.IPAMConfig ?? null,
    Links: settings.Links ?? null,
    Aliases: settings.Aliases ?? null,
    MacAddress: endpoint?.macAddress ?? settings.MacAddress ?? '',
    DriverOpts: settings.DriverOpts ?? null,
    GwPriority: settings.GwPriority ?? 0,
    NetworkID: networkId,
    EndpointID: endpoint?.endpointId ?? '',
    Gateway: endpoint?.gateway ?? '',
    IPAddress: endpoint?.ipv4 ?? '',
    IPPrefixLen: endpoint?.prefixLength ?? 0,
    IPv6Gateway: '',
    GlobalIPv6Address: '',
    GlobalIPv6PrefixLen: 0,
    DNSNames: endpoint === undefined || dnsNames.length === 0 ? null : [...new Set(dnsNames)],
  };
}

/** `Ports` of the list: published ones with their host side, then those only exposed. */
export function portsToWire(container: Container): Record<string, unknown>[] {
  const published = container.sandbox?.ports ?? [];
  const wire: Record<string, unknown>[] = published.map(({ hostIp, hostPort, containerPort, protocol }) => ({
    IP: hostIp,
    PrivatePort: containerPort,
    PublicPort: hostPort,
    Type: protocol,
  }));
  for (const { port, protocol } of (container.definition.config.ExposedPorts ?? []).flatMap(parsePorts)) {
    if (!published.some((one) => one.containerPort === port && one.protocol === protocol)) {
      wire.push({ PrivatePort: port, Type: protocol });
    }
  }
  return container.task === undefined ? [] : wire;
}

/** `NetworkSettings.Ports`: `{"80/tcp": [{HostIp, HostPort}] | null}`. */
export function portMapToWire(container: Container): Record<string, unknown> {
  if (container.task === undefined) return {};
  const byPort = new Map<string, PublishedPort[]>();
  for (const key of container.definition.config.ExposedPorts ?? []) {
    for (const { port, protocol } of parsePorts(key)) byPort.set(`${port}/${protocol}`, []);
  }
  for (const port of container.sandbox?.ports ?? []) {
    const key = `${port.containerPort}/${port.protocol}`;
    byPort.set(key, [...(byPort.get(key) ?? []), port]);
  }
  return Object.fromEntries(
    [...byPort].map(([key, ports]) => [
      key,
      ports.length === 0
        ? null
        : ports.map(({ hostIp, hostPort }) => ({ HostIp: hostIp, HostPort: String(hostPort) })),
    ]),
  );
}

/** A set of names as docker writes it: `{"80/tcp": {}}`, or null when there are none. */
export function keySet(keys: readonly string[] | undefined): Record<string, object> | null {
  return keys === undefined || keys.length === 0 ? null : Object.fromEntries(keys.map((key) => [key, {}]));
}
