import { SlipwayError } from '@slipway/base';
import { BLOCK_BYTES, paddingOf, type SparseSegment, type TarEntry, type TarEntryType } from './entry.ts';
import { malformed, numberField, parseHeader, type RawHeader, sizeOf } from './header.ts';
import { type PaxRecords, parsePax, parsePaxNumber, parsePaxTime } from './pax.ts';
import { checkSparse, parseSparseList } from './sparse.ts';

/** What a parser calls, in the order of the archive. */
export interface TarSink {
  /** `bodyOffset` is where in the archive the entry's body begins, in bytes. */
  entry(entry: TarEntry, bodyOffset: number): void;
  /** A piece of the entry's body, which goes to `offset` of the file. Valid during the call only. */
  data(chunk: Buffer, offset: number): void;
  endEntry(): void;
}

/** Extended headers and long names larger than this are refused; Go's archive/tar has the same limit. */
const METADATA_MAX_BYTES = 1 << 20;
const GLOBAL_MAX_RECORDS = 100;
const SPARSE_MAP_MAX_BYTES = 8 << 20;

type State = 'header' | 'metadata' | 'gnu-sparse' | 'pax-sparse' | 'body' | 'skip' | 'end';

const TYPES: readonly (TarEntryType | undefined)[] = Object.assign(
  [],
  Object.fromEntries(
    Object.entries({
      '\0': 'file',
      '0': 'file',
      '7': 'file',
      S: 'file',
      '1': 'hardlink',
      '2': 'symlink',
      '3': 'character-device',
      '4': 'block-device',
      '5': 'directory',
      '6': 'fifo',
    } as const).map(([flag, type]) => [flag.charCodeAt(0), type]),
  ),
);

/**
 * Reads an archive that is pushed in pieces of any size: V7, ustar, PAX, GNU and star headers, all four sparse forms.
 * Synchronous, so that a thread that writes files runs at the speed of the disk.
 */
export class TarParser {
  readonly #sink: TarSink;
  #state: State = 'header';
  /** The block or metadata body being put together when it spans chunks. */
  #partial: Buffer[] = [];
  #partialBytes = 0;
  /** Bytes of the current metadata, body or padding still to come. */
  #leftBytes = 0;
  #zeroBlocks = 0;
  #metadataType = '';
  #metadataBytes = 0;
  #global: PaxRecords = [];
  #local: PaxRecords = [];
  #longName: Buffer | undefined;
  #longLink: Buffer | undefined;
  #header: RawHeader | undefined;
  #records: ReadonlyMap<string, Buffer> = new Map();
  #sparse: SparseSegment[] = [];
  #partialMap: Buffer[] = [];
  #mapLines = 0;
  #mapLinesWanted = 0;
  #realSizeBytes = 0;
  #storedBytes = 0;
  /** The body's position: segment and offset within, or the plain offset. */
  #segments: readonly SparseSegment[] | undefined;
  #segmentIndex = 0;
  #offset = 0;
  /** Of the entry at work, for messages. */
  #name: Buffer | undefined;
  /** Bytes of the archive up to the chunk at work, and up to the end of the block at work. */
  #pushedBytes = 0;
  #blockEnd = 0;

  constructor(sink: TarSink) {
    this.#sink = sink;
  }

