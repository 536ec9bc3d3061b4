import { collectBytes, SlipwayError } from '@slipway/base';
import type { Credentials, FoundRepository, Repository } from '@slipway/distribution/client';
import {
  computeDigest,
  type Descriptor,
  formatFamiliar,
  type ImageIndex,
  isConfigType,
  type Platform,
  parseImageConfig,
  parseManifestOrIndex,
  type Reference,
  withDefaultTag,
} from '@slipway/oci';
import { CONFIG_MAX_BYTES } from './check-manifest.ts';
import type { TransferContext } from './context.ts';
import { pullError } from './docker-words.ts';
import { chooseManifest } from './pull.ts';

export interface RemoteRequest {
  readonly reference: Reference;
  readonly credentials?: Credentials | undefined;
}

/** What a registry says of a name, without the layers. */
export interface RemoteImage {
  /** Of what the name means: a manifest or an index. */
  readonly descriptor: Descriptor;
  readonly platforms: readonly Platform[];
}

export interface InspectedRemoteImage extends RemoteImage {
  /** The documents as the registry has them; for an index those of the chosen platform. */
  readonly manifest: unknown;
  /** Undefined where the configuration is not JSON, as of some artifacts. */
  readonly config: unknown;
}

/**
 * What a name means in its registry, and which platforms it is for.
 * @throws NotFound in docker's words
 */
export async function describeRemote(
  context: TransferContext,
  request: RemoteRequest,
  signal: AbortSignal,
): Promise<RemoteImage> {
  return await inRegistry(context, request, async (repository, target) => {
    const { descriptor, bytes } = await repository.getManifest(target, { signal });
    const document = parseManifestOrIndex(bytes, descriptor.mediaType);
    if (document.kind === 'index') return { descriptor, platforms: platformsOf(document.index) };
    const config = await readConfig(repository, document.manifest.config, signal);
    return { descriptor, platforms: platformsOfConfig(document.manifest.config, config) };
  });
}

/**
 * As `describeRemote`, with manifest and configuration, of the given platform where there are several, else of this
 * machine's.
 * @throws NotFound also when nothing is for the platform
 */
export async function inspectRemote(
  context: TransferContext,
  { platform, ...request }: RemoteRequest & { readonly platform?: Platform | undefined },
  signal: AbortSignal,
): Promise<InspectedRemoteImage> {
  return await inRegistry(context, request, async (repository, target, name) => {
    const top = await repository.getManifest(target, { signal });
    const { descriptor } = top;
    const chosen = await chooseManifest(repository, top, { name, platform, signal });
    const config = await readConfig(repository, chosen.manifest.config, signal);
    const document = parseManifestOrIndex(top.bytes, descriptor.mediaType);
    return {
      descriptor,
      platforms:
        document.kind === 'index'
          ? platformsOf(document.index)
          : platformsOfConfig(chosen.manifest.config, config),
      manifest: chosen.manifest,
      config: parseLeniently(config),
    };
  });
}

/**
 * Names come as they can be pulled, with the registry's host unless it is Docker Hub.
 * @throws InvalidArgument for a limit out of range; NotImplemented where the registry cannot search
 */
export async function searchRegistry(
  context: TransferContext,
  { term, limit, credentials }: { term: string; limit: number; credentials?: Credentials | undefined },
  signal: AbortSignal,
): Promise<readonly FoundRepository[]> {
  if (limit < 1 || limit > 100)
    throw new SlipwayError('InvalidArgument', `Limit ${limit} is outside the range of [1, 100]`);
  const [first = '', ...rest] = term.split('/');
  const hasDomain = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  const client = await context.client();
  const options = { limit, credentials, signal };
  if (!hasDomain) return await client.search('docker.io', term, options);
  const found = await client.search(first, rest.join('/'), options);
  if (first === 'docker.io' || first === 'index.docker.io') return found;
  return found.map((image) => ({
    ...image,
    name: image.name.startsWith(`${first}/`) ? image.name : `${first}/${image.name}`,
  }));
}

async function inRegistry<T>(
  context: TransferContext,
  { reference, credentials }: RemoteRequest,
  ask: (repository: Repository, target: string, name: string) => Promise<T>,
): Promise<T> {
  const full = withDefaultTag(reference);
  try {
    const client = await context.client();
    const repository = client.repository(full, credentials);
    return await ask(repository, full.digest ?? (full.tag as string), formatFamiliar(full));
  } catch (error) {
    throw pullError(error, full);
  }
}

const platformsOf = ({ manifests }: ImageIndex): Platform[] =>
  manifests.flatMap(({ platform }) => (platform && platform.os !== 'unknown' ? [toPlatform(platform)] : []));

function platformsOfConfig({ mediaType }: Descriptor, config: Buffer): Platform[] {
  return isConfigType(mediaType) ? [toPlatform(parseImageConfig(config))] : [];
}

const toPlatform = ({
  os,
  architecture,
  variant,
}: {
  os: string;
  architecture: string;
  variant?: string | null | undefined;
}): Platform => ({ os, architecture, ...(variant ? { variant } : {}) });

async function readConfig(repository: Repository, config: Descriptor, signal: AbortSignal): Promise<Buffer> {
  const bytes = await collectBytes(repository.openBlob(config, { signal }), CONFIG_MAX_BYTES);
  const actual = computeDigest(bytes);
  if (actual === config.digest) return bytes;
  throw new SlipwayError(
    'DataLoss',
    `the registry's configuration is ${actual}, not ${config.digest} as it was named`,
  );
}

function parseLeniently(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}
