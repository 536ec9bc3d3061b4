import type { Clock } from '@slipway/base';
import type { BuildResult, DockerfilePlan } from '@slipway/build';
import { computeDigest, formatFamiliar, type Reference } from '@slipway/oci';
import type { EventBus } from '../../events/index.ts';
import type { Image, ImageService } from '../../images/index.ts';
import type { BuildRecords } from '../records.ts';
import { imageConfig } from './image-config.ts';

export interface ExportContext {
  readonly images: ImageService;
  readonly events: EventBus;
  readonly clock: Clock;
  readonly records: BuildRecords;
}

/** The configuration's bytes; the same ones for the same content. */
export const builtConfig = (
  { clock, records }: Pick<ExportContext, 'clock' | 'records'>,
  plan: DockerfilePlan,
  { layers }: Pick<BuildResult, 'layers'>,
): Buffer => imageConfig(plan, layers, (content) => records.firstBuiltAtMs(content, clock.nowMs()));

/** Makes an image of the engine of what was built, under all its names at once. */
export async function exportImage(
  context: ExportContext,
  {
    plan,
    result,
    references,
  }: { plan: DockerfilePlan; result: BuildResult; references: readonly Reference[] },
): Promise<Image> {
  const { images, events } = context;
  const configBytes = builtConfig(context, plan, result);
  // A build that changed nothing has come to an image that is here, with all that it needs.
  const known = images.find(computeDigest(configBytes));
  const image =
    known === undefined
      ? await images.register(
          { configBytes, layers: result.layers.map(({ blob }) => blob), references },
          { lease: result.lease },
        )
      : images.addReferences(known.id, references);
  for (const reference of references) {
    events.publish({
      type: 'image',
      action: 'tag',
      id: image.id,
      attributes: { ...image.config.Labels, name: formatFamiliar(reference) },
    });
  }
  return image;
}
