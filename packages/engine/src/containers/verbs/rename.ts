import { SlipwayError } from '@slipway/base';
import type { Container } from '../container.ts';
import { type ContainerContext, publish } from '../context.ts';
import { requireFreeName } from '../create/create.ts';
import { endpointRequest } from '../run/networking.ts';

/** Gives a container another name, also to those who look it up on its networks. @throws InvalidArgument, Conflict */
export async function renameContainer(
  context: ContainerContext,
  container: Container,
  wanted: string,
): Promise<void> {
  using _lock = await context.locks.acquire(container.definition.id);
  if (wanted === '') throw new SlipwayError('InvalidArgument', 'Neither old nor new names may be empty');
  const oldName = container.definition.name;
  if (wanted.replace(/^\//, '') === oldName) {
    throw new SlipwayError('InvalidArgument', 'Renaming a container with the same name as its current name');
  }
  const name = requireFreeName(context, wanted);
  context.registry.rename(container, name);
  context.records.saveDefinition(container);
  if (container.sandbox !== undefined) {
    for (const [network, settings] of container.definition.networks) {
      const { networkId, names } = endpointRequest(context, container, network, settings);
      context.networking.setNames(container.definition.id, networkId, names);
    }
  }
  publish(context, container, 'rename', { oldName: `/${oldName}` });
}
