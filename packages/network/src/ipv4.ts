import { SlipwayError } from '@slipway/base';

/** An IPv4 range: `base` is the network address as an unsigned 32-bit number. */
export interface Ipv4Range {
  readonly base: number;
  readonly prefixLength: number;
}

/** The address as an unsigned 32-bit number. @throws InvalidArgument naming the text. */
export function parseIpv4(text: string): number {
  const address = findIpv4(text);
  if (address === undefined) throw new SlipwayError('InvalidArgument', `invalid IPv4 address: "${text}"`);
  return address;
}

/** As `parseIpv4`, undefined for anything else. */
export function findIpv4(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  let address = 0;
  for (const part of match.slice(1)) {
    const byte = Number(part);
    if (byte > 255) return undefined;
    address = address * 256 + byte;
  }
  return address;
}

export const formatIpv4 = (address: number): string =>
  `${(address >>> 24) & 255}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;

/** `10.0.0.0/24`; host bits are cleared. @throws InvalidArgument naming the text. */
export function parseRange(text: string): Ipv4Range {
  const [address, length, ...rest] = text.split('/');
  const prefixLength = Number(length);
  const base = findIpv4(address ?? '');
  if (base === undefined || rest.length > 0 || !/^\d{1,2}$/.test(length ?? '') || prefixLength > 32) {
    throw new SlipwayError('InvalidArgument', `invalid CIDR address: ${text}`);
  }
  return { base: (base & maskOf(prefixLength)) >>> 0, prefixLength };
}

export const formatRange = (range: Ipv4Range): string => `${formatIpv4(range.base)}/${range.prefixLength}`;

/** The last address of the range (its broadcast address). */
export const lastOf = (range: Ipv4Range): number => range.base + 2 ** (32 - range.prefixLength) - 1;

export const rangeContains = (range: Ipv4Range, address: number): boolean =>
  address >= range.base && address <= lastOf(range);

export const rangesOverlap = (a: Ipv4Range, b: Ipv4Range): boolean =>
  a.base <= lastOf(b) && b.base <= lastOf(a);

/** The MAC address that Docker gives to an interface with this address: `02:42` and the four bytes. */
export const macOf = (address: number): string =>
  [0x02, 0x42, address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join(':');

const maskOf = (prefixLength: number): number => (prefixLength === 0 ? 0 : (-1 << (32 - prefixLength)) >>> 0);
