import { SlipwayError } from '@slipway/base';
import type { RunOperation } from '@slipway/build';
import { queryFlag, queryInteger, queryList, queryText } from '@slipway/http';
import {
  hostPlatform,
  type Platform,
  parsePlatform,
  parseReference,
  type Reference,
  withDefaultTag,
} from '@slipway/oci';
import { z } from 'zod';
import { type CacheEntry, parseCacheText } from '../cache/entries.ts';

/** What `POST /build` asks for, but for the context. */
export interface ClassicRequest {
  readonly dockerfile: string;
  readonly remote: string | undefined;
  readonly references: readonly Reference[];
  readonly target: string | undefined;
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly labels: ReadonlyMap<string, string>;
  readonly noCache: boolean;
  readonly pull: boolean;
  readonly quiet: boolean;
  /** One or more; the first is what a builder of one platform builds for. */
  readonly platforms: readonly [Platform, ...Platform[]];
  /** Where steps of other builders are looked for. */
  readonly cacheFrom: readonly CacheEntry[];
  readonly network: RunOperation['network'];
  readonly extraHosts: readonly string[];
  readonly shmSizeBytes: number;
  readonly ulimits: RunOperation['ulimits'];
  readonly buildId: string | undefined;
}

const DEFAULT_SHM_BYTES = 64 << 20;

/**
 * Reads the parameters, in every form that clients send them.
 * @throws InvalidArgument; NotImplemented for `squash`
 * @see https://docs.docker.com/reference/api/engine/version/v1.51/#tag/Image/operation/ImageBuild
 */
export function readClassicRequest(query: URLSearchParams): ClassicRequest {
  if (queryFlag(query, 'squash')) {
    throw new SlipwayError(
      'NotImplemented',
      'squash is not supported: use a stage of its own (FROM scratch, COPY --from) to make an image of one layer',
    );
  }
  return {
    dockerfile: queryText(query, 'dockerfile') ?? 'Dockerfile',
    remote: queryText(query, 'remote'),
    references: queryList(query, 't').map(readReference),
    target: queryText(query, 'target'),
    buildArgs: readMap(query, 'buildargs'),
    labels: readMap(query, 'labels'),
    noCache: queryFlag(query, 'nocache'),
    pull: queryFlag(query, 'pull'),
    quiet: queryFlag(query, 'q'),
    platforms: readPlatforms(queryText(query, 'platform')),
    cacheFrom: readCacheNames(query).map(parseCacheText),
    network: readNetwork(queryText(query, 'networkmode')),
    extraHosts: queryList(query, 'extrahosts').flatMap((hosts) => hosts.split(',')),
    shmSizeBytes: queryInteger(query, 'shmsize') || DEFAULT_SHM_BYTES,
    ulimits: readUlimits(query),
    buildId: queryText(query, 'buildid'),
  };
}

function readReference(text: string): Reference {
  const reference = parseReference(text);
  if (reference.digest !== undefined) {
    throw new SlipwayError('InvalidArgument', 'build tag cannot contain a digest');
  }
  return withDefaultTag(reference);
}

function readPlatforms(text: string | undefined): ClassicRequest['platforms'] {
  const [first = hostPlatform(), ...more] = (text ?? '').split(',').filter(Boolean).map(parsePlatform);
  return [first, ...more];
}

/** Docker's clients send a list in JSON; ours sends each by itself. */
function readCacheNames(query: URLSearchParams): string[] {
  const values = queryList(query, 'cachefrom');
  const [first = ''] = values;
  if (!first.startsWith('[') && first !== 'null') return values;
  return readJsonParameter(query, 'cachefrom', z.array(z.string()).nullable()) ?? [];
}

const mapSchema = z.record(z.string(), z.string().nullable());

function readMap(query: URLSearchParams, name: string): ReadonlyMap<string, string> {
  const value = readJsonParameter(query, name, z.union([mapSchema, z.array(z.string())]).nullable());
  if (value === undefined || value === null) return new Map();
  // Some clients send `["A=b"]`.
  const entries = Array.isArray(value)
    ? value.map((entry): [string, string | null] => {
        const equals = entry.indexOf('=');
        return equals === -1 ? [entry, null] : [entry.slice(0, equals), entry.slice(equals + 1)];
      })
    : Object.entries(value);
  return new Map(entries.filter((entry): entry is [string, string] => entry[1] !== null));
}

const ulimitsSchema = z
  .array(z.looseObject({ Name: z.string(), Soft: z.number().int(), Hard: z.number().int() }))
  .nullable();

function readUlimits(query: URLSearchParams): RunOperation['ulimits'] {
  const limits = readJsonParameter(query, 'ulimits', ulimitsSchema) ?? [];
  return limits.map(({ Name, Soft, Hard }) => ({ name: Name, soft: Soft, hard: Hard }));
}

function readJsonParameter<T extends z.ZodType>(
  query: URLSearchParams,
  name: string,
  schema: T,
): z.infer<T> | undefined {
  const text = queryText(query, name);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new SlipwayError('InvalidArgument', `error reading ${name}: it is not JSON: ${text}`, { cause });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new SlipwayError(
    'InvalidArgument',
    `error reading ${name}: ${issue?.path.join('.')} ${issue?.message}`,
  );
}

function readNetwork(mode: string | undefined): RunOperation['network'] {
  if (mode === undefined || mode === 'default' || mode === 'bridge') return 'default';
  if (mode === 'host' || mode === 'none') return mode;
  throw new SlipwayError(
    'NotImplemented',
    `network mode "${mode}" is not supported by builds: use default, none or host`,
  );
}
