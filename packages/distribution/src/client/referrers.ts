import { isSlipwayError } from '@slipway/base';
import {
  type Descriptor,
  type Digest,
  digestAlgorithm,
  digestHex,
  digestSchema,
  MediaType,
  parseIndex,
} from '@slipway/oci';
import { z } from 'zod';
import { notJson } from './errors.ts';
import { contentTypeOf } from './http.ts';
import { readPages } from './listings.ts';
import { fetchManifest, putManifest } from './manifests.ts';
import { inPlace, PULL, type RepositorySession, repositoryScope, urlOf } from './session.ts';

type Call = { readonly signal?: AbortSignal | undefined };

/**
 * What refers to a manifest: signatures, SBOMs, attestations. By the API, or by the tag that stands for it where the
 * registry does not know the API.
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers
 */
export async function* readReferrers(
  session: RepositorySession,
  digest: Digest,
  { artifactType, signal }: Call & { readonly artifactType?: string } = {},
): AsyncGenerator<Descriptor> {
  const isWanted = (descriptor: Descriptor) =>
    artifactType === undefined || descriptor.artifactType === artifactType;
  const url = urlOf(session, `${session.path}/referrers/${digest}`);
  if (artifactType !== undefined) url.searchParams.set('artifactType', artifactType);
  const list = {
    url,
    scopes: [repositoryScope(session.path, PULL)],
    accept: MediaType.ociIndex,
    action: `cannot list what refers to ${digest}`,
  };
  let isKnown = false;
  try {
    for await (const { response, bytes } of readPages(session, list, { signal })) {
      if (contentTypeOf(response) === 'text/html') throw notJson(response, session.place);
      isKnown = true;
      yield* readIndex(bytes, session).filter(isWanted);
    }
    return;
  } catch (error) {
    if (isKnown || !isUnknownApi(error)) throw error;
  }
  yield* (await readReferrersTag(session, digest, { signal })).filter(isWanted);
}

/** A registry without the API knows neither the path nor, some of them, the method. */
const isUnknownApi = (error: unknown): boolean =>
  isSlipwayError(error, 'NotFound', 'NotImplemented') ||
  (isSlipwayError(error) && (error.reason === 'HTML_ANSWER' || error.reason === 'UNSUPPORTED'));

async function readReferrersTag(
  session: RepositorySession,
  digest: Digest,
  call: Call,
): Promise<readonly Descriptor[]> {
  try {
    const { bytes } = await fetchManifest(session, referrersTag(digest), call);
    return readIndex(bytes, session);
  } catch (error) {
    if (isSlipwayError(error, 'NotFound')) return [];
    throw error;
  }
}

const subjectSchema = z.looseObject({
  mediaType: z.string().optional(),
  artifactType: z.string().optional(),
  config: z.looseObject({ mediaType: z.string() }).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
  subject: z.looseObject({ digest: digestSchema }),
});

/**
 * Stores a manifest, and adds one that has a subject to the index of its referrers where the registry does not say that
 * it does so itself.
 * @throws as `putManifest`
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests-with-subject
 */
export async function pushManifest(
  session: RepositorySession,
  target: string,
  manifest: { readonly bytes: Uint8Array; readonly mediaType: string },
  call: Call = {},
): Promise<{ readonly digest: Digest }> {
  const { digest, knowsSubject } = await putManifest(session, target, manifest, call);
  const found = knowsSubject ? undefined : readSubject(manifest.bytes);
  if (found === undefined) return { digest };
  const { subject, artifactType = found.config?.mediaType, annotations } = found;
  const size = manifest.bytes.byteLength;
  const known = await readReferrersTag(session, subject.digest, call);
  if (known.some((one) => one.digest === digest)) return { digest };
  const manifests = [...known, { mediaType: manifest.mediaType, digest, size, artifactType, annotations }];
  const index = { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests };
  const bytes = Buffer.from(JSON.stringify(index));
  await putManifest(session, referrersTag(subject.digest), { bytes, mediaType: MediaType.ociIndex }, call);
  return { digest };
}

/** What a manifest with a subject says of itself; undefined for any other document. */
function readSubject(bytes: Uint8Array): z.infer<typeof subjectSchema> | undefined {
  try {
    return subjectSchema.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8'))).data;
  } catch {
    return undefined;
  }
}

/** The tag under which a registry without the API keeps the index of what refers to a manifest. */
const referrersTag = (digest: Digest): string =>
  `${digestAlgorithm(digest).slice(0, 32)}-${digestHex(digest).slice(0, 64)}`;

function readIndex(bytes: Buffer, session: RepositorySession): readonly Descriptor[] {
  try {
    return parseIndex(bytes).manifests;
  } catch (error) {
    throw inPlace(error, session.place);
  }
}
