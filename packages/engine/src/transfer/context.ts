import type { Clock, Logger, Random } from '@slipway/base';
import type { RegistryClient } from '@slipway/distribution/client';
import { familiarName, formatFamiliar, type Reference } from '@slipway/oci';
import type { Store } from '@slipway/store';
import type { EventBus } from '../events/index.ts';
import type { Image, ImageService } from '../images/index.ts';
import type { BlobDownloads } from './downloads.ts';
import type { PullLeases } from './pull-leases.ts';
import type { TransferRecords } from './records.ts';

/** What the verbs of this slice stand on. Each verb is a function `(context, …)`. */
export interface TransferContext {
  readonly store: Store;
  readonly images: ImageService;
  readonly events: EventBus;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly records: TransferRecords;
  readonly leases: PullLeases;
  readonly downloads: BlobDownloads;
  /** The one client; its code is loaded at the first use. */
  readonly client: () => Promise<RegistryClient>;
  /** Whether a registry is this engine's own, on the same store. */
  readonly isOwnRegistry: (domain: string) => boolean;
}

/** Tells the world of a pull or push, with the actor and attributes that docker gives. */
export function publish(
  { events }: TransferContext,
  action: 'pull' | 'push',
  image: Image,
  reference: Reference,
): void {
  events.publish({
    type: 'image',
    action,
    id: formatFamiliar(reference),
    attributes: { ...image.config.Labels, name: familiarName(reference) },
  });
}
