/** Encodes netlink messages and decodes what the kernel answers; pure. @see rtnetlink(7), netlink(7) */

export const RTM = {
  newLink: 16,
  delLink: 17,
  getLink: 18,
  newAddress: 20,
  newRoute: 24,
  delRoute: 25,
} as const;
const FLAG = { request: 1, ack: 4, replace: 0x100, exclusive: 0x200, create: 0x400, dump: 0x300 } as const;
const IFF_UP = 1;
const NLA_F_NESTED = 0x8000;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;

export type Attribute = Buffer;

export function attribute(type: number, value: Buffer | string | number): Attribute {
  const data =
    typeof value === 'number' ? u32(value) : typeof value === 'string' ? Buffer.from(`${value}\0`) : value;
  const padded = Buffer.alloc(align(4 + data.length));
  padded.writeUInt16LE(4 + data.length, 0);
  padded.writeUInt16LE(type, 2);
  data.copy(padded, 4);
  return padded;
}

const nested = (type: number, ...attributes: Attribute[]): Attribute =>
  attribute(type | NLA_F_NESTED, Buffer.concat(attributes));

const byte = (value: number): Buffer => Buffer.from([value]);
const mac = (text: string): Buffer => Buffer.from(text.replaceAll(':', ''), 'hex');
const ipv4 = (text: string): Buffer => Buffer.from(text.split('.').map(Number));

function message(type: number, flags: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const header = Buffer.alloc(16);
  header.writeUInt32LE(16 + body.length, 0);
  header.writeUInt16LE(type, 4);
  header.writeUInt16LE(FLAG.request | flags, 6);
  return Buffer.concat([header, body]);
}

function linkHeader(options: { index?: number; up?: boolean } = {}): Buffer {
  const header = Buffer.alloc(16);
  header.writeInt32LE(options.index ?? 0, 4);
  if (options.up === true) {
    header.writeUInt32LE(IFF_UP, 8);
    header.writeUInt32LE(IFF_UP, 12);
  }
  return header;
}

const IFLA = {
  address: 1,
  name: 3,
  mtu: 4,
  master: 10,
  linkInfo: 18,
  stats64: 23,
  netnsFd: 28,
  ext: 29,
} as const;
const INFO = { kind: 1, data: 2, slaveKind: 4, slaveData: 5 } as const;
const BRIDGE_PORT = { hairpin: 4, isolated: 33 } as const;
const VETH_PEER = 1;

/** The protocol of netfilter's messages. */
export const NETLINK_NETFILTER = 12;
const NFT_MSG_GETTABLE = (10 << 8) | 1;
const NFPROTO_IPV4 = 2;
const NFTA_TABLE_NAME = 1;

/** Asks for an nftables table of IPv4; ENOENT when there is none. */
export const getTable = (name: string): Buffer =>
  message(NFT_MSG_GETTABLE, FLAG.ack, Buffer.from([NFPROTO_IPV4, 0, 0, 0]), attribute(NFTA_TABLE_NAME, name));

export interface BridgeLink {
  readonly name: string;
  readonly macAddress: string;
  readonly mtu: number;
}

export const addBridge = ({ name, macAddress, mtu }: BridgeLink): Buffer =>
  message(
    RTM.newLink,
    FLAG.ack | FLAG.create | FLAG.exclusive,
    linkHeader({ up: true }),
    attribute(IFLA.name, name),
    attribute(IFLA.mtu, mtu),
    attribute(IFLA.address, mac(macAddress)),
    nested(IFLA.linkInfo, attribute(INFO.kind, 'bridge')),
  );

export interface VethLink {
  readonly index: number;
  readonly name: string;
  readonly macAddress: string;
  readonly mtu: number;
  readonly hostName: string;
}

/** A veth in the socket's namespace, up, whose other end appears, down, in the namespace of `hostNetnsFd`. */
export const addVeth = ({ index, name, macAddress, mtu, hostName }: VethLink, hostNetnsFd: number): Buffer =>
  message(
    RTM.newLink,
    FLAG.ack | FLAG.create | FLAG.exclusive,
    linkHeader({ index, up: true }),
    attribute(IFLA.name, name),
    attribute(IFLA.mtu, mtu),
    attribute(IFLA.address, mac(macAddress)),
    nested(
      IFLA.linkInfo,
      attribute(INFO.kind, 'veth'),
      nested(
        INFO.data,
        nested(
          VETH_PEER,
          linkHeader(),
          attribute(IFLA.name, hostName),
          attribute(IFLA.mtu, mtu),
          attribute(IFLA.netnsFd, hostNetnsFd),
        ),
      ),
    ),
  );

