import type { ContainerConfig } from '@slipway/api/docker';
import { isSlipwayError, SlipwayError } from '@slipway/base';
import { formatFamiliar, type ImageRunConfig, type Reference } from '@slipway/oci';
import { packDirectory } from '@slipway/store';
import { applyChanges, type Image, toDefaults } from '../../images/index.ts';
import type { Container } from '../container.ts';
import { type ContainerContext, publish } from '../context.ts';
import { mergeConfig } from '../create/config.ts';
import { placeholdersIn } from '../files/changes.ts';
import { configToWire } from '../observe/inspect.ts';
import { pauseContainer, unpauseContainer } from './pause.ts';

export interface CommitOptions {
  /** Takes the place of the container's own, which fills in what it leaves out. */
  readonly config: ContainerConfig | undefined;
  /** Dockerfile instructions. */
  readonly changes: readonly string[];
  readonly author: string;
  readonly comment: string;
  /** Frozen meanwhile, if it runs. */
  readonly pauses: boolean;
  readonly reference: Reference | undefined;
  readonly signal: AbortSignal;
}

/**
 * An image of what a container has written, on top of its image; not of what is mounted into it.
 * @throws InvalidArgument for a bad change; Conflict while it is removed; NotFound when its image is gone
 */
export async function commitContainer(
  context: ContainerContext,
  container: Container,
  { config: given, changes, author, comment, pauses, reference, signal }: CommitOptions,
): Promise<Image> {
  const { definition } = container;
  refuseRemoved(context, container);
  const parent = await context.images.resolve(definition.imageId);
  const config = committedConfig(given ?? definition.config, definition.config, changes);
  await using _frozen = await freeze(context, container, pauses);
  const image = await context.images.commit({
    parent,
    layer: changesAsTar(context, container, signal),
    config,
    author,
    comment,
    createdBy: (definition.config.Cmd ?? []).join(' '),
    container: { id: definition.id, config: configToWire(definition.config) },
    reference,
    signal,
  });
  publish(context, container, 'commit', {
    comment,
    imageID: image.id,
    imageRef: reference === undefined ? '' : formatFamiliar(reference),
  });
  return image;
}

function refuseRemoved({ registry }: ContainerContext, container: Container): void {
  const { id } = container.definition;
  if (container.state.status !== 'removing' && registry.list().includes(container)) return;
  throw new SlipwayError('Conflict', `You cannot commit container ${id} which is being removed`);
}

/** What the changes make of a configuration, laid over the container's as a request is laid over an image. */
function committedConfig(
  base: ContainerConfig,
  own: ContainerConfig,
  changes: readonly string[],
): ImageRunConfig {
  const { ExposedPorts, Volumes, ...rest } = base;
  const asSet = (keys: readonly string[] | undefined) =>
    keys === undefined ? undefined : Object.fromEntries(keys.map((key) => [key, {}]));
  const changed = applyChanges(changes, {
    ...rest,
    ExposedPorts: asSet(ExposedPorts),
    Volumes: asSet(Volumes),
  });
  const { OnBuild, ...defaults } = toDefaults(changed);
  const merged = configToWire(mergeConfig({ ...base, ...defaults }, own));
  return { ...merged, ...(OnBuild === undefined ? {} : { OnBuild: [...OnBuild] }) };
}

/** Until disposed. One that does not run, or is frozen already, stays as it is. */
async function freeze(
  context: ContainerContext,
  container: Container,
  pauses: boolean,
): Promise<AsyncDisposable> {
  const asItIs = { [Symbol.asyncDispose]: async () => {} };
  if (!pauses || container.state.status !== 'running') return asItIs;
  try {
    await pauseContainer(context, container);
  } catch (error) {
    // It has ended, or somebody else has frozen it.
    if (isSlipwayError(error, 'Conflict')) return asItIs;
    throw error;
  }
  return {
    async [Symbol.asyncDispose]() {
      try {
        await unpauseContainer(context, container);
      } catch (error) {
        if (!isSlipwayError(error, 'Conflict')) throw error;
      }
    },
  };
}

async function* changesAsTar(
  context: ContainerContext,
  container: Container,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const upper = await context.snapshots.upperPath(container.definition.id);
  const excludes = await placeholdersIn(upper);
  yield* packDirectory(upper, { whiteouts: 'overlay', excludes, signal });
  // What was taken away while it was read is not in the archive.
  refuseRemoved(context, container);
}
