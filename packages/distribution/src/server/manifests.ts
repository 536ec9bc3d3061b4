import { createHash } from 'node:crypto';
import { collectBytes, errorMessage, isSlipwayError, SlipwayError } from '@slipway/base';
import { bytes, empty, type Reply, type RouteRequest } from '@slipway/http';
import { computeDigest, type Digest, digestAlgorithm, MediaType, parseJsonObject } from '@slipway/oci';
import type { NewManifest } from './backend.ts';
import { contentHeaders, type Endpoint, type Exchange, isKnown } from './exchange.ts';
import { isDigestReference, parseDigestReference, parseTag, parseTagOrDigest } from './names.ts';

/** What every registry takes, and most take no more. @see spec.md, "Pushing Manifests" */
const MAX_BYTES = 4 * 1024 * 1024;
/** Of an application: a browser that is shown a manifest must not take it for a page of this host. */
const MEDIA_TYPE = /^application\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$/i;

/** `GET` and `HEAD /v2/NAME/manifests/REFERENCE`. `Accept` is not looked at: there is one form of each manifest. */
export const getManifest: Endpoint = {
  action: 'pull',
  handle: async ({ backend, repository, reference, request }) => {
    const manifest = await backend.getManifest(repository, parseTagOrDigest(reference));
    const headers = contentHeaders(manifest.digest);
    if (isKnown(request, manifest.digest)) return empty(304, headers);
    return bytes(200, manifest.mediaType, manifest.bytes, headers);
  },
};

/** `PUT /v2/NAME/manifests/REFERENCE`, with more tags in `tag`. */
export const putManifest: Endpoint = { action: 'push', handle: storeManifest };

/** `DELETE /v2/NAME/manifests/REFERENCE`: a tag alone, or a manifest with its tags. */
export const deleteManifest: Endpoint = {
  action: 'delete',
  handle: async ({ backend, repository, reference, visitor }) => {
    if (isDigestReference(reference)) {
      await backend.deleteManifest(repository, parseDigestReference(reference), visitor);
    } else {
      await backend.deleteTag(repository, parseTag(reference), visitor);
    }
    return empty(202);
  },
};

async function storeManifest({ backend, repository, reference, request, visitor }: Exchange): Promise<Reply> {
  const target = parseTagOrDigest(reference);
  const tags = [...new Set(request.query.getAll('tag').map(parseTag))];
  if (!isDigestReference(target) && !tags.includes(target)) tags.unshift(target);
  const manifest = await readManifest(request, isDigestReference(target) ? target : undefined);
  const { subject } = await backend.putManifest(repository, manifest, { tags, visitor });
  return empty(201, {
    Location: `/v2/${repository}/manifests/${manifest.digest}`,
    'Docker-Content-Digest': manifest.digest,
    ...(subject === undefined ? {} : { 'OCI-Subject': subject }),
    ...(tags.length === 0 ? {} : { 'OCI-Tag': tags }),
  });
}

/** @throws ResourceExhausted SIZE_INVALID, InvalidArgument DIGEST_INVALID, MANIFEST_INVALID */
async function readManifest(request: RouteRequest, named: Digest | undefined): Promise<NewManifest> {
  const body = await readBody(request);
  const digest =
    named === undefined ? computeDigest(body) : verifyDigest(body, named, request.headers['content-type']);
  return { bytes: body, digest, mediaType: readMediaType(body, request.headers['content-type']) };
}

async function readBody(request: RouteRequest): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > MAX_BYTES) throw tooLarge();
  try {
    return await collectBytes(request.body, MAX_BYTES);
  } catch (cause) {
    throw isSlipwayError(cause, 'ResourceExhausted') ? tooLarge() : cause;
  }
}

function verifyDigest(body: Uint8Array, named: Digest, contentType: string | undefined): Digest {
  const algorithm = digestAlgorithm(named);
  const actual = `${algorithm}:${createHash(algorithm).update(body).digest('hex')}`;
  if (actual === named) return named;
  throw new SlipwayError(
    'InvalidArgument',
    `the manifest (${body.byteLength} bytes, ${contentType ?? 'without a Content-Type'}) has digest ${actual}, not ${named} as the path says`,
    { reason: 'DIGEST_INVALID' },
  );
}

/** The header's type, with which the document must agree where it says one; else the document's. */
function readMediaType(body: Uint8Array, contentType: string | undefined): string {
  const document = parseDocument(body);
  const said = contentType?.split(';', 1)[0]?.trim() || undefined;
  const own = document['mediaType'] ?? undefined;
  if (own !== undefined && typeof own !== 'string') throw invalid('its mediaType is not text');
  if (said !== undefined && own !== undefined && said !== own) {
    throw invalid(
      `its mediaType is ${JSON.stringify(own.slice(0, 200))}, the Content-Type header says ${said}`,
    );
  }
  const mediaType = said ?? own ?? ('manifests' in document ? MediaType.ociIndex : MediaType.ociManifest);
  if (!MEDIA_TYPE.test(mediaType)) {
    throw invalid(
      `${JSON.stringify(mediaType.slice(0, 200))} is not a media type of the form application/NAME`,
    );
  }
  return mediaType;
}

function parseDocument(body: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    return parseJsonObject(body, 'manifest');
  } catch (cause) {
    throw new SlipwayError('InvalidArgument', errorMessage(cause), { reason: 'MANIFEST_INVALID', cause });
  }
}

const tooLarge = () =>
  new SlipwayError('ResourceExhausted', `the manifest is larger than the ${MAX_BYTES} bytes allowed`, {
    reason: 'SIZE_INVALID',
  });

const invalid = (why: string) =>
  new SlipwayError('InvalidArgument', `the manifest is not valid: ${why}`, { reason: 'MANIFEST_INVALID' });
