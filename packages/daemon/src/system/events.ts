import { type EventMessage, type Filters, formatEventMessage } from '@slipway/api/docker';
import { aborted, type Clock, SlipwayError } from '@slipway/base';
import type { EngineEvent, EventBus } from '@slipway/engine/events';

export interface EventsOptions {
  /** Undefined, and `untilNs` too: only what happens from now on. */
  readonly sinceNs: bigint | undefined;
  /** The stream ends then; undefined: never. */
  readonly untilNs: bigint | undefined;
  readonly filters: Filters;
}

/** Lines of `GET /events`: what happened since, then what happens, until the time or the client's going. */
export async function* eventLines(
  bus: EventBus,
  clock: Clock,
  { sinceNs, untilNs, filters }: EventsOptions,
  signal: AbortSignal,
): AsyncGenerator<string> {
  await using subscription = bus.subscribe();
  const { history, live } = subscription;
  const iterator = live[Symbol.asyncIterator]();
  const end = () => void iterator.return?.();
  void aborted(signal).then(end);
  const remainingMs = untilNs === undefined ? undefined : Number((untilNs - clock.nowNs()) / 1_000_000n);
  const wanted = (event: EngineEvent) =>
    (untilNs === undefined || event.timeNs <= untilNs) && matchesFilters(event, filters);
  if (sinceNs !== undefined || untilNs !== undefined) {
    for (const event of history) {
      if (event.timeNs >= (sinceNs ?? 0n) && wanted(event)) yield formatEventMessage(toWire(event));
    }
  }
  if (remainingMs !== undefined && remainingMs <= 0) return;
  using _timer = remainingMs === undefined ? undefined : clock.timer(remainingMs, end);
  for (;;) {
    const next = await iterator.next();
    if (next.done === true) return;
    if (wanted(next.value)) yield formatEventMessage(toWire(next.value));
  }
}

/** An event as Docker's clients know it. */
export function toWire(event: EngineEvent): EventMessage {
  const old = event.type === 'container' || event.type === 'image';
  return {
    ...(old && { status: event.action, id: event.id }),
    ...(event.type === 'container' && { from: event.attributes.image ?? '' }),
    Type: event.type,
    Action: event.action,
    Actor: { ID: event.id, Attributes: event.attributes },
    scope: 'local',
    time: Number(event.timeNs / 1_000_000_000n),
    timeNano: event.timeNs,
  };
}

/** Values of one filter are alternatives; different filters must all fit. @see moby daemon/events/filter.go */
export function matchesFilters(event: EngineEvent, filters: Filters): boolean {
  for (const [key, values] of filters) {
    if (values.length > 0 && !MATCHERS[key]?.(event, values)) return false;
  }
  return true;
}

type Matcher = (event: EngineEvent, values: readonly string[]) => boolean;

const nounMatcher =
  (type: EngineEvent['type']): Matcher =>
  (event, values) =>
    event.type === type && isNamed(event, values);

const MATCHERS: Readonly<Record<string, Matcher>> = {
  // `exec_start: ls` is asked for as `exec_start`, `health_status: healthy` as `health_status`.
  event: ({ action }, values) => values.some((value) => action === value || action.startsWith(`${value}:`)),
  type: ({ type }, values) => values.includes(type),
  container: nounMatcher('container'),
  volume: nounMatcher('volume'),
  network: nounMatcher('network'),
  daemon: nounMatcher('daemon'),
  builder: nounMatcher('builder'),
  image: (event, values) => {
    const names = [event.id, event.attributes.name, event.attributes.image];
    return values.some((value) =>
      names.some((name) => name !== undefined && (name === value || withoutTag(name) === value)),
    );
  },
  label: ({ attributes }, values) =>
    values.every((value) => {
      const at = value.indexOf('=');
      return at === -1 ? value in attributes : attributes[value.slice(0, at)] === value.slice(at + 1);
    }),
  scope: (_event, values) => values.includes('local'),
};

/** The filters that `GET /events` knows. */
export const EVENT_FILTERS: ReadonlySet<string> = new Set([
  ...Object.keys(MATCHERS),
  'config',
  'node',
  'plugin',
  'secret',
  'service',
]);

const isNamed = ({ id, attributes }: EngineEvent, values: readonly string[]): boolean =>
  values.some((value) => id === value || attributes.name === value || (value !== '' && id.startsWith(value)));

function withoutTag(name: string): string {
  const colon = name.lastIndexOf(':');
  return colon > name.lastIndexOf('/') ? name.slice(0, colon) : name;
}

/**
 * A moment as Docker's clients write it: seconds since the epoch with up to nine decimals, or RFC 3339.
 * @throws InvalidArgument naming the parameter and the value.
 */
export function parseMomentNs(name: string, text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined;
  const seconds = /^(\d{1,12})(?:\.(\d{1,9}))?$/.exec(text);
  if (seconds !== null) {
    return BigInt(seconds[1] as string) * 1_000_000_000n + BigInt((seconds[2] ?? '').padEnd(9, '0'));
  }
  const ms = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) {
    throw new SlipwayError(
      'InvalidArgument',
      `${name}: "${text}" is neither seconds since 1970 nor RFC 3339`,
    );
  }
  return BigInt(ms) * 1_000_000n;
}
