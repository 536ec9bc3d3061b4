import { readFile } from 'node:fs/promises';
import { SlipwayError } from '@slipway/base/errors';
import type { Context } from '../command.ts';

/** Where the result goes. */
export interface Output {
  readonly type: 'image' | 'tar' | 'local' | 'oci' | 'docker';
  /** '-' for standard output. */
  readonly destination: string;
}

const TYPES = ['image', 'tar', 'local', 'oci', 'docker'] as const;

/** `type=local,dest=DIR`, `type=tar`, or a path alone: a folder, or `-` for a tar on standard output. @throws InvalidArgument */
export function parseOutput(text: string): Output {
  if (text === '-') return { type: 'tar', destination: '-' };
  if (!text.includes('=')) return { type: 'local', destination: text };
  const fields = readFields(text, ['type', 'dest']);
  const type = TYPES.find((known) => known === fields.get('type'));
  if (type === undefined) {
    throw new SlipwayError('InvalidArgument', `--output ${text}: type must be one of ${TYPES.join(', ')}`);
  }
  const destination = fields.get('dest') ?? (type === 'local' ? '' : '-');
  if (destination === '')
    throw new SlipwayError('InvalidArgument', `--output ${text}: dest=FOLDER is missing`);
  return { type, destination };
}

/** `id=NAME`, with `src=FILE` or `env=VARIABLE`; else the variable of that name. @throws InvalidArgument, NotFound */
export async function readSecret(
  text: string,
  env: Context['env'],
): Promise<readonly [id: string, value: Buffer]> {
  const fields = readFields(text, ['id', 'src', 'source', 'env', 'type']);
  const id = fields.get('id') ?? fields.get('env');
  const path = fields.get('src') ?? fields.get('source');
  if (id === undefined) throw new SlipwayError('InvalidArgument', `--secret ${text}: id=NAME is missing`);
  if (path !== undefined && fields.get('type') !== 'env') return [id, await readFile(path)];
  const variable = fields.get('env') ?? path ?? id;
  const value = env[variable];
  if (value === undefined) {
    throw new SlipwayError('NotFound', `--secret ${text}: neither src= nor the variable ${variable} is set`);
  }
  return [id, Buffer.from(value)];
}

function readFields(text: string, known: readonly string[]): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const field of text.split(',')) {
    const equals = field.indexOf('=');
    const name = field.slice(0, equals);
    if (equals < 1 || !known.includes(name)) {
      throw new SlipwayError('InvalidArgument', `"${field}" of "${text}" is none of ${known.join('=, ')}=`);
    }
    fields.set(name, field.slice(equals + 1));
  }
  return fields;
}

/** `NAME=VALUE`; a name alone takes the value it has here, and is left out where it has none. */
export function readPairs(words: readonly string[], env: Context['env']): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const word of words) {
    const equals = word.indexOf('=');
    const value = equals === -1 ? env[word] : word.slice(equals + 1);
    if (value !== undefined) pairs[equals === -1 ? word : word.slice(0, equals)] = value;
  }
  return pairs;
}
