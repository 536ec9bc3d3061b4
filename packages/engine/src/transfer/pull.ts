import type { ProgressMessage } from '@slipway/api/docker';
import { SlipwayError } from '@slipway/base';
import type { Credentials, FetchedManifest, Repository } from '@slipway/distribution/client';
import {
  type Descriptor,
  type Digest,
  familiarName,
  formatFamiliar,
  formatReference,
  type Manifest,
  type Platform,
  parseManifestOrIndex,
  type Reference,
  withDefaultTag,
} from '@slipway/oci';
import type { Image, Report } from '../images/index.ts';
import { ofImage, requireImage } from './check-manifest.ts';
import { choosePlatform, servesPlatform } from './choose-platform.ts';
import { publish, type TransferContext } from './context.ts';
import { pullError } from './docker-words.ts';
import { fetchImage } from './fetch-image.ts';

export interface PullRequest {
  /** With a tag, a digest, both, or neither: `latest`, or every tag with `allTags`. */
  readonly reference: Reference;
  readonly allTags?: boolean | undefined;
  /** This machine's when it is not given. */
  readonly platform?: Platform | undefined;
  readonly credentials?: Credentials | undefined;
}

/** An index may hold indexes; deeper than this it is a trap. */
const INDEX_DEPTH_MAX = 4;

/**
 * Brings an image, or all of a repository's, and tells how far it is as docker does.
 * @throws before anything was reported: NotFound in docker's words, and what the registry refuses
 */
export async function pull(
  context: TransferContext,
  { reference, allTags = false, platform, credentials }: PullRequest,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  try {
    const client = await context.client();
    const repository = client.repository(reference, credentials);
    const bring = (named: Reference) =>
      pullReference(context, { repository, platform, reference: named }, report, signal).catch(
        (error: unknown) => {
          throw ofImage(error, formatFamiliar(named));
        },
      );
    if (!allTags) {
      const isNew = await bring(withDefaultTag(reference));
      report(status(formatFamiliar(withDefaultTag(reference)), isNew));
      return;
    }
    let isNew = false;
    for await (const tag of repository.listTags({ signal })) {
      const tagged = { domain: reference.domain, path: reference.path, tag };
      isNew = (await bring(tagged)) || isNew;
    }
    report(status(familiarName(reference), isNew));
  } catch (error) {
    throw pullError(error, allTags ? reference : withDefaultTag(reference));
  }
}

const status = (name: string, isNew: boolean): ProgressMessage => ({
  status: isNew ? `Status: Downloaded newer image for ${name}` : `Status: Image is up to date for ${name}`,
});

interface OnePull {
  readonly reference: Reference;
  readonly repository: Repository;
  readonly platform: Platform | undefined;
}

/** Whether the name means another image than before. */
async function pullReference(
  context: TransferContext,
  { reference, repository, platform }: OnePull,
  report: Report,
  signal: AbortSignal,
): Promise<boolean> {
  const { images } = context;
  const name = formatFamiliar(reference);
  const target = reference.digest ?? (reference.tag as string);
  // A digest says all; docker keeps no tag that came with one.
  const named: Reference = reference.digest === undefined ? reference : { ...reference, tag: undefined };
  const before = images.find(formatReference(named));
  const begin = () => report({ status: `Pulling from ${reference.path}`, id: target });
  let wanted = target;
  if (before !== undefined) {
    // What is there already costs a question only, which registries that count downloads do not count.
    const { digest } = await repository.resolve(target, { signal });
    if (isThere(context, before, atDigest(reference, digest), platform)) {
      begin();
      report({ status: `Digest: ${digest}` });
      publish(context, 'pull', before, named);
      return false;
    }
    wanted = digest;
  }
  const top = await repository.getManifest(wanted, { signal });
  const chosen = await chooseManifest(repository, top, { name, platform, signal });
  requireImage(chosen.manifest, name);
  begin();
  const { digest } = top.descriptor;
  const pinned = atDigest(reference, digest);
  const image = await fetchImage(
    context,
    {
      ...chosen,
      repository,
      name,
      platform,
      references: reference.digest === undefined ? [named, pinned] : [pinned],
    },
    report,
    signal,
  );
  report({ status: `Digest: ${digest}` });
  publish(context, 'pull', image, named);
  return before?.id !== image.id;
}

const atDigest = ({ domain, path }: Reference, digest: Digest): Reference => ({ domain, path, digest });

function isThere(
  { images }: TransferContext,
  image: Image,
  pinned: Reference,
  platform: Platform | undefined,
): boolean {
  const { os, architecture, variant } = image;
  return (
    images.find(formatReference(pinned))?.id === image.id &&
    servesPlatform({ os, architecture, variant }, platform)
  );
}

/** The manifest of one image, through as many indexes as it takes. */
export async function chooseManifest(
  repository: Repository,
  top: FetchedManifest,
  { name, platform, signal }: { name: string; platform: Platform | undefined; signal: AbortSignal },
): Promise<{ manifest: Manifest; descriptor: Descriptor; bytes: Buffer }> {
  let fetched = top;
  for (let depth = 0; depth <= INDEX_DEPTH_MAX; depth++) {
    const { descriptor, bytes } = fetched;
    const document = parseManifestOrIndex(bytes, descriptor.mediaType);
    if (document.kind === 'manifest') return { manifest: document.manifest, descriptor, bytes };
    const chosen = choosePlatform(document.index, platform, name);
    fetched = await repository.getManifest(chosen.digest, { signal });
  }
  throw new SlipwayError(
    'InvalidArgument',
    `${name} is an index of indexes, more than ${INDEX_DEPTH_MAX} deep: no image is made like that`,
  );
}
