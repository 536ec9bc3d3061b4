import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno, SlipwayError } from '@slipway/base/errors';

/** The file in a function's folder that says what it is. */
export const MANIFEST = 'function.json';

/** A function as its folder describes it; what is undefined is Lambda's default or what the code shows. */
export interface Manifest {
  readonly name?: string;
  readonly runtime?: string;
  /** `index.handler` */
  readonly handler?: string;
  readonly description?: string;
  /** In MB. */
  readonly memory?: number;
  /** In seconds. */
  readonly timeout?: number;
  /** Of `/tmp`, in MB. */
  readonly storage?: number;
  readonly environment?: Readonly<Record<string, string>>;
  /** ARNs of layer versions. */
  readonly layers?: readonly string[];
  /** `none`: nothing beyond the environment can be reached. */
  readonly network?: 'outbound' | 'none';
  /** The OCI runtime that it runs in. */
  readonly isolation?: string;
  /** Whether it has a URL, and who may use that. */
  readonly url?: 'none' | 'iam';
}

const SHAPE: Readonly<Record<keyof Manifest, (value: unknown) => boolean>> = {
  name: isText,
  runtime: isText,
  handler: isText,
  description: isText,
  memory: isWhole,
  timeout: isWhole,
  storage: isWhole,
  environment: (value) => isRecord(value) && Object.values(value).every(isText),
  layers: (value) => Array.isArray(value) && value.every(isText),
  network: (value) => value === 'outbound' || value === 'none',
  isolation: isText,
  url: (value) => value === 'none' || value === 'iam',
};

/** The folder's manifest; an empty one when there is none. @throws InvalidArgument that names the member */
export function readManifest(folder: string): Manifest {
  const path = join(folder, MANIFEST);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return {};
    throw error;
  }
  return parseManifest(text, path);
}

/** @throws InvalidArgument */
export function parseManifest(text: string, path: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new SlipwayError('InvalidArgument', `${path} is no JSON: ${(cause as Error).message}`, { cause });
  }
  if (!isRecord(value)) throw new SlipwayError('InvalidArgument', `${path} must hold an object`);
  for (const [key, member] of Object.entries(value)) {
    const fits = Object.hasOwn(SHAPE, key) ? SHAPE[key as keyof Manifest] : undefined;
    if (fits === undefined) {
      const known = Object.keys(SHAPE).join(', ');
      throw new SlipwayError(
        'InvalidArgument',
        `${path} has "${key}", which is not known; known are ${known}`,
      );
    }
    if (!fits(member)) {
      throw new SlipwayError('InvalidArgument', `${path}: "${key}" cannot be ${JSON.stringify(member)}`);
    }
  }
  return value as Manifest;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
