import { SlipwayError } from '@slipway/base/errors';

export interface PortMaps {
  readonly ExposedPorts: Record<string, Record<string, never>>;
  readonly PortBindings: Record<string, { HostIp: string; HostPort: string }[]>;
}

/**
 * `-p` and `--expose` as the API takes them: `[[IP:][HOST]:]CONTAINER[/PROTOCOL]`, each port may be a range.
 * @throws InvalidArgument naming the value.
 */
export function parsePorts(publish: readonly string[], expose: readonly string[]): PortMaps {
  const maps: PortMaps = { ExposedPorts: {}, PortBindings: {} };
  for (const value of expose) {
    const { ports, protocol } = splitProtocol(value, value);
    for (const port of range(ports, value)) maps.ExposedPorts[`${port}/${protocol}`] = {};
  }
  for (const value of publish) addPublished(value.includes('=') ? longForm(value) : value, maps);
  return maps;
}

function addPublished(value: string, maps: PortMaps): void {
  const { ports, protocol } = splitProtocol(value, value);
  const { ip, host, container } = splitAddress(ports, value);
  const inside = range(container, value);
  const outside = host === '' ? [] : range(host, value);
  // One container port and a range of host ports: the daemon picks one of them.
  const picks = inside.length === 1 && outside.length > 1;
  if (outside.length > 0 && !picks && outside.length !== inside.length) {
    throw invalid(value, 'the ranges differ in length');
  }
  inside.forEach((port, index) => {
    const key = `${port}/${protocol}`;
    maps.ExposedPorts[key] = {};
    const HostPort = picks ? host : (outside[index]?.toString() ?? '');
    const bindings = maps.PortBindings[key] ?? [];
    bindings.push({ HostIp: ip, HostPort });
    maps.PortBindings[key] = bindings;
  });
}

function splitProtocol(ports: string, value: string): { ports: string; protocol: string } {
  const slash = ports.lastIndexOf('/');
  if (slash === -1) return { ports, protocol: 'tcp' };
  const protocol = ports.slice(slash + 1).toLowerCase();
  if (!['tcp', 'udp', 'sctp'].includes(protocol)) throw invalid(value, `unknown protocol "${protocol}"`);
  return { ports: ports.slice(0, slash), protocol };
}

/** The container's port last; before it the host's; before both an address, in brackets when it is IPv6. */
function splitAddress(ports: string, value: string): { ip: string; host: string; container: string } {
  const parts = /^(?:(\[[^\]]*\]|[^:[\]]*):)?(?:([\d-]*):)?([\d-]+)$/.exec(ports);
  if (parts === null) throw invalid(value, 'expected [[IP:][HOST-PORT]:]CONTAINER-PORT[/PROTOCOL]');
  const [, first = '', second, container = ''] = parts;
  if (second === undefined) return { ip: '', host: first, container };
  return { ip: first.replace(/^\[|\]$/g, ''), host: second, container };
}

function range(text: string, value: string): number[] {
  const bounds = /^(\d+)(?:-(\d+))?$/.exec(text);
  const from = Number(bounds?.[1]);
  const to = Number(bounds?.[2] ?? bounds?.[1]);
  if (bounds === null || from > to || from < 1 || to > 65_535) {
    throw invalid(value, `"${text}" is neither a port nor a range of ports from 1 to 65535`);
  }
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/** `published=8080,target=80,protocol=tcp` in the short form. */
function longForm(value: string): string {
  const fields = new Map(value.split(',').map((field) => [field.split('=')[0], field.split('=')[1] ?? '']));
  const target = fields.get('target');
  if (target === undefined) throw invalid(value, 'there is no target=');
  return `${fields.get('published') ?? ''}:${target}/${fields.get('protocol') || 'tcp'}`.replace(/^:/, '');
}

const invalid = (value: string, why: string): SlipwayError =>
  new SlipwayError('InvalidArgument', `invalid port "${value}": ${why}`);
