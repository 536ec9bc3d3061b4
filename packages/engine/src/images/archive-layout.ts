import { posix } from 'node:path';
import { SlipwayError } from '@slipway/base';
import {
  type Descriptor,
  digestHex,
  digestSchema,
  hostPlatform,
  isConfigType,
  isIndexType,
  isManifestType,
  matchesPlatform,
  parseIndex,
  parseJson,
  parseManifest,
  parseReference,
  type Reference,
  withDefaultTag,
} from '@slipway/oci';
import { z } from 'zod';

/** What the reader of an archive offers of its small files; a large one has only a size. */
export interface ArchiveFiles {
  has(name: string): boolean;
  /** @throws InvalidArgument when the archive has no such file, or one too large to be a document */
  read(name: string): Promise<Uint8Array>;
}

/** An image as an archive describes it, not yet verified. Paths are names in the archive. */
export interface ArchivedImage {
  readonly configPath: string;
  readonly layerPaths: readonly string[];
  /** The manifest that the archive has for it. */
  readonly manifest: { readonly bytes: Uint8Array; readonly mediaType: string } | undefined;
  /** The manifest's own words on the layers, bottom to top; undefined in archives of Docker's form. */
  readonly layers: readonly Descriptor[] | undefined;
  readonly references: readonly Reference[];
}

/** @see moby image/spec/v1.2.md, "Combined Image JSON + Filesystem Changeset Format" */
const dockerManifestSchema = z.array(
  z.looseObject({
    Config: z.string(),
    RepoTags: z.array(z.string()).nullish(),
    Layers: z.array(z.string()).nullish(),
  }),
);

/**
 * The images of an archive: docker-archive (`manifest.json`) or, without that, OCI image layout (`index.json`).
 * @throws InvalidArgument when it is neither, or contradicts itself
 * @see https://github.com/opencontainers/image-spec/blob/main/image-layout.md
 */
export async function readLayout(files: ArchiveFiles): Promise<ArchivedImage[]> {
  if (files.has('manifest.json')) return await readDockerArchive(files);
  if (files.has('index.json')) return await readOciLayout(files);
  if (files.has('repositories')) {
    throw new SlipwayError(
      'InvalidArgument',
      'the archive was saved by a docker older than 1.10 and has no manifest.json: load and save it with a newer docker',
    );
  }
  throw new SlipwayError(
    'InvalidArgument',
    'not an image archive: it has neither manifest.json nor index.json (a plain file system is brought in with import)',
  );
}

async function readDockerArchive(files: ArchiveFiles): Promise<ArchivedImage[]> {
  const entries = parseJson(
    await files.read('manifest.json'),
    dockerManifestSchema,
    'manifest.json of the archive',
  );
  const manifests = files.has('index.json') ? await ociManifests(files) : [];
  return entries.map(({ Config, RepoTags, Layers }) => {
    const configPath = normalizeEntryName(Config);
    const layerPaths = (Layers ?? []).map(normalizeEntryName);
    const twin = manifests.find(
      ({ manifest }) =>
        blobPath(manifest.config) === configPath &&
        manifest.layers.map(blobPath).join('\n') === layerPaths.join('\n'),
    );
    return {
      configPath,
      layerPaths,
      manifest: twin,
      layers: twin?.manifest.layers,
      references: (RepoTags ?? []).map((tag) => withDefaultTag(parseReference(tag))),
    };
  });
}

async function readOciLayout(files: ArchiveFiles): Promise<ArchivedImage[]> {
  const manifests = await ociManifests(files);
  if (manifests.length === 0) {
    throw new SlipwayError(
      'InvalidArgument',
      'the index.json of the archive names no image for this platform',
    );
  }
  return manifests.map(({ manifest, bytes, mediaType, reference }) => ({
    configPath: blobPath(manifest.config),
    layerPaths: manifest.layers.map(blobPath),
    manifest: { bytes, mediaType },
    layers: manifest.layers,
    references: reference === undefined ? [] : [reference],
  }));
}

interface OciManifest {
  readonly manifest: ReturnType<typeof parseManifest>;
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly reference: Reference | undefined;
}

/** The image manifests that `index.json` names; of a nested index the one for this platform. */
async function ociManifests(files: ArchiveFiles): Promise<OciManifest[]> {
  const found: OciManifest[] = [];
  for (const descriptor of parseIndex(await files.read('index.json')).manifests) {
    const chosen = isIndexType(descriptor.mediaType) ? await choosePlatform(files, descriptor) : descriptor;
    if (chosen === undefined || !isManifestType(chosen.mediaType) || !files.has(blobPath(chosen))) continue;
    const bytes = await files.read(blobPath(chosen));
    const manifest = parseManifest(bytes);
    // Attestations and other artefacts are not images.
    if (!isConfigType(manifest.config.mediaType)) continue;
    found.push({ manifest, bytes, mediaType: chosen.mediaType, reference: referenceOf(descriptor) });
  }
  return found;
}

async function choosePlatform(files: ArchiveFiles, descriptor: Descriptor): Promise<Descriptor | undefined> {
  if (!files.has(blobPath(descriptor))) return undefined;
  const { manifests } = parseIndex(await files.read(blobPath(descriptor)));
  const host = hostPlatform();
  const wanted = manifests.find(
    ({ platform }) =>
      platform !== undefined &&
      matchesPlatform(host, { ...platform, variant: platform.variant ?? undefined }),
  );
  return wanted ?? manifests.find(({ platform }) => platform === undefined);
}

/** containerd's name is complete; the layout's own may be a tag alone, which names nothing. */
function referenceOf({ annotations }: Descriptor): Reference | undefined {
  const name =
    annotations?.['io.containerd.image.name'] ?? annotations?.['org.opencontainers.image.ref.name'];
  if (name === undefined || !/[:/]/.test(name)) return undefined;
  return withDefaultTag(parseReference(name));
}

/** Where an OCI layout keeps a blob. */
export const blobPath = ({ digest }: Pick<Descriptor, 'digest'>): string =>
  `blobs/${digest.slice(0, digest.indexOf(':'))}/${digestHex(digest)}`;

const CLAIM = /^(?:blobs\/sha256\/([a-f0-9]{64})|([a-f0-9]{64})\.json)$/;

/** The digest that a file's name in the archive claims for it; undefined when it claims none. */
export function claimedDigest(name: string) {
  const match = CLAIM.exec(name);
  const hex = match?.[1] ?? match?.[2];
  return hex === undefined ? undefined : digestSchema.parse(`sha256:${hex}`);
}

/** The one spelling of an entry's name: `./a//b` is `a/b`. @throws InvalidArgument for a name that leads out */
export function normalizeEntryName(name: string): string {
  const normal = posix.normalize(name).replace(/\/$/, '');
  if (normal.startsWith('/') || normal === '..' || normal.startsWith('../') || normal.includes('\0')) {
    throw new SlipwayError(
      'InvalidArgument',
      `the archive names ${JSON.stringify(name)}, which is outside of it`,
    );
  }
  return normal;
}
