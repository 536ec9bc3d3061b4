import { SlipwayError } from '@slipway/base/errors';
import type { Binding, ServiceTable, StructureRow } from './table.ts';

/** A member as the codec needs it. */
export interface Member {
  readonly name: string;
  /** Its name in JSON. */
  readonly wireName: string;
  readonly type: string;
  readonly binding: Binding;
  readonly isRequired: boolean;
}

/** What a service answers when a required member is not there. */
export type Missing = (member: string) => SlipwayError;

type Convert = (value: unknown) => unknown;

/**
 * Turns JSON values into what an operation takes, and what it answers into JSON values, by the shapes of a table. Converters
 * are made when a shape is first met.
 */
export class ValueCodec {
  readonly #table: ServiceTable;
  readonly #missing: Missing;
  readonly #members = new Map<string, readonly Member[]>();
  readonly #decoders = new Map<string, Convert>();
  readonly #encoders = new Map<string, Convert>();

  constructor(table: ServiceTable, missing: Missing) {
    this.#table = table;
    this.#missing = missing;
  }

  members(structure: string): readonly Member[] {
    return memoized(this.#members, structure, () => membersOf(this.#row(structure)));
  }

  /** @throws InvalidArgument SerializationException for a value of another type, or what `missing` makes */
  decode(type: string, where: string): Convert {
    return memoized(this.#decoders, `${type} ${where}`, () => this.#decoder(type, where));
  }

  encode(type: string): Convert {
    return memoized(this.#encoders, type, () => this.#encoder(type));
  }

  /** @throws what `missing` makes for the first required member that is not there */
  requireMembers(structure: string, value: Readonly<Record<string, unknown>>): void {
    for (const { name, isRequired } of this.members(structure)) {
      if (!isRequired) return;
      if (value[name] === undefined) throw this.#missing(name);
    }
  }

  #decoder(type: string, where: string): Convert {
    const [head = '', rest] = splitType(type);
    switch (head) {
      case 'list': {
        const decode = this.decode(rest, where);
        return (value) => {
          if (!Array.isArray(value)) throw mismatch(value, 'List', where);
          return value.map(decode);
        };
      }
      case 'map': {
        const decode = this.decode(rest, where);
        return (value) => {
          const entries = Object.entries(requireObject(value, where)).filter(([, item]) => item !== null);
          return Object.fromEntries(entries.map(([key, item]) => [key, decode(item)]));
        };
      }
      case 'timestamp':
        return (value) => decodeTimestamp(value, where);
    }
    const simple = SIMPLE_DECODERS[head];
    return simple === undefined ? this.#structureDecoder(type) : (value) => simple(value, where);
  }

  #structureDecoder(structure: string): Convert {
    // Looked up at the first value: structures may hold themselves.
    let steps: { readonly member: Member; readonly decode: Convert }[] | undefined;
    return (value) => {
      const object = requireObject(value, structure);
      steps ??= this.members(structure).map((member) => ({
        member,
        decode: this.decode(member.type, member.name),
      }));
      const decoded: Record<string, unknown> = {};
      for (const { member, decode } of steps) {
        const given = object[member.wireName];
        if (given !== undefined && given !== null) decoded[member.name] = decode(given);
        else if (member.isRequired) throw this.#missing(member.name);
      }
      return decoded;
    };
  }

  #encoder(type: string): Convert {
    const [head = '', rest] = splitType(type);
    switch (head) {
      case 'list': {
        const encode = this.encode(rest);
        return (value) => (value as readonly unknown[]).map(encode);
      }
      case 'map': {
        const encode = this.encode(rest);
        return (value) =>
          Object.fromEntries(Object.entries(value as object).map(([key, item]) => [key, encode(item)]));
      }
      case 'timestamp':
        return rest === 'date-time' || rest === 'http-date'
          ? (value) => formatTimestamp(value as Date, rest)
          : (value) => (value as Date).getTime() / 1000;
      case 'blob':
      case 'stream':
        return (value) => Buffer.from(value as Uint8Array).toString('base64');
      case 'string':
      case 'number':
      case 'boolean':
      case 'document':
        return (value) => value;
    }
    let steps: { readonly member: Member; readonly encode: Convert }[] | undefined;
    return (value) => {
      steps ??= this.members(type).map((member) => ({ member, encode: this.encode(member.type) }));
      const encoded: Record<string, unknown> = {};
      for (const { member, encode } of steps) {
        const given = (value as Record<string, unknown>)[member.name];
        if (given !== undefined && given !== null) encoded[member.wireName] = encode(given);
      }
      return encoded;
    };
  }

