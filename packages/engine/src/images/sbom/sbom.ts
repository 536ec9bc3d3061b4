import { SlipwayError } from '@slipway/base';
import { type ChainId, type DiffId, parseReference } from '@slipway/oci';
import { PackageURL } from 'packageurl-js';
import type { ImageContext } from '../context.ts';
import type { Image } from '../image.ts';
import { toCycloneDx } from './cyclonedx.ts';
import { takeInventory } from './inventory.ts';
import type { UnpackedLayer } from './merged-files.ts';
import { toSpdx } from './spdx.ts';
import type { SbomSubject } from './subject.ts';

/** The forms that a bill of materials can have. */
export type SbomFormat = 'spdx-json' | 'cyclonedx-json';

export interface SbomOptions {
  readonly format: string;
  readonly signal?: AbortSignal | undefined;
}

/** A bill of materials, as its own text. */
export interface Sbom {
  readonly contentType: string;
  readonly text: string;
}

const FORMATS = {
  'spdx-json': { contentType: 'application/spdx+json', write: toSpdx },
  'cyclonedx-json': { contentType: 'application/vnd.cyclonedx+json; version=1.6', write: toCycloneDx },
} as const satisfies Record<SbomFormat, object>;

/** A file system that a bill of materials is of. */
export interface LayersSubject {
  readonly image: SbomSubject['image'];
  /** Bottom to top, as snapshots. */
  readonly layers: readonly { readonly diffId: DiffId; readonly chainId: ChainId }[];
}

/** What an image holds: the packages of dpkg, apk, npm and Python. @throws NotFound, InvalidArgument for another format */
export async function imageSbom(context: ImageContext, text: string, options: SbomOptions): Promise<Sbom> {
  const image = context.catalog.get(text);
  return await layersSbom(
    context,
    {
      image: { name: image.repoTags[0] ?? image.id, id: image.id, purl: imagePurl(image) },
      layers: image.diffIds.map((diffId, index) => ({ diffId, chainId: image.chainIds[index] as ChainId })),
    },
    options,
  );
}

/** @see imageSbom */
export async function layersSbom(
  { store, clock }: ImageContext,
  { image, layers: stack }: LayersSubject,
  { format, signal }: SbomOptions,
): Promise<Sbom> {
  if (!isFormat(format)) {
    throw new SlipwayError(
      'InvalidArgument',
      `unknown format "${format}": must be ${Object.keys(FORMATS).join(' or ')}`,
    );
  }
  // The image may be removed while it is read.
  await using _lease = store.leases.acquire({
    resources: { snapshots: stack.map(({ chainId }) => chainId) },
  });
  const layers: UnpackedLayer[] = [];
  for (const { diffId, chainId } of stack) {
    layers.unshift({ diffId, folder: await store.snapshots.upperPath(chainId) });
  }
  const inventory = await takeInventory(layers, { signal });
  const { contentType, write } = FORMATS[format];
  return { contentType, text: `${write({ image, inventory, createdAtMs: clock.nowMs() })}\n` };
}

const isFormat = (format: string): format is SbomFormat => Object.hasOwn(FORMATS, format);

/** An image without a name has none. @see https://github.com/package-url/purl-spec/blob/main/types-doc/oci-definition.md */
function imagePurl({ repoTags, manifest }: Image): string | undefined {
  const [name] = repoTags;
  if (name === undefined) return undefined;
  const { domain, path, tag } = parseReference(name);
  const qualifiers = { repository_url: `${domain}/${path}`, ...(tag === undefined ? {} : { tag }) };
  const last = path.slice(path.lastIndexOf('/') + 1);
  return new PackageURL('oci', undefined, last, manifest.digest, qualifiers, undefined).toString();
}
