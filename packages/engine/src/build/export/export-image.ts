import { type Clock, SlipwayError } from '@slipway/base';
import type { BuildResult, DockerfilePlan } from '@slipway/build';
import {
  type Descriptor,
  formatFamiliar,
  hostPlatform,
  matchesPlatform,
  type Platform,
  type Reference,
} from '@slipway/oci';
import type { Store } from '@slipway/store';
import type { EventBus } from '../../events/index.ts';
import {
  type DocumentSink,
  type Image,
  type ImageParts,
  type ImageService,
  type ImageStatement,
  needIndex,
  writeImages,
} from '../../images/index.ts';
import { packageUrl } from '../../transfer/index.ts';
import type { BuildRecords } from '../records.ts';
import { imageConfig } from './image-config.ts';

/** What a Dockerfile came to for one platform. */
export interface Built {
  readonly plan: DockerfilePlan;
  readonly result: BuildResult;
  /** What its configuration is to tell other builders of its steps. */
  readonly inlineCache?: string | undefined;
  /** @see ImageParts.isPartOfIndex */
  readonly isPartOfIndex?: boolean | undefined;
}

/** It, with what is said about it. */
export interface BuiltImage extends Built {
  readonly statements: readonly ImageStatement[];
}

export interface ExportContext {
  readonly store: Store;
  readonly images: ImageService;
  readonly events: EventBus;
  readonly clock: Clock;
  readonly records: BuildRecords;
}

export interface ExportedImage {
  /** The image for this machine, else for the first platform. */
  readonly image: Image;
  /** What the names stand for: its manifest, or an index. */
  readonly top: Descriptor;
}

/** The parts of an image; the same ones for the same content. */
export const partsOf = (
  { clock, records }: Pick<ExportContext, 'clock' | 'records'>,
  { plan, result: { layers }, inlineCache, statements, isPartOfIndex = false }: BuiltImage,
): ImageParts => ({
  configBytes: imageConfig(plan, layers, {
    inlineCache,
    createdAtMs: (content) => records.firstBuiltAtMs(content, clock.nowMs()),
  }),
  layers: layers.map(({ blob }) => blob),
  platform: plan.platform,
  statements,
  isPartOfIndex,
});

/**
 * Makes an image of the engine of what was built, under all its names at once. Of several platforms it is the one of this
 * machine that runs and is listed; the names stand for an index of all.
 */
export async function exportImages(
  context: ExportContext,
  { images: built, references }: { images: readonly BuiltImage[]; references: readonly Reference[] },
): Promise<ExportedImage> {
  const own = built.find(({ plan }) => isOwn(plan.platform)) ?? built[0];
  if (own === undefined) throw new SlipwayError('Internal', 'a build came to no image');
  const { store, images, events } = context;
  const { lease } = own.result;
  const parts = built.map((one) => partsOf(context, one));
  const name = references[0] && packageUrl(references[0]);
  const index = needIndex(parts) ? await writeImages(storeSink(store, lease), parts, { name }) : undefined;
  const { configBytes, layers } = partsOf(context, own);
  const image = await images.register({ configBytes, layers, references, index }, { lease });
  for (const reference of references) {
    events.publish({
      type: 'image',
      action: 'tag',
      id: image.id,
      attributes: { ...image.config.Labels, name: formatFamiliar(reference) },
    });
  }
  return { image, top: index ?? image.manifest };
}

const isOwn = (platform: Platform): boolean => matchesPlatform(hostPlatform(), platform);

function storeSink({ content }: Store, lease: BuildResult['lease']): DocumentSink {
  const write = async (bytes: Buffer, mediaType: string): Promise<Descriptor> => {
    const { digest, sizeBytes } = await content.write(bytes);
    lease.add({ blobs: [digest] });
    return { mediaType, digest, size: sizeBytes };
  };
  return { blob: write, document: write };
}