  /** @throws InvalidArgument for what is not a tar */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      switch (this.#state) {
        case 'body': {
          const length = Math.min(this.#leftBytes, chunk.length - at);
          this.#emitData(chunk.subarray(at, at + length));
          at += length;
          this.#leftBytes -= length;
          if (this.#leftBytes === 0) this.#endBody();
          break;
        }
        case 'skip': {
          const length = Math.min(this.#leftBytes, chunk.length - at);
          at += length;
          this.#leftBytes -= length;
          if (this.#leftBytes === 0) this.#nextHeader();
          break;
        }
        case 'end':
          return;
        default: {
          const isMetadata = this.#state === 'metadata';
          const wanted = isMetadata ? this.#leftBytes : BLOCK_BYTES;
          const length = Math.min(wanted - this.#partialBytes, chunk.length - at);
          const whole = this.#gather(chunk.subarray(at, at + length), wanted);
          at += length;
          if (whole === undefined) break;
          this.#blockEnd = this.#pushedBytes + at;
          if (isMetadata) this.#takeMetadata(whole);
          else this.#takeBlock(whole);
        }
      }
    }
    this.#pushedBytes += chunk.length;
  }

  /** Whether the archive has said that it ends: what follows means nothing. */
  get hasEnded(): boolean {
    return this.#state === 'end';
  }

  /** How many of the bytes to come are a body's and its padding, so that a sink that wants no data may have them skipped. */
  get skippableBytes(): number {
    if (this.#state === 'body') return this.#leftBytes + paddingOf(this.#storedBytes);
    return this.#state === 'skip' ? this.#leftBytes : 0;
  }

  /** Goes on behind the next bytes, which the sink does not get to see: `skippableBytes` of them, fewer where the archive ends. */
  skip(lengthBytes: number): void {
    this.#pushedBytes += lengthBytes;
    for (let left = lengthBytes; left > 0; ) {
      const length = Math.min(this.#leftBytes, left);
      left -= length;
      this.#leftBytes -= length;
      if (this.#leftBytes > 0) return;
      if (this.#state === 'body') this.#endBody();
      else this.#nextHeader();
    }
  }

  /** No more comes. @throws DataLoss when the archive stops in the middle of an entry */
  end(): void {
    const isAtBoundary = this.#state === 'header' && this.#partialBytes === 0 && !this.#hasPendingMetadata();
    if (this.#state === 'end' || isAtBoundary) return;
    const where = this.#name === undefined ? 'a header' : `entry "${this.#entryName}"`;
    throw new SlipwayError('DataLoss', `the archive is truncated: it ends in the middle of ${where}`);
  }

  get #entryName(): string {
    return this.#name === undefined ? '' : printable(this.#name);
  }

  #hasPendingMetadata(): boolean {
    return this.#local.length > 0 || this.#longName !== undefined || this.#longLink !== undefined;
  }

  /** `wanted` bytes across chunks, once they are all here; without a copy where one chunk has them. */
  #gather(piece: Buffer, wanted: number): Buffer | undefined {
    if (piece.length === wanted) return piece;
    this.#partial.push(Buffer.from(piece));
    this.#partialBytes += piece.length;
    if (this.#partialBytes < wanted) return undefined;
    const whole = Buffer.concat(this.#partial);
    this.#partial = [];
    this.#partialBytes = 0;
    return whole;
  }

  #takeBlock(block: Buffer): void {
    if (this.#state === 'gnu-sparse') this.#takeGnuSparse(block);
    else if (this.#state === 'pax-sparse') this.#takePaxSparse(block);
    else this.#takeHeader(block);
  }

  #takeHeader(block: Buffer): void {
    if (block[0] === 0 && block.equals(ZERO_BLOCK)) {
      this.#zeroBlocks++;
      if (this.#zeroBlocks === 2) {
        if (this.#hasPendingMetadata()) throw malformed('an extended header has no entry after it');
        this.#state = 'end';
      }
      return;
    }
    if (this.#zeroBlocks > 0) throw malformed('an entry comes after a block of zeros');
    const header = parseHeader(block);
    const type = String.fromCharCode(header.typeFlag);
    if (type === 'x' || type === 'g' || type === 'L' || type === 'K' || type === 'X') {
      this.#beginMetadata(type, header.sizeBytes);
    } else if (type === 'V') {
      this.#skip(header.sizeBytes + paddingOf(header.sizeBytes));
    } else {
      this.#beginEntry(header, type, block);
    }
  }

  #beginMetadata(type: string, sizeBytes: number): void {
    if (sizeBytes > METADATA_MAX_BYTES)
      throw malformed(`an extended header of ${sizeBytes} bytes is too large`);
    this.#metadataType = type;
    this.#metadataBytes = sizeBytes;
    this.#leftBytes = sizeBytes + paddingOf(sizeBytes);
    if (this.#leftBytes === 0) this.#takeMetadata(Buffer.alloc(0));
    else this.#state = 'metadata';
  }

  #takeMetadata(padded: Buffer): void {
    const body = padded.subarray(0, this.#metadataBytes);
    switch (this.#metadataType) {
      case 'L':
        this.#longName = untilNul(body);
        break;
      case 'K':
        this.#longLink = untilNul(body);
        break;
      case 'g':
        this.#global = [...new Map([...this.#global, ...parsePax(body)])];
        if (this.#global.length > GLOBAL_MAX_RECORDS) throw malformed('it has too many global records');
        break;
      default:
        if (this.#local.length > 0) throw malformed('an entry has two extended headers');
        this.#local = parsePax(body);
    }
    this.#state = 'header';
  }

  #beginEntry(header: RawHeader, type: string, block: Buffer): void {
    this.#header = header;
    this.#records = effective(this.#global, this.#local);
    this.#name = this.#nameOf(header);
    const size = this.#records.get('size');
    const stored = size === undefined ? header.sizeBytes : sizeOf(parsePaxNumber('size', size));
    // Only files have a body, whatever the size field of another kind says.
    const hasBody = (TYPES[header.typeFlag] ?? 'file') === 'file';
    this.#storedBytes = hasBody ? stored : 0;
    this.#realSizeBytes = this.#storedBytes;
    this.#sparse = [];
    if (type === 'S') {
      this.#realSizeBytes = sizeOf(numberField(block, 483, 12, 'real size'));
      this.#addGnuSegments(block, 386, 4);
      if (block[482] !== 0) this.#state = 'gnu-sparse';
      else this.#emitEntry(this.#sparse);
      return;
    }
    if (hasBody && this.#records.get('GNU.sparse.major')?.toString() === '1') {
      this.#realSizeBytes = this.#requireNumber('GNU.sparse.realsize');
      this.#state = 'pax-sparse';
      this.#partialMap = [];
      this.#mapLines = 0;
      this.#mapLinesWanted = 0;
      return;
    }
    this.#emitEntry(hasBody ? this.#paxSegments() : undefined);
  }

  #takeGnuSparse(block: Buffer): void {
    this.#addGnuSegments(block, 0, 21);
    if (this.#sparse.length * 24 > SPARSE_MAP_MAX_BYTES) throw malformed('a sparse map is too large');
    if (block[504] === 0) this.#emitEntry(this.#sparse);
  }

  #addGnuSegments(block: Buffer, start: number, count: number): void {
    for (let index = 0; index < count; index++) {
      const at = start + index * 24;
      if (block[at] === 0) return;
      const offset = numberField(block, at, 12, 'sparse offset');
      this.#sparse.push({ offset, length: numberField(block, at + 12, 12, 'sparse length') });
    }
  }

  /** Sparse format 0.0 (one record for each number) and 0.1 (one list); undefined for a plain file. */
  #paxSegments(): readonly SparseSegment[] | undefined {
    const list = this.#records.get('GNU.sparse.map');
    const isOldest = this.#records.has('GNU.sparse.numblocks') && list === undefined;
    if (list === undefined && !isOldest) return undefined;
    this.#realSizeBytes = this.#requireNumber('GNU.sparse.size');
    const numbers = isOldest
      ? this.#local
          .filter(([key]) => key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes')
          .map(([key, value]) => parsePaxNumber(key, value))
      : (list as Buffer).length === 0
        ? []
        : (list as Buffer)
            .toString('latin1')
            .split(',')
            .map((text) => parsePaxNumber('GNU.sparse.map', Buffer.from(text)));
    return parseSparseList(numbers);
  }

  /** Sparse format 1.0: the map is the start of the body, decimal numbers each on a line, padded to a block. */
  #takePaxSparse(block: Buffer): void {
    this.#partialMap.push(Buffer.from(block));
    this.#storedBytes -= BLOCK_BYTES;
    if (this.#storedBytes < 0 || this.#partialMap.length * BLOCK_BYTES > SPARSE_MAP_MAX_BYTES) {
      throw malformed(`the sparse map of "${this.#entryName}" is too large`);
    }
    for (const byte of block) if (byte === 0x0a) this.#mapLines++;
    if (this.#mapLines === 0 || this.#mapLines < this.#mapLinesWanted) return;
    const lines = Buffer.concat(this.#partialMap).toString('latin1').split('\n');
    const count = parsePaxNumber('GNU.sparse.numblocks', Buffer.from(lines[0] ?? ''));
    this.#mapLinesWanted = 1 + count * 2;
    if (this.#mapLines < this.#mapLinesWanted) return;
    const numbers = lines
      .slice(1, this.#mapLinesWanted)
      .map((line) => parsePaxNumber('GNU.sparse.map', Buffer.from(line)));
    this.#emitEntry(parseSparseList(numbers));
  }

  #emitEntry(segments: readonly SparseSegment[] | undefined): void {
    if (segments !== undefined)
      checkSparse(segments, this.#storedBytes, this.#realSizeBytes, this.#entryName);
    this.#segments = segments?.filter(({ length }) => length > 0);
    this.#segmentIndex = 0;
    this.#offset = 0;
    this.#sink.entry(this.#toEntry(this.#header as RawHeader, segments), this.#blockEnd);
    this.#leftBytes = this.#storedBytes;
    this.#state = 'body';
    if (this.#leftBytes === 0) this.#endBody();
  }

  #emitData(chunk: Buffer): void {
    if (this.#segments === undefined) {
      this.#sink.data(chunk, this.#offset);
      this.#offset += chunk.length;
      return;
    }
    for (let at = 0; at < chunk.length; ) {
      const segment = this.#segments[this.#segmentIndex] as SparseSegment;
      const length = Math.min(segment.length - this.#offset, chunk.length - at);
      this.#sink.data(chunk.subarray(at, at + length), segment.offset + this.#offset);
      at += length;
      this.#offset += length;
      if (this.#offset === segment.length) {
        this.#segmentIndex++;
        this.#offset = 0;
      }
    }
  }

  #endBody(): void {
    this.#sink.endEntry();
    this.#skip(paddingOf(this.#storedBytes));
  }

  #skip(length: number): void {
    this.#leftBytes = length;
    this.#state = 'skip';
    if (length === 0) this.#nextHeader();
  }

  #nextHeader(): void {
    this.#state = 'header';
    this.#local = [];
    this.#longName = undefined;
    this.#longLink = undefined;
    this.#name = undefined;
  }

  #nameOf(header: RawHeader): Buffer {
    return this.#records.get('GNU.sparse.name') ?? this.#records.get('path') ?? this.#longName ?? header.name;
  }

  #toEntry(header: RawHeader, sparse: readonly SparseSegment[] | undefined): TarEntry {
    const records = this.#records;
    const name = this.#name as Buffer;
    const linkName = records.get('linkpath') ?? this.#longLink ?? header.linkName;
    if (records.size > 0 && (name.includes(0) || linkName.includes(0)))
      throw malformed(`the name "${printable(name)}" has a NUL in it`);
    const number = (key: string, fallback: number) => {
      const value = records.get(key);
      return value === undefined ? fallback : parsePaxNumber(key, value);
    };
    const mtime = records.get('mtime');
    const atime = records.get('atime');
    const declared = TYPES[header.typeFlag] ?? 'unknown';
    // V7 had no type for a directory: a name that ends with a slash said it.
    const type = declared === 'file' && sparse === undefined && name.at(-1) === 0x2f ? 'directory' : declared;
    return {
      type,
      name,
      linkName,
      mode: header.mode,
      uid: number('uid', header.uid),
      gid: number('gid', header.gid),
      sizeBytes: this.#realSizeBytes,
      mtimeNs:
        mtime === undefined ? BigInt(header.mtimeSeconds) * 1_000_000_000n : parsePaxTime(mtime.toString()),
      atimeNs: atime === undefined ? undefined : parsePaxTime(atime.toString()),
      deviceMajor: header.deviceMajor,
      deviceMinor: header.deviceMinor,
      xattrs: xattrsOf(records),
      sparse,
      typeFlag: header.typeFlag,
    };
  }

  #requireNumber(key: string): number {
    const value = this.#records.get(key);
    if (value === undefined) throw malformed(`the sparse file "${this.#entryName}" has no ${key}`);
    return parsePaxNumber(key, value);
  }
}

const ZERO_BLOCK = Buffer.alloc(BLOCK_BYTES);
const XATTR_PREFIX = 'SCHILY.xattr.';

/** Later records replace earlier ones; an empty value takes the key away. */
function effective(global: PaxRecords, local: PaxRecords): ReadonlyMap<string, Buffer> {
  if (global.length === 0 && local.length === 0) return NO_BYTES;
  const records = new Map<string, Buffer>();
  for (const [key, value] of [...global, ...local]) {
    if (value.length === 0 && !key.startsWith(XATTR_PREFIX) && key !== 'GNU.sparse.map') records.delete(key);
    else records.set(key, value);
  }
  return records;
}

function xattrsOf(records: ReadonlyMap<string, Buffer>): ReadonlyMap<string, Buffer> {
  if (records.size === 0) return NO_BYTES;
  const xattrs = new Map<string, Buffer>();
  for (const [key, value] of records) {
    if (key.startsWith(XATTR_PREFIX)) xattrs.set(key.slice(XATTR_PREFIX.length), value);
  }
  return xattrs;
}

const NO_BYTES: ReadonlyMap<string, Buffer> = new Map();

function untilNul(body: Buffer): Buffer {
  const end = body.indexOf(0);
  return Buffer.from(end === -1 ? body : body.subarray(0, end));
}

/** A name as a message can show it. */
export const printable = (name: Buffer): string => {
  const text = JSON.stringify(name.toString()).slice(1, -1);
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
};
