import { malformed } from './header.ts';

/** An extended header's records, in order; a key may come more than once. */
export type PaxRecords = readonly (readonly [key: string, value: Buffer])[];

/**
 * Reads `length key=value\n` records. Keys and values are bytes: a key is read as latin1 where it is not UTF-8.
 * @throws InvalidArgument
 * @see POSIX.1-2017 pax, "pax Extended Header"
 */
export function parsePax(body: Buffer): PaxRecords {
  const records: [string, Buffer][] = [];
  for (let offset = 0; offset < body.length; ) {
    const space = body.indexOf(0x20, offset);
    const lengthText = space === -1 ? '' : body.toString('latin1', offset, space);
    const length = Number(lengthText);
    const end = offset + length;
    if (
      !/^[0-9]{1,10}$/.test(lengthText) ||
      end > body.length ||
      end <= space + 1 ||
      body[end - 1] !== 0x0a
    ) {
      throw malformed('an extended header has a record of a wrong length');
    }
    const equals = body.indexOf(0x3d, space + 1);
    if (equals === -1 || equals >= end) throw malformed('an extended header has a record without "="');
    records.push([body.toString('utf8', space + 1, equals), Buffer.from(body.subarray(equals + 1, end - 1))]);
    offset = end;
  }
  return records;
}

/** One record, its own length included in the length it starts with. */
export function formatPaxRecord(key: string, value: Buffer | string): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')]);
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/** Decimal seconds with a fraction of any length, to nanoseconds, rounded down. */
export function parsePaxTime(text: string): bigint {
  const match = /^(-?)(\d{1,18})(?:\.(\d*))?$/.exec(text);
  if (match === null) throw malformed(`an extended header has the time "${text}"`);
  const [, sign, seconds = '0', fraction = ''] = match;
  const ns = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
  return sign === '-' ? -ns : ns;
}

export function formatPaxTime(ns: bigint): string {
  const magnitude = ns < 0n ? -ns : ns;
  const fraction = (magnitude % 1_000_000_000n).toString().padStart(9, '0').replace(/0+$/, '');
  return `${ns < 0n ? '-' : ''}${magnitude / 1_000_000_000n}${fraction === '' ? '' : `.${fraction}`}`;
}

/** A whole number of a record. */
export function parsePaxNumber(key: string, value: Buffer): number {
  const text = value.toString('latin1');
  const number = Number(text);
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(number)) {
    throw malformed(`an extended header has ${key}=${text.slice(0, 40)}`);
  }
  return number;
}
