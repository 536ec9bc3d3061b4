import { formatTimeNs } from '@slipway/base';
import {
  computeDigest,
  type Descriptor,
  type DiffId,
  formatFamiliar,
  type ImageConfig,
  type ImageRunConfig,
  type Reference,
} from '@slipway/oci';
import { TAR_END } from '@slipway/store';
import { type ImageContext, publish } from './context.ts';
import type { Image } from './image.ts';
import { imageWithLayer } from './import.ts';

/** What a container has come to, as an image on top of its own. */
export interface CommitImageOptions {
  readonly parent: Image;
  /** What the container changed, as a layer's tar. */
  readonly layer: AsyncIterable<Uint8Array>;
  readonly config: ImageRunConfig;
  readonly author: string;
  readonly comment: string;
  /** What it ran, for the history. */
  readonly createdBy: string;
  /** Docker tells both of a committed image. */
  readonly container: { readonly id: string; readonly config: Readonly<Record<string, unknown>> };
  readonly reference: Reference | undefined;
  readonly signal: AbortSignal;
}

/** The digest of a tar archive with nothing in it: such a layer is none. */
const EMPTY_TAR = computeDigest(TAR_END);

/** Records the image, and its name. A failure leaves nothing. @throws what `layer` throws */
export async function commitImage(
  context: ImageContext,
  { layer, reference, signal, ...options }: CommitImageOptions,
): Promise<Image> {
  const created = formatTimeNs(context.clock.nowNs());
  const describe = (added: Descriptor) => {
    const own = added.digest === EMPTY_TAR ? [] : [added];
    const document = documentOf(options, created, own[0]);
    return { document, layers: [...options.parent.layers, ...own] };
  };
  const references = reference === undefined ? [] : [reference];
  const image = await imageWithLayer(context, layer, describe, { references, signal });
  if (reference !== undefined) publish(context, 'tag', image.id, formatFamiliar(reference));
  return image;
}

function documentOf(
  options: Omit<CommitImageOptions, 'layer' | 'reference' | 'signal'>,
  created: string,
  layer: Descriptor | undefined,
): ImageConfig {
  const { parent, config, author, comment, createdBy, container } = options;
  const { rootfs, history = [], ...inherited } = parent.document;
  const diffIds = layer === undefined ? [] : [layer.digest as string as DiffId];
  return {
    ...inherited,
    author: author || undefined,
    created,
    container: container.id,
    container_config: container.config,
    config,
    rootfs: { ...rootfs, diff_ids: [...rootfs.diff_ids, ...diffIds] },
    history: [
      ...history,
      {
        created,
        author: author || undefined,
        created_by: createdBy || undefined,
        comment: comment || undefined,
        ...(layer === undefined ? { empty_layer: true } : {}),
      },
    ],
  };
}
