/**
 * What a build and our own client say to each other beside the build's request: the daemon opens channels to ask for the
 * files of the context, or to reach an ssh agent, and the client answers in them. One frame after another, both ways: the
 * payload's length (32 bits), a kind (8 bits), a channel (32 bits), the payload.
 */

/** What the daemon wants of the client. */
export type ChannelRequest =
  /** Told as `entries`, and those of them that are wanted as `file`s. */
  | { readonly what: 'context'; readonly excludes: readonly string[] }
  /** `data` both ways. */
  | { readonly what: 'ssh'; readonly id: string };

/** A file, folder or link of the context. A folder comes before what is in it. */
export interface ContextEntry {
  /** Below the context, with `/`. */
  readonly path: string;
  /** As stat(2) has it, with the file's type. */
  readonly mode: number;
  readonly size: number;
  readonly mtimeMs: number;
  /** Where a symbolic link leads; of a file, an entry before it that is the same file. */
  readonly link?: string | undefined;
}

export type SessionMessage = { readonly channel: number } & (
  | { readonly kind: 'open'; readonly request: ChannelRequest }
  /** Numbered from 0 as they come; an empty list says that these were all. */
  | { readonly kind: 'entries'; readonly entries: readonly ContextEntry[] }
  | { readonly kind: 'want'; readonly indexes: readonly number[] }
  /** A piece of a file that was wanted; an empty one ends it. */
  | { readonly kind: 'file'; readonly index: number; readonly bytes: Uint8Array }
  | { readonly kind: 'data'; readonly bytes: Uint8Array }
  | { readonly kind: 'end' }
  | { readonly kind: 'fail'; readonly message: string }
);

const KINDS = ['open', 'entries', 'want', 'file', 'data', 'end', 'fail'] as const;
const HEADER_BYTES = 9;
const MAX_PAYLOAD_BYTES = 64 << 20;

export function encodeSessionMessage(message: SessionMessage): Uint8Array {
  const payload = payloadOf(message);
  const frame = Buffer.allocUnsafe(HEADER_BYTES + payload.byteLength);
  frame.writeUInt32BE(payload.byteLength, 0);
  frame.writeUInt8(KINDS.indexOf(message.kind), 4);
  frame.writeUInt32BE(message.channel, 5);
  frame.set(payload, HEADER_BYTES);
  return frame;
}

function payloadOf(message: SessionMessage): Uint8Array {
  switch (message.kind) {
    case 'open':
      return asJson(message.request);
    case 'entries':
      return asJson(message.entries);
    case 'want':
      return asJson(message.indexes);
    case 'fail':
      return asJson(message.message);
    case 'data':
      return message.bytes;
    case 'end':
      return new Uint8Array();
    case 'file': {
      const payload = Buffer.allocUnsafe(4 + message.bytes.byteLength);
      payload.writeUInt32BE(message.index, 0);
      payload.set(message.bytes, 4);
      return payload;
    }
  }
}

const asJson = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

/** Takes frames apart, in whatever pieces they come. What JSON says is not checked. */
export class SessionDecoder {
  #pending: Buffer = Buffer.alloc(0);

  /** @throws Error for what is no frame */
  *push(chunk: Uint8Array): Generator<SessionMessage> {
    this.#pending =
      this.#pending.byteLength === 0 ? Buffer.from(chunk) : Buffer.concat([this.#pending, chunk]);
    while (this.#pending.byteLength >= HEADER_BYTES) {
      const length = this.#pending.readUInt32BE(0);
      const kind = KINDS[this.#pending.readUInt8(4)];
      if (kind === undefined || length > MAX_PAYLOAD_BYTES)
        throw new Error('this is no frame of a build session');
      if (this.#pending.byteLength < HEADER_BYTES + length) return;
      const channel = this.#pending.readUInt32BE(5);
      const payload = this.#pending.subarray(HEADER_BYTES, HEADER_BYTES + length);
      this.#pending = this.#pending.subarray(HEADER_BYTES + length);
      yield { channel, ...messageOf(kind, payload) } as SessionMessage;
    }
  }
}

function messageOf(kind: SessionMessage['kind'], payload: Buffer): object {
  switch (kind) {
    case 'open':
      return { kind, request: JSON.parse(payload.toString()) };
    case 'entries':
      return { kind, entries: JSON.parse(payload.toString()) };
    case 'want':
      return { kind, indexes: JSON.parse(payload.toString()) };
    case 'fail':
      return { kind, message: JSON.parse(payload.toString()) };
    case 'file':
      return { kind, index: payload.readUInt32BE(0), bytes: payload.subarray(4) };
    case 'data':
      return { kind, bytes: payload };
    case 'end':
      return { kind };
  }
}
