import { type Filters, fitsLabels } from '@slipway/api/docker';
import { SlipwayError } from '@slipway/base';
import type { Container } from '../container.ts';
import type { ContainerContext } from '../context.ts';
import { parsePorts } from '../create/ports.ts';
import { isRunning } from '../state.ts';
import { describeStatus } from './docker-state.ts';
import { sizes } from './inspect.ts';
import { mountToWire, networksToWire, portsToWire } from './wire.ts';

export interface ListOptions {
  /** Also those that do not run. */
  readonly all: boolean;
  /** At most so many, the newest, whether they run or not; 0 or less: no limit. */
  readonly limit: number;
  readonly size: boolean;
  readonly filters: Filters;
}

type Match = (container: Container) => boolean;
/** A filter is prepared once, from all of its values, of which one must fit. */
type Filter = (values: readonly string[], context: ContainerContext) => Match | Promise<Match>;

const STATUSES = new Set(['created', 'restarting', 'running', 'removing', 'paused', 'exited', 'dead']);
const HEALTHS = new Set(['starting', 'healthy', 'unhealthy', 'none']);

const FILTERS: Readonly<Record<string, Filter>> = {
  id: (values) => (container) => values.some((value) => container.definition.id.startsWith(value)),
  name: (values) => {
    const patterns = values.map(pattern);
    return ({ definition }) =>
      patterns.some((one) => one.test(definition.name) || one.test(`/${definition.name}`));
  },
  label: (values) => (container) =>
    fitsLabels(container.definition.config.Labels ?? {}, new Map([['label', values]])),
  status: (values) => {
    for (const value of values) {
      if (!STATUSES.has(value))
        throw new SlipwayError('InvalidArgument', `invalid value for state (${value})`);
    }
    return ({ state }) => values.includes(state.status);
  },
  exited: (values) => {
    const codes = values.map(wholeNumber('exited'));
    return ({ state }) => state.status === 'exited' && codes.includes(state.exitCode);
  },
  ancestor: async (values, context) => {
    const ids = new Set<string>();
    for (const value of values) {
      const image = await context.images.find(value);
      if (image !== undefined) ids.add(image.id);
    }
    return ({ definition }) => ids.has(definition.imageId) || values.includes(definition.imageReference);
  },
  before: (values, context) => {
    const others = values.map((value) => context.registry.get(value).definition.createdAtNs);
    return ({ definition }) => others.some((createdAtNs) => definition.createdAtNs < createdAtNs);
  },
  since: (values, context) => {
    const others = values.map((value) => context.registry.get(value).definition.createdAtNs);
    return ({ definition }) => others.some((createdAtNs) => definition.createdAtNs > createdAtNs);
  },
  network: (values, context) => {
    const wanted = new Set(values.map((value) => context.networks.find(value)?.name ?? value));
    return ({ definition }) =>
      [...definition.networks.keys(), definition.hostConfig.NetworkMode ?? ''].some((name) =>
        wanted.has(name),
      );
  },
  volume: (values) => (container) =>
    container.definition.mounts.some(
      (mount) =>
        values.includes(mount.name) || values.includes(mount.source) || values.includes(mount.destination),
    ),
  publish: (values) => {
    const wanted = values.flatMap(parsePorts);
    return ({ sandbox }) =>
      (sandbox?.ports ?? []).some((published) =>
        wanted.some(({ port, protocol }) => port === published.hostPort && protocol === published.protocol),
      );
  },
  expose: (values) => {
    const wanted = values.flatMap(parsePorts);
    return ({ definition }) =>
      [...(definition.config.ExposedPorts ?? []), ...Object.keys(definition.hostConfig.PortBindings ?? {})]
        .flatMap(parsePorts)
        .some((own) => wanted.some(({ port, protocol }) => port === own.port && protocol === own.protocol));
  },
  health: (values) => {
    for (const value of values) {
      if (!HEALTHS.has(value))
        throw new SlipwayError('InvalidArgument', `invalid value for health (${value})`);
    }
    return ({ health }) => values.includes(health?.status ?? 'none');
  },
  'is-task': (values) => () => values.some((value) => value === 'false' || value === '0'),
  isolation: () => () => true,
};

/** The containers that fit, newest first, in docker's short form. @throws InvalidArgument for an unknown filter. */
export async function listContainers(
  context: ContainerContext,
  { all, limit, size, filters }: ListOptions,
): Promise<Record<string, unknown>[]> {
  const matches = await prepareFilters(context, filters, FILTERS);
  const everyState = all || limit > 0 || filters.has('status') || filters.has('exited');
  const found = context.registry
    .list()
    .filter(
      (container) => everyState || isRunning(container.state) || container.state.status === 'restarting',
    )
    .filter((container) => matches.every((matches) => matches(container)));
  const wire: Record<string, unknown>[] = [];
  for (const container of limit > 0 ? found.slice(0, limit) : found) {
    wire.push(await toWire(context, container, size));
  }
  return wire;
}

/** @throws InvalidArgument in docker's words for a filter that is not in the table. */
export async function prepareFilters(
  context: ContainerContext,
  filters: Filters,
  table: Readonly<Record<string, Filter>>,
): Promise<Match[]> {
  const matches: Match[] = [];
  for (const [key, values] of filters) {
    const filter = table[key];
    if (filter === undefined) throw new SlipwayError('InvalidArgument', `invalid filter '${key}'`);
    if (values.length > 0) matches.push(await filter(values, context));
  }
  return matches;
}

async function toWire(
  context: ContainerContext,
  container: Container,
  size: boolean,
): Promise<Record<string, unknown>> {
  const { definition, state, health } = container;
  const image = await context.images.find(definition.imageReference);
  return {
    Id: definition.id,
    Names: [`/${definition.name}`],
    // A name that has moved on to another image would lie.
    Image: image?.id === definition.imageId ? definition.imageReference : definition.imageId,
    ImageID: definition.imageId,
    Command: definition.args.map((word) => (/[\s"]/.test(word) ? `'${word}'` : word)).join(' '),
    Created: Number(definition.createdAtNs / 1_000_000_000n),
    Ports: portsToWire(container),
    ...(size ? await sizes(context, container) : {}),
    Labels: definition.config.Labels ?? {},
    State: state.status,
    Status: describeStatus(state, health, context.clock.nowNs()),
    HostConfig: { NetworkMode: definition.hostConfig.NetworkMode ?? '' },
    NetworkSettings: { Networks: networksToWire(context, container) },
    Mounts: definition.mounts
      .filter((mount) => mount.type !== 'tmpfs')
      .map((mount) => mountToWire(mount, (name) => context.volumes.mountpoint(name))),
  };
}

function pattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (cause) {
    throw new SlipwayError(
      'InvalidArgument',
      `invalid filter 'name=${text}': it is not a regular expression`,
      { cause },
    );
  }
}

function wholeNumber(key: string): (text: string) => number {
  return (text) => {
    if (!/^-?\d+$/.test(text)) {
      throw new SlipwayError('InvalidArgument', `invalid filter '${key}=${text}': it is not a whole number`);
    }
    return Number(text);
  };
}
