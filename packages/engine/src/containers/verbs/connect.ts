import type { EndpointSettings } from '@slipway/api/docker';
import { SlipwayError } from '@slipway/base';
import type { Container } from '../container.ts';
import type { ContainerContext } from '../context.ts';
import { endpointRequest } from '../run/networking.ts';
import { isRunning } from '../state.ts';

/** Puts a container on one more network, at once when it runs. @throws Conflict, NotFound */
export async function connectContainer(
  context: ContainerContext,
  container: Container,
  networkName: string,
  settings: EndpointSettings,
): Promise<void> {
  using _lock = await context.locks.acquire(container.definition.id);
  const { definition } = container;
  const mode = definition.hostConfig.NetworkMode ?? '';
  if (mode === 'host' || mode.startsWith('container:')) {
    throw new SlipwayError(
      'InvalidArgument',
      `container sharing network namespace with ${mode === 'host' ? 'the host' : 'another container'} cannot be connected to any other network`,
    );
  }
  if (definition.networks.has(networkName)) {
    throw new SlipwayError(
      'PermissionDenied',
      `endpoint with name ${definition.name} already exists in network ${networkName}`,
    );
  }
  if (isRunning(container.state) && container.sandbox !== undefined) {
    const request = endpointRequest(context, container, networkName, settings);
    const endpoint = await context.networking.connect(definition.id, request);
    container.sandbox = context.networking.sandbox(definition.id);
    context.networks.attach(endpoint.networkId, {
      containerId: definition.id,
      name: definition.name,
      endpoint,
    });
    context.records.saveState(container);
  }
  definition.networks = new Map([...definition.networks, [networkName, settings]]);
  context.records.saveDefinition(container);
}

/** Takes a container off a network. @throws PermissionDenied when it is not on it. */
export async function disconnectContainer(
  context: ContainerContext,
  container: Container,
  networkName: string,
): Promise<void> {
  using _lock = await context.locks.acquire(container.definition.id);
  const { definition, sandbox } = container;
  if (!definition.networks.has(networkName)) {
    throw new SlipwayError(
      'PermissionDenied',
      `container ${definition.id} is not connected to the network ${networkName}`,
    );
  }
  const networkId = context.networks.find(networkName)?.id;
  if (sandbox !== undefined && networkId !== undefined) {
    try {
      await context.networking.disconnect(definition.id, networkId);
    } finally {
      container.sandbox = context.networking.sandbox(definition.id);
      if (container.sandbox.endpoints.every((endpoint) => endpoint.networkId !== networkId)) {
        context.networks.detach(networkId, definition.id);
      }
      context.records.saveState(container);
    }
  }
  definition.networks = new Map([...definition.networks].filter(([name]) => name !== networkName));
  context.records.saveDefinition(container);
}
