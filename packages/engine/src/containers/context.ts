import type { Clock, HostPath, KeyedLock, Logger, Random } from '@slipway/base';
import type { Networks } from '@slipway/network';
import type { Runtime, Task } from '@slipway/runtime';
import type { Snapshotter } from '@slipway/store';
import type { EventBus } from '../events/index.ts';
import type { ImageService } from '../images/index.ts';
import type { NetworkService } from '../networks/index.ts';
import type { VolumeService } from '../volumes/index.ts';
import type { Container, ContainerRoots } from './container.ts';
import type { ContainerRecords } from './records.ts';
import type { ContainerRegistry } from './registry.ts';
import type { PlaceholderLayers } from './run/placeholder-layer.ts';

/** What the verbs of this slice stand on. Each verb is a function `(context, container, …)`. */
export interface ContainerContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly events: EventBus;
  readonly images: ImageService;
  readonly volumes: VolumeService;
  readonly networks: NetworkService;
  readonly networking: Networks;
  readonly runtime: Runtime;
  readonly snapshots: Snapshotter;
  readonly placeholders: PlaceholderLayers;
  readonly records: ContainerRecords;
  readonly registry: ContainerRegistry;
  /** One verb at a time for each container. */
  readonly locks: KeyedLock;
  readonly supervisor: Supervisor;
  readonly config: ContainersConfig;
}

/** Watches over runs. An interface, because what follows an exit may be another start. */
export interface Supervisor {
  watch(container: Container, task: Task): void;
}

export interface ContainersConfig extends ContainerRoots {
  /** @see PlaceholderLayers */
  readonly placeholderRoot: HostPath;
  /** tini, for `--init`. */
  readonly initPath: string;
  readonly cgroupParent: string;
  readonly cgroupVersion: 1 | 2;
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
  /** Defaults of the json-file log; undefined size: never rotated. */
  readonly logMaxSizeBytes: number | undefined;
  readonly logMaxFiles: number;
}

/** Tells the world about a container, with the attributes docker gives: its labels, image and name. */
export function publish(
  context: ContainerContext,
  container: Container,
  action: string,
  attributes: Readonly<Record<string, string>> = {},
): void {
  const { id, name, imageReference, config } = container.definition;
  context.events.publish({
    type: 'container',
    action,
    id,
    attributes: { ...config.Labels, image: imageReference, name, ...attributes },
  });
}
