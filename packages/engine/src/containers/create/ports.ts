import type { ContainerConfig, HostConfig } from '@slipway/api/docker';
import { SlipwayError } from '@slipway/base';
import type { PortRequest } from '@slipway/network';

type Protocol = PortRequest['protocol'];

/** `80`, `80/udp` or `80-82/tcp`, every port of it. @throws InvalidArgument */
export function parsePorts(text: string): { port: number; protocol: Protocol }[] {
  const match = /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/i.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  if (match === null || first < 1 || last > 65535 || last < first) {
    throw new SlipwayError('InvalidArgument', `invalid port specification: "${text}"`);
  }
  const protocol = (match[3] ?? 'tcp').toLowerCase() as Protocol;
  return Array.from({ length: last - first + 1 }, (_, index) => ({ port: first + index, protocol }));
}

/** Ports to publish: those bound by hand, and with `PublishAllPorts` each exposed one on a port of the host's choice. */
export function portRequests(config: ContainerConfig, host: HostConfig): PortRequest[] {
  const requests: PortRequest[] = [];
  const bound = new Set<string>();
  for (const [key, bindings] of Object.entries(host.PortBindings ?? {})) {
    for (const { port, protocol } of parsePorts(key)) {
      bound.add(`${port}/${protocol}`);
      for (const binding of bindings?.length ? bindings : [{ HostIp: '', HostPort: '' }]) {
        requests.push({
          protocol,
          containerPort: port,
          hostIp: binding.HostIp ?? '',
          hostPort: parseHostPort(binding.HostPort ?? ''),
        });
      }
    }
  }
  if (host.PublishAllPorts) {
    for (const { port, protocol } of (config.ExposedPorts ?? []).flatMap(parsePorts)) {
      if (bound.has(`${port}/${protocol}`)) continue;
      requests.push({ protocol, containerPort: port, hostIp: '', hostPort: { first: 0, last: 0 } });
    }
  }
  return requests;
}

function parseHostPort(text: string): { first: number; last: number } {
  if (text === '') return { first: 0, last: 0 };
  const match = /^(\d+)(?:-(\d+))?$/.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  if (match === null || first > 65535 || last > 65535 || last < first) {
    throw new SlipwayError('InvalidArgument', `invalid port specification: "${text}"`);
  }
  return { first, last };
}