  #row(structure: string): StructureRow {
    const row = this.#table.structures[structure] ?? this.#table.errors[structure];
    if (row === undefined) throw new SlipwayError('Internal', `${this.#table.title} has no "${structure}"`);
    return row;
  }
}

const NO_BINDING: Binding = {};

export const membersOf = ({ required = 0, members }: StructureRow): Member[] =>
  Object.entries(members).map(([name, row], index) => {
    const [type, binding] = typeof row === 'string' ? [row, NO_BINDING] : row;
    return { name, wireName: binding.jsonName ?? name, type, binding, isRequired: index < required };
  });

/** `list:map:string` is `list` and `map:string`. */
export function splitType(type: string): [head: string, rest: string] {
  const at = type.indexOf(':');
  return at === -1 ? [type, ''] : [type.slice(0, at), type.slice(at + 1)];
}

/** As it stands in a header, a query or a text. @see https://smithy.io/2.0/spec/protocol-traits.html#timestampformat-trait */
export function formatTimestamp(date: Date, format: string): string {
  if (format === 'http-date') return date.toUTCString();
  if (format === 'epoch-seconds') return String(date.getTime() / 1000);
  return date.toISOString().replace('.000Z', 'Z');
}

/** @throws InvalidArgument SerializationException */
export function decodeTimestamp(value: unknown, where: string): Date {
  const ms =
    typeof value === 'number' ? value * 1000 : typeof value === 'string' ? parseTimestamp(value) : Number.NaN;
  const date = new Date(Math.round(ms));
  if (Number.isNaN(date.getTime())) throw mismatch(value, 'Timestamp', where);
  return date;
}

const parseTimestamp = (text: string): number =>
  /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text);

const SIMPLE_DECODERS: Readonly<Record<string, (value: unknown, where: string) => unknown>> = {
  string: (value, where) => {
    if (typeof value !== 'string') throw mismatch(value, 'String', where);
    return value;
  },
  number: (value, where) => {
    if (typeof value !== 'number') throw mismatch(value, 'Number', where);
    return value;
  },
  boolean: (value, where) => {
    if (typeof value !== 'boolean') throw mismatch(value, 'Boolean', where);
    return value;
  },
  blob: decodeBlob,
  stream: decodeBlob,
  document: (value) => value,
};

function decodeBlob(value: unknown, where: string): Uint8Array {
  if (typeof value !== 'string') throw mismatch(value, 'Blob', where);
  if (value.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) {
    throw new SlipwayError('InvalidArgument', `${where}: this is not base64`, { reason: SERIALIZATION });
  }
  return Buffer.from(value, 'base64');
}

/** @throws InvalidArgument SerializationException */
export function requireObject(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw mismatch(value, 'Structure', where);
  }
  return value as Record<string, unknown>;
}

const SERIALIZATION = 'SerializationException';

/** In the words of AWS's own front. */
export function mismatch(value: unknown, wanted: string, where: string): SlipwayError {
  const given = Array.isArray(value)
    ? 'ARRAY_VALUE'
    : value === null
      ? 'NULL_VALUE'
      : `${(typeof value).toUpperCase()}_VALUE`;
  return new SlipwayError('InvalidArgument', `${where}: ${given} can not be converted to a ${wanted}`, {
    reason: SERIALIZATION,
  });
}

function memoized<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
