import { readFileSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerConfig, EndpointSettings, HostConfig } from '@slipway/api/docker';
import { type HostPath, SlipwayError, shortId } from '@slipway/base';
import { type EndpointRequest, formatHosts, formatResolvConf, type NetworkSandbox } from '@slipway/network';
import type { NamespaceMode, SpecMount } from '@slipway/runtime';
import type { Container } from '../container.ts';
import type { ContainerContext } from '../context.ts';
import { portRequests } from '../create/ports.ts';
import { isRunning } from '../state.ts';

/** The endpoints that a request asks for, the network mode's first. Whether they exist is asked at start, as docker does. */
export function resolveNetworks(
  context: ContainerContext,
  host: HostConfig,
  config: ContainerConfig,
  endpoints: Readonly<Record<string, EndpointSettings | undefined>>,
): Map<string, EndpointSettings> {
  const mode = host.NetworkMode ?? 'bridge';
  const networks = new Map<string, EndpointSettings>();
  if (mode === 'host' || mode === 'none' || mode.startsWith('container:')) return networks;
  const canonical = (name: string) =>
    context.networks.find(name === 'default' ? 'bridge' : name)?.name ?? name;
  networks.set(canonical(mode), {});
  for (const [name, settings] of Object.entries(endpoints)) networks.set(canonical(name), settings ?? {});
  const first = networks.get(canonical(mode)) ?? {};
  if (config.MacAddress && !first.MacAddress) {
    networks.set(canonical(mode), { ...first, MacAddress: config.MacAddress });
  }
  return networks;
}

/** The network of one run: a namespace of its own (`sandbox`), another container's, or the host's. */
export interface ContainerNetwork {
  readonly namespace: NamespaceMode;
  readonly sandbox: NetworkSandbox | undefined;
}

/** @throws NotFound for an unknown network; Conflict for a taken port, or when the container to join does not run. */
export async function openNetwork(
  context: ContainerContext,
  container: Container,
): Promise<ContainerNetwork> {
  const { definition } = container;
  const mode = definition.hostConfig.NetworkMode ?? 'bridge';
  if (mode === 'host') return { namespace: { kind: 'host' }, sandbox: undefined };
  if (mode.startsWith('container:')) {
    const other = joined(context, mode, 'network');
    return { namespace: { kind: 'path', path: `/proc/${other.task.pid}/ns/net` }, sandbox: undefined };
  }
  const endpoints: EndpointRequest[] = [];
  for (const [name, settings] of definition.networks) {
    endpoints.push(endpointRequest(context, container, name, settings));
  }
  const sandbox = await context.networking.createSandbox({
    containerId: definition.id,
    containerName: definition.name,
    endpoints,
    ports: mode === 'none' ? [] : portRequests(definition.config, definition.hostConfig),
  });
  for (const endpoint of sandbox.endpoints) {
    context.networks.attach(endpoint.networkId, {
      containerId: definition.id,
      name: definition.name,
      endpoint,
    });
  }
  const network: ContainerNetwork = { namespace: { kind: 'path', path: sandbox.netnsPath }, sandbox };
  try {
    await container.additions?.onNetwork(sandbox.netnsPath);
    return network;
  } catch (error) {
    await closeNetwork(context, container, sandbox);
    throw error;
  }
}

/** Gives the namespace, addresses, ports and names of a run back. Idempotent. */
export async function closeNetwork(
  context: ContainerContext,
  container: Container,
  sandbox: NetworkSandbox | undefined,
): Promise<void> {
  if (sandbox === undefined) return;
  for (const { networkId } of sandbox.endpoints) context.networks.detach(networkId, container.definition.id);
  await context.networking.removeSandbox(container.definition.id);
}

/** What to ask of a network for one container. @throws NotFound `network X not found` */
export function endpointRequest(
  context: ContainerContext,
  { definition }: Container,
  networkName: string,
  settings: EndpointSettings,
): EndpointRequest {
  const network = context.networks.get(networkName);
  const hostname = definition.config.Hostname;
  const names = [
    definition.name,
    shortId(definition.id),
    ...(settings.Aliases ?? []),
    ...(hostname ? [hostname] : []),
  ];
  return {
    networkId: network.id,
    ipv4: settings.IPAMConfig?.IPv4Address || undefined,
    macAddress: settings.MacAddress || undefined,
    names: [...new Set(names)],
    nameServers: definition.hostConfig.Dns?.length ? definition.hostConfig.Dns : context.config.dns,
  };
}

