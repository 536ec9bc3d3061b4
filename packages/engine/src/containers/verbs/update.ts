import type { UpdateContainerBody } from '@slipway/api/docker';
import { SlipwayError } from '@slipway/base';
import { formatResources } from '@slipway/runtime';
import type { Container } from '../container.ts';
import { type ContainerContext, publish } from '../context.ts';
import { validateResources, validateRestartPolicy } from '../create/config.ts';
import { hostFacts } from '../create/create.ts';
import { specResources } from '../run/spec.ts';
import { isRunning } from '../state.ts';

/** Changes limits and restart policy, of a running container at once. @throws InvalidArgument, Conflict */
export async function updateContainer(
  context: ContainerContext,
  container: Container,
  body: UpdateContainerBody,
): Promise<void> {
  using _lock = await context.locks.acquire(container.definition.id);
  const { RestartPolicy, ...resources } = body;
  const changed = Object.fromEntries(
    Object.entries(resources).filter(([, value]) => value !== undefined && value !== 0 && value !== ''),
  );
  const host = { ...container.definition.hostConfig, ...changed };
  if (RestartPolicy?.Name) {
    if (host.AutoRemove && RestartPolicy.Name !== 'no') {
      throw new SlipwayError(
        'Conflict',
        'Restart policy cannot be updated because AutoRemove is enabled for the container',
      );
    }
    validateRestartPolicy({ RestartPolicy, AutoRemove: host.AutoRemove });
    host.RestartPolicy = RestartPolicy;
  }
  validateResources(host, hostFacts(context));
  if (isRunning(container.state) && Object.keys(changed).length > 0) {
    await container.task?.update(formatResources(specResources(changed)));
  }
  container.definition.hostConfig = host;
  context.records.saveDefinition(container);
  publish(context, container, 'update');
}
