import { SlipwayError } from '@slipway/base/errors';
import type { Context } from '../command.ts';
import { parseTime } from '../format/time.ts';

export interface LogFlags {
  readonly follow: boolean;
  readonly since: string;
  readonly until: string;
  readonly filter: string;
  /** A number of lines, or `all`. */
  readonly tail: string;
  readonly timestamps: boolean;
}

type Event = {
  readonly eventId?: string | undefined;
  readonly timestamp?: number | undefined;
  readonly message?: string | undefined;
};

const POLL_MS = 300;
/** Lines of several environments may come a little late. */
const OVERLAP_MS = 2_000;

/** Prints a function's log. One that has not run yet has none, which is no error while it is followed. */
export async function showLogs(
  context: Context,
  name: string,
  flags: LogFlags,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  const { client, clock, stdout } = context;
  const { LoggingConfig } = await client.functions.configuration(name);
  const logGroupName = LoggingConfig?.LogGroup ?? `/aws/lambda/${name}`;
  const nowMs = clock.nowMs();
  const toMs = (text: string): number | undefined => {
    const seconds = parseTime(text, nowMs);
    return seconds === '' ? undefined : Math.floor(Number(seconds) * 1000);
  };
  const read = async (startTime: number | undefined): Promise<Event[]> => {
    const request = {
      logGroupName,
      startTime,
      endTime: toMs(flags.until),
      filterPattern: flags.filter || undefined,
    };
    try {
      return await Array.fromAsync(client.functionLogs.filter(request));
    } catch (error) {
      if (error instanceof SlipwayError && error.code === 'NotFound') return [];
      throw error;
    }
  };
  const show = (event: Event): void => {
    const time = flags.timestamps ? `${new Date(event.timestamp ?? 0).toISOString()} ` : '';
    stdout.write(`${time}${(event.message ?? '').replace(/\n$/, '')}\n`);
  };
  const events = await read(toMs(flags.since));
  for (const event of lastOf(events, flags.tail)) show(event);
  if (!flags.follow) return;
  let seen = new Map(events.map((event) => [event.eventId, event.timestamp ?? 0]));
  let newestMs = events.at(-1)?.timestamp ?? nowMs;
  for (;;) {
    await clock.sleep(POLL_MS, { signal });
    for (const event of await read(newestMs - OVERLAP_MS)) {
      if (seen.has(event.eventId)) continue;
      show(event);
      seen.set(event.eventId, event.timestamp ?? 0);
      newestMs = Math.max(newestMs, event.timestamp ?? 0);
    }
    seen = new Map([...seen].filter(([, timestamp]) => timestamp >= newestMs - 2 * OVERLAP_MS));
  }
}

function lastOf(events: readonly Event[], tail: string): readonly Event[] {
  if (tail === 'all') return events;
  if (!/^\d+$/.test(tail))
    throw new SlipwayError('InvalidArgument', `--tail is a number of lines or "all", not "${tail}"`);
  return tail === '0' ? [] : events.slice(-Number(tail));
}
