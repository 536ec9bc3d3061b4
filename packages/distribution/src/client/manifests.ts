import { isSlipwayError, SlipwayError } from '@slipway/base';
import {
  type Descriptor,
  type Digest,
  familiarName,
  formatFamiliar,
  isDigest,
  MediaType,
} from '@slipway/oci';
import { answerError, formatReason, htmlAnswer } from './errors.ts';
import { contentLengthOf, contentTypeOf, type HttpResponse, headerOf } from './http.ts';
import { digestOf, inspectManifest, isSchema1, isSpecific, schema1Error } from './manifest-document.ts';
import type { FetchedManifest } from './registry.ts';
import { fetchDocument, PULL, PUSH, type RepositorySession, repositoryScope, urlOf } from './session.ts';

/** What a manifest may have; the same limit as registries have. */
const MANIFEST_MAX_BYTES = 4 * 1024 * 1024;

type Call = { readonly signal?: AbortSignal | undefined };

/** All that is understood, and then anything: artifacts have types of their own. */
const ACCEPT = [
  MediaType.ociIndex,
  MediaType.ociManifest,
  MediaType.dockerManifestList,
  MediaType.dockerManifest,
  '*/*',
].join(', ');

/** Statuses of HEAD after which GET, whose errors have a text, is asked. */
const ASK_WITH_GET: ReadonlySet<number> = new Set([200, 400, 401, 403, 404, 405, 406, 501]);

const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

/** @throws InvalidArgument for what is neither tag nor digest */
function checkTarget(target: string): string {
  if (TAG.test(target) || isDigest(target)) return target;
  throw new SlipwayError('InvalidArgument', `"${target}" is neither a tag nor a digest`, {
    reason: 'MANIFEST_INVALID',
  });
}

const manifestUrl = (session: RepositorySession, target: string): URL =>
  urlOf(session, `${session.path}/manifests/${checkTarget(target)}`);

const referenceText = ({ domain, path }: RepositorySession, target: string): string =>
  formatFamiliar({ domain, path, ...(isDigest(target) ? { digest: target } : { tag: target }) });

/**
 * A manifest's descriptor, without its bytes where HEAD tells enough.
 * @throws NotFound, DataLoss
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#checking-if-content-exists-in-the-registry
 */
export async function resolveManifest(
  session: RepositorySession,
  target: string,
  call: Call = {},
): Promise<Descriptor> {
  const response = await session.dispatch({
    method: 'HEAD',
    url: manifestUrl(session, target),
    headers: { accept: ACCEPT },
    scopes: [repositoryScope(session.path, PULL)],
    signal: call.signal,
  });
  const { status } = response;
  if (!ASK_WITH_GET.has(status)) throw await manifestRefused(session, target, response);
  response.discard();
  const digest = headerOf(response, 'docker-content-digest');
  const mediaType = contentTypeOf(response);
  const size = contentLengthOf(response) ?? 0;
  if (status !== 200 || digest === undefined || !isDigest(digest) || size === 0 || !isSpecific(mediaType)) {
    return (await fetchManifest(session, target, call)).descriptor;
  }
  if (mediaType === 'text/html') throw htmlAnswer(response, session.place, 'a manifest');
  if (isSchema1(mediaType)) throw schema1Error(session.place, target);
  if (isDigest(target) && target !== digest) throw otherDigest(session, target, digest);
  if (size > MANIFEST_MAX_BYTES) throw tooLarge(session, target);
  return { mediaType, digest, size };
}

/**
 * A manifest, its digest and its media type checked.
 * @throws NotFound in docker's words; DataLoss for other bytes than were asked for; InvalidArgument for what is no manifest
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
 */
export async function fetchManifest(
  session: RepositorySession,
  target: string,
  call: Call = {},
): Promise<FetchedManifest> {
  const request = {
    method: 'GET' as const,
    url: manifestUrl(session, target),
    headers: { accept: ACCEPT },
    scopes: [repositoryScope(session.path, PULL)],
    signal: call.signal,
  };
  const { response, bytes } = await fetchDocument(session, request, MANIFEST_MAX_BYTES).catch((error) => {
    throw isSlipwayError(error, 'ResourceExhausted') ? tooLarge(session, target, error) : error;
  });
  if (bytes === undefined) throw await manifestRefused(session, target, response);
  const contentType = contentTypeOf(response);
  if (contentType === 'text/html') throw htmlAnswer(response, session.place, 'a manifest');
  // Before the digest: that of a signed schema 1 manifest is not of the bytes that come.
  if (isSchema1(contentType)) throw schema1Error(session.place, target);
  const said = headerOf(response, 'docker-content-digest');
  const digest = checkDigest(session, target, bytes, said);
  const mediaType = inspectManifest(bytes, contentType, session.place, target);
  return { descriptor: { mediaType, digest, size: bytes.byteLength }, bytes };
}