/** Makes a link a port of a bridge. An isolated port speaks with no other isolated port. */
export const joinBridge = (name: string, bridgeIndex: number, options: { isolated: boolean }): Buffer[] => [
  message(
    RTM.newLink,
    FLAG.ack,
    linkHeader({ up: true }),
    attribute(IFLA.name, name),
    attribute(IFLA.master, bridgeIndex),
  ),
  message(
    RTM.newLink,
    FLAG.ack,
    linkHeader(),
    attribute(IFLA.name, name),
    nested(
      IFLA.linkInfo,
      attribute(INFO.slaveKind, 'bridge'),
      nested(
        INFO.slaveData,
        attribute(BRIDGE_PORT.hairpin, byte(1)),
        attribute(BRIDGE_PORT.isolated, byte(options.isolated ? 1 : 0)),
      ),
    ),
  ),
];

export const setUp = (index: number): Buffer =>
  message(RTM.newLink, FLAG.ack, linkHeader({ index, up: true }));

export const deleteLink = (name: string): Buffer =>
  message(RTM.delLink, FLAG.ack, linkHeader(), attribute(IFLA.name, name));

export function addAddress(index: number, address: string, prefixLength: number): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(2, 0);
  header.writeUInt8(prefixLength, 1);
  header.writeUInt32LE(index, 4);
  const broadcast = (ipv4(address).readUInt32BE() | (2 ** (32 - prefixLength) - 1)) >>> 0;
  const broadcastBytes = Buffer.alloc(4);
  broadcastBytes.writeUInt32BE(broadcast);
  return message(
    RTM.newAddress,
    FLAG.ack | FLAG.create | FLAG.replace,
    header,
    attribute(2, ipv4(address)),
    attribute(1, ipv4(address)),
    ...(prefixLength < 31 ? [attribute(4, broadcastBytes)] : []),
  );
}

const routeHeader = (): Buffer => Buffer.from([2, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0]);

export const setDefaultRoute = (gateway: string): Buffer =>
  message(RTM.newRoute, FLAG.ack | FLAG.create | FLAG.replace, routeHeader(), attribute(5, ipv4(gateway)));

export const deleteDefaultRoute = (): Buffer => message(RTM.delRoute, FLAG.ack, routeHeader());

/** Asks for every link with its counters. */
export const dumpLinks = (): Buffer => message(RTM.getLink, FLAG.dump, linkHeader());

export interface LinkRecord {
  readonly index: number;
  readonly name: string;
  readonly kind: string | undefined;
  readonly up: boolean;
  readonly macAddress: string;
  /** The first eight fields of `rtnl_link_stats64`. */
  readonly stats: readonly number[];
}

export interface Answers {
  /** One errno (0: done) for each request that asked for an acknowledgement. */
  readonly acks: readonly number[];
  readonly links: readonly LinkRecord[];
  readonly done: boolean;
}

/** What one datagram from the kernel says. */
export function decode(datagram: Buffer): Answers {
  const acks: number[] = [];
  const links: LinkRecord[] = [];
  let done = false;
  for (let offset = 0; offset + 16 <= datagram.length; ) {
    const length = datagram.readUInt32LE(offset);
    if (length < 16) break;
    const type = datagram.readUInt16LE(offset + 4);
    if (type === NLMSG_ERROR) acks.push(-datagram.readInt32LE(offset + 16));
    else if (type === NLMSG_DONE) done = true;
    else if (type === RTM.newLink) links.push(decodeLink(datagram.subarray(offset + 16, offset + length)));
    offset += align(length);
  }
  return { acks, links, done };
}

function decodeLink(body: Buffer): LinkRecord {
  const attributes = decodeAttributes(body.subarray(16));
  const info = attributes.get(IFLA.linkInfo);
  const kind = info === undefined ? undefined : decodeAttributes(info).get(INFO.kind);
  const stats = attributes.get(IFLA.stats64);
  return {
    index: body.readInt32LE(4),
    name: text(attributes.get(IFLA.name)),
    kind: kind === undefined ? undefined : text(kind),
    up: (body.readUInt32LE(8) & IFF_UP) !== 0,
    macAddress: (attributes.get(IFLA.address)?.toString('hex') ?? '').replace(/(..)(?=.)/g, '$1:'),
    stats: Array.from({ length: 8 }, (_, i) =>
      stats === undefined ? 0 : Number(stats.readBigUInt64LE(i * 8)),
    ),
  };
}

function decodeAttributes(bytes: Buffer): Map<number, Buffer> {
  const attributes = new Map<number, Buffer>();
  for (let offset = 0; offset + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(offset);
    if (length < 4) break;
    attributes.set(bytes.readUInt16LE(offset + 2) & 0x3fff, bytes.subarray(offset + 4, offset + length));
    offset += align(length);
  }
  return attributes;
}

const text = (bytes: Buffer | undefined): string => bytes?.toString('utf8').replace(/\0.*$/s, '') ?? '';
const align = (length: number): number => (length + 3) & ~3;

function u32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}
