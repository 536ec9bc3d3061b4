import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { CreateContainerBody } from '@slipway/api/docker';
import { containerId, errorMessage, hostPath, isSlipwayError, newId, SlipwayError } from '@slipway/base';
import type { Container, ContainerDefinition, MountPoint, RunAdditions } from '../container.ts';
import { type ContainerContext, publish } from '../context.ts';
import { newContainer } from '../live.ts';
import { resolveNetworks } from '../run/networking.ts';
import {
  type HostFacts,
  mergeConfig,
  validateConfig,
  validateHostConfig,
  withHostDefaults,
} from './config.ts';
import { resolveMounts } from './mounts.ts';
import { generateName } from './names.ts';

export interface CreateOptions {
  /** Empty: one is made up. With or without the leading slash. */
  readonly name: string;
  readonly platform: string;
  readonly body: CreateContainerBody;
  readonly additions?: RunAdditions | undefined;
}

const NAME = /^\/?[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/**
 * A container from an image and a request: snapshot, folder, volumes and record, in that order; nothing runs yet.
 * @throws NotFound `No such image: …`, InvalidArgument, Conflict for a taken name.
 */
export async function createContainer(
  context: ContainerContext,
  { name, platform, body, additions }: CreateOptions,
): Promise<{ container: Container; warnings: string[] }> {
  const { HostConfig, NetworkingConfig, ...request } = body;
  if (!request.Image) throw new SlipwayError('InvalidArgument', 'no image specified: set "Image"');
  const image = await context.images.resolve(request.Image);
  requirePlatform(request.Image, platform, image);
  const config = mergeConfig(request, image.config);
  const facts = hostFacts(context);
  const host = withHostDefaults(HostConfig ?? {}, facts);
  validateConfig(config);
  validateHostConfig(host, config, facts);
  const args = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  if (args.length === 0) throw new SlipwayError('InvalidArgument', 'no command specified');

  const id = containerId(newId(context.random));
  // The name is taken before the first await, so that of two simultaneous creates one is refused.
  const freeName = chooseName(context, name, id);
  using _reservation = context.registry.reserveName(freeName, id);
  const networks = resolveNetworks(context, host, config, NetworkingConfig?.EndpointsConfig ?? {});
  const folder = hostPath(join(context.config.root, id));
  const mounts: MountPoint[] = [];
  try {
    for await (const mount of resolveMounts(context, id, config, host)) mounts.push(mount);
    const definition: ContainerDefinition = {
      id,
      name: freeName,
      createdAtNs: context.clock.nowNs(),
      imageReference: request.Image,
      imageId: image.id,
      chainId: image.chainId,
      config: {
        ...config,
        Image: request.Image,
        Hostname: config.Hostname || defaultHostname(host.NetworkMode, id),
      },
      hostConfig: host,
      mounts: mounts.sort((a, b) => a.destination.localeCompare(b.destination)),
      networks,
      args,
    };
    await context.snapshots.prepare(id, image.chainId);
    mkdirSync(folder, { recursive: true, mode: 0o710 });
    const container = newContainer(context.config, definition, additions);
    context.records.insert(container);
    context.registry.add(container);
    publish(context, container, 'create');
    return { container, warnings: warningsFor(host) };
  } catch (error) {
    await undoCreate(context, id, folder, mounts);
    throw error;
  }
}

async function undoCreate(
  context: ContainerContext,
  id: string,
  folder: string,
  mounts: readonly MountPoint[],
): Promise<void> {
  const anonymous = mounts.filter((mount) => mount.type === 'volume' && mount.anonymous);
  const undone = await Promise.allSettled([
    context.snapshots.remove(id),
    rm(folder, { recursive: true, force: true }),
    ...anonymous.map(({ name }) => context.volumes.remove(name, { force: true })),
  ]);
  for (const step of undone) {
    if (step.status === 'fulfilled' || isSlipwayError(step.reason, 'NotFound')) continue;
    context.logger.warn(
      { container: id, error: errorMessage(step.reason) },
      'a failed create left something behind',
    );
  }
}

function chooseName(context: ContainerContext, wanted: string, id: string): string {
  if (wanted === '') {
    for (let attempt = 0; attempt < 6; attempt++) {
      const name = generateName(context.random, attempt);
      if (context.registry.holderOf(name) === undefined) return name;
    }
    return id.slice(0, 12);
  }
  return requireFreeName(context, wanted);
}

/** The name without its slash. @throws InvalidArgument for a bad one, Conflict for one in use. */
export function requireFreeName(context: ContainerContext, wanted: string): string {
  if (!NAME.test(wanted)) {
    throw new SlipwayError(
      'InvalidArgument',
      `Invalid container name (${wanted}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
    );
  }
  const name = wanted.replace(/^\//, '');
  const holder = context.registry.holderOf(name);
  if (holder !== undefined) {
    throw new SlipwayError(
      'Conflict',
      `Conflict. The container name "/${name}" is already in use by container "${holder}". You have to remove (or rename) that container to be able to reuse that name.`,
    );
  }
  return name;
}

/** What this host and daemon offer to containers. */
export function hostFacts(context: ContainerContext): HostFacts {
  return {
    cpus: availableParallelism(),
    cgroupVersion: context.config.cgroupVersion,
    runtimes: new Set(context.runtime.runtimes.keys()),
    defaultRuntime: context.runtime.defaultName,
  };
}

function requirePlatform(
  reference: string,
  platform: string,
  image: { readonly os: string; readonly architecture: string },
): void {
  const [os, architecture] = platform.split('/');
  if (platform === '' || (os === image.os && (architecture ?? image.architecture) === image.architecture))
    return;
  throw new SlipwayError(
    'NotFound',
    `image with reference ${reference} was found but its platform (${image.os}/${image.architecture}) does not match the specified platform (${platform})`,
  );
}

function defaultHostname(networkMode: string | undefined, id: string): string {
  if (networkMode === 'host' || networkMode?.startsWith('container:')) return '';
  return id.slice(0, 12);
}

function warningsFor(host: CreateContainerBody['HostConfig'] & object): string[] {
  const warnings: string[] = [];
  if (host.OomKillDisable && !host.Memory) {
    warnings.push(
      'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.',
    );
  }
  for (const bindings of Object.values(host.PortBindings ?? {})) {
    if (host.NetworkMode === 'host' && bindings !== undefined) {
      warnings.push('Published ports are discarded when using host network mode');
      break;
    }
  }
  return warnings;
}