/** The running container that a `container:X` mode names. @throws NotFound, Conflict */
export function joined(
  context: ContainerContext,
  mode: string,
  what: string,
): Container & { task: NonNullable<Container['task']> } {
  const other = context.registry.get(mode.slice('container:'.length));
  if (!isRunning(other.state) || other.task === undefined) {
    throw new SlipwayError(
      'Conflict',
      `cannot join ${what} namespace of a non running container: ${other.definition.id}; start it first`,
    );
  }
  return other as Container & { task: NonNullable<Container['task']> };
}

const FILES = ['resolv.conf', 'hostname', 'hosts'] as const;

/** Where they are: with whom the container shares its network. @throws NotFound, Conflict when that one does not run */
function filesBundle(context: ContainerContext, { definition, bundle }: Container): HostPath {
  const mode = definition.hostConfig.NetworkMode ?? '';
  return mode.startsWith('container:') ? filesBundle(context, joined(context, mode, 'network')) : bundle;
}

/** The path of one of them; undefined while there is none. */
export function networkFile(
  context: ContainerContext,
  container: Container,
  name: (typeof FILES)[number],
): string | undefined {
  if (!isRunning(container.state)) return undefined;
  try {
    return join(filesBundle(context, container), name);
  } catch {
    // Whose files they are has ended before it.
    return undefined;
  }
}

/** Writes `/etc/hosts`, `hostname` and `resolv.conf` of one run; answers how to mount them. */
export async function writeNetworkFiles(
  context: ContainerContext,
  container: Container,
  sandbox: NetworkSandbox | undefined,
): Promise<SpecMount[]> {
  const { definition, bundle } = container;
  const source = filesBundle(context, container);
  if (source === bundle) {
    const contents: Record<(typeof FILES)[number], string> = {
      hostname: `${definition.config.Hostname || (await hostHostname())}\n`,
      hosts: await hostsFile(context, container, sandbox),
      'resolv.conf': resolvConf(context, container, sandbox),
    };
    for (const name of FILES) writeFileSync(join(bundle, name), contents[name], { mode: 0o644 });
  }
  const covered = new Set(definition.mounts.map((mount) => mount.destination));
  return FILES.filter((name) => !covered.has(`/etc/${name}`)).map((name) => ({
    destination: `/etc/${name}`,
    type: 'bind',
    source: join(source, name),
    options: ['rbind', 'rprivate', ...(definition.hostConfig.ReadonlyRootfs ? ['ro'] : [])],
  }));
}

const hostHostname = async () => (await readFile('/proc/sys/kernel/hostname', 'utf8')).trim();

async function hostsFile(
  context: ContainerContext,
  { definition }: Container,
  sandbox: NetworkSandbox | undefined,
): Promise<string> {
  const { hostConfig, config } = definition;
  const extraHosts = (hostConfig.ExtraHosts ?? []).map((entry) => {
    const [, name = '', address = ''] = /^([^:=]+)[:=](.+)$/.exec(entry) ?? [];
    return { name, address: address === 'host-gateway' ? hostGateway(context, sandbox) : address };
  });
  if (hostConfig.NetworkMode === 'host') {
    const own = await readFile('/etc/hosts', 'utf8');
    return own + extraHosts.map(({ name, address }) => `${address}\t${name}\n`).join('');
  }
  const fullName = [config.Hostname, config.Domainname].filter(Boolean).join('.');
  const names = [...new Set([fullName, config.Hostname ?? ''])].filter(Boolean);
  return formatHosts({
    entries: [
      ...extraHosts.map(({ name, address }) => ({ address, names: [name] })),
      ...(sandbox?.endpoints ?? []).map(({ ipv4 }) => ({ address: ipv4, names })),
    ],
  });
}

function hostGateway(context: ContainerContext, sandbox: NetworkSandbox | undefined): string {
  return context.networks.defaultGateway() ?? sandbox?.endpoints[0]?.gateway ?? '127.0.0.1';
}

/** A small file, read at once: less than its way through the thread pool. */
function hostResolvConf(): string {
  try {
    return readFileSync('/etc/resolv.conf', 'utf8');
  } catch {
    return '';
  }
}

function resolvConf(
  context: ContainerContext,
  { definition }: Container,
  sandbox: NetworkSandbox | undefined,
): string {
  const host = definition.hostConfig;
  const own = sandbox?.endpoints
    .map(({ networkId }) => context.networking.nameServer(networkId))
    .find((server) => server !== undefined);
  const pick = (asked: readonly string[] | undefined, fallback: readonly string[]) =>
    asked !== undefined && asked.length > 0 ? asked : fallback;
  const dns = pick(host.Dns, context.config.dns);
  return formatResolvConf({
    hostResolvConf: hostResolvConf(),
    keepLoopback: host.NetworkMode === 'host',
    nameServers: own === undefined ? dns : [own],
    search: pick(host.DnsSearch, context.config.dnsSearch),
    options: pick(host.DnsOptions, context.config.dnsOptions),
  });
}
