import type { Clock, HostPath, Logger } from '@slipway/base';
import type { ImageId } from '@slipway/oci';
import type { Collected, Store } from '@slipway/store';
import type { EventBus } from '../events/index.ts';
import type { ImageCatalog } from './catalog.ts';

/** What stands on an image. */
export interface ImageUser {
  readonly kind: 'container' | 'function';
  /** Of a container its id, of a function its name. */
  readonly id: string;
  /** Functions may run at any time. */
  readonly running: boolean;
}

/** What the verbs of this slice stand on. Each verb is a function `(context, …)`. */
export interface ImageContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: EventBus;
  readonly store: Store;
  readonly catalog: ImageCatalog;
  /** Frees the blobs and snapshots that nothing needs. */
  readonly collectGarbage: () => Promise<Collected>;
  /** What stands on an image; nothing until who knows has registered. */
  readonly usersOf: (id: ImageId) => readonly ImageUser[];
  /** Room for what is thrown away at the end of a verb; emptied at start. */
  readonly scratchRoot: HostPath;
  /** @see ImageServiceOptions.toolPath */
  readonly toolPath: string | undefined;
}

/** Tells the world about an image, with the attributes docker gives: its labels and the name it was called by. */
export function publish(
  context: ImageContext,
  action: 'load' | 'import' | 'tag' | 'untag' | 'delete' | 'save',
  id: ImageId,
  name: string,
): void {
  const labels = context.catalog.findById(id)?.config.Labels;
  context.events.publish({ type: 'image', action, id, attributes: { ...labels, name } });
}