/** The digest that names the bytes: the one asked for, or else the registry's, both verified. */
function checkDigest(
  session: RepositorySession,
  target: string,
  bytes: Buffer,
  said: string | undefined,
): Digest {
  if (said !== undefined && !isDigest(said)) {
    throw new SlipwayError(
      'DataLoss',
      `${session.place}: the manifest ${target} came with "${said}" for a digest, which is none`,
      { reason: 'DIGEST_INVALID' },
    );
  }
  const wanted = isDigest(target) ? target : said;
  for (const digest of [wanted, said]) {
    if (digest === undefined) continue;
    const actual = digestOf(bytes, digest);
    if (actual !== digest) throw otherDigest(session, digest, actual);
  }
  return wanted ?? digestOf(bytes, 'sha256:' as Digest);
}

/**
 * Stores a manifest under a tag or its digest.
 * @returns its digest, and whether the registry lists it with its subject, where it has one
 * @throws InvalidArgument for another digest than its own; DataLoss when the registry stored something else
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests
 */
export async function putManifest(
  session: RepositorySession,
  target: string,
  { bytes, mediaType }: { readonly bytes: Uint8Array; readonly mediaType: string },
  call: Call = {},
): Promise<{ readonly digest: Digest; readonly knowsSubject: boolean }> {
  const url = manifestUrl(session, target);
  const digest = digestOf(bytes, isDigest(target) ? target : ('sha256:' as Digest));
  if (isDigest(target) && digest !== target) {
    throw new SlipwayError(
      'InvalidArgument',
      `a manifest of digest ${digest} cannot be pushed as ${target} to ${session.place}`,
      { reason: 'DIGEST_INVALID' },
    );
  }
  const response = await session.dispatch({
    method: 'PUT',
    url,
    headers: { 'content-type': mediaType },
    body: bytes,
    scopes: [repositoryScope(session.path, PUSH)],
    canRepeat: true,
    signal: call.signal,
  });
  if (response.status < 200 || response.status > 299) {
    throw await answerError(response, {
      place: session.place,
      action: `the manifest ${target} was not taken`,
    });
  }
  response.discard();
  const said = headerOf(response, 'docker-content-digest');
  if (said !== undefined && isDigest(said) && digestOf(bytes, said) !== said) {
    throw otherDigest(session, digest, said);
  }
  return { digest, knowsSubject: headerOf(response, 'oci-subject') !== undefined };
}

async function manifestRefused(
  session: RepositorySession,
  target: string,
  response: HttpResponse,
): Promise<SlipwayError> {
  const isHtml = contentTypeOf(response) === 'text/html';
  if (isHtml && response.status < 500 && response.status !== 429) {
    response.discard();
    return htmlAnswer(response, session.place, 'a manifest');
  }
  if (response.status !== 404) {
    return answerError(response, { place: session.place, action: `cannot read the manifest ${target}` });
  }
  const error = await answerError(response, {
    place: session.place,
    action: 'not found',
    reason: 'MANIFEST_UNKNOWN',
  });
  const reason = error.reason ?? 'MANIFEST_UNKNOWN';
  const why = error.message.slice(error.message.indexOf(formatReason(reason)));
  const what =
    reason === 'NAME_UNKNOWN'
      ? `repository ${familiarName(session)}`
      : `manifest for ${referenceText(session, target)}`;
  return new SlipwayError('NotFound', `${what} not found: ${why}`, { reason, cause: error });
}

const otherDigest = (session: RepositorySession, wanted: string, actual: string) =>
  new SlipwayError(
    'DataLoss',
    `${session.place}: the manifest ${wanted} was expected, but the registry has ${actual} in its place`,
    { reason: 'DIGEST_INVALID' },
  );

const tooLarge = (session: RepositorySession, target: string, cause?: unknown) =>
  new SlipwayError(
    'InvalidArgument',
    `${session.place}: the manifest ${target} has more than the ${MANIFEST_MAX_BYTES} bytes a manifest may have`,
    { reason: 'MANIFEST_INVALID', cause },
  );
