import { SlipwayError } from '@slipway/base';

/** An EXPOSE word in its parts: `127.0.0.1:80:8000-8001/udp`. */
export interface PortSpec {
  /** An address or a port of the host, which mean nothing in an image. */
  readonly host: string | undefined;
  readonly first: number;
  readonly last: number;
  /** As it is written; '' for none. */
  readonly protocol: string;
}

/** @throws InvalidArgument for what is no port, range of ports or protocol */
export function parsePortSpec(text: string): PortSpec {
  const colon = text.lastIndexOf(':');
  const [ports = '', protocol = ''] = text.slice(colon + 1).split('/', 2);
  const invalid = (why: string) =>
    new SlipwayError('InvalidArgument', `invalid port: "${text}": ${why}`, { reason: 'DOCKERFILE' });
  if (ports === '') throw invalid('no port specified');
  if (!['', 'tcp', 'udp', 'sctp'].includes(protocol.toLowerCase())) {
    throw invalid(`invalid proto: ${protocol.toLowerCase()} (use tcp, udp or sctp)`);
  }
  const [, low, high = low] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(ports) ?? [];
  const [first, last] = [Number(low), Number(high)];
  if (low === undefined || first > 65535 || last > 65535 || last < first) {
    throw new SlipwayError('InvalidArgument', `invalid containerPort: ${ports}`, { reason: 'DOCKERFILE' });
  }
  return { host: colon < 0 ? undefined : text.slice(0, colon), first, last, protocol };
}

/** `80/tcp` for each port of the word. @throws InvalidArgument as `parsePortSpec` does */
export function exposedPorts(text: string): string[] {
  const { first, last, protocol } = parsePortSpec(text);
  return Array.from(
    { length: last - first + 1 },
    (_, index) => `${first + index}/${protocol.toLowerCase() || 'tcp'}`,
  );
}
