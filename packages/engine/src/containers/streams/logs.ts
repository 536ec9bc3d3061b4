import { encodeFrame } from '@slipway/api/docker';
import { formatTimeNs, SlipwayError } from '@slipway/base';
import { type LogEntry, openLog } from '@slipway/runtime';
import type { Container } from '../container.ts';
import type { ContainerContext } from '../context.ts';
import { logPath } from '../run/start.ts';
import { isRunning } from '../state.ts';

export interface LogOptions {
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Go on until the container ends. */
  readonly follow: boolean;
  /** The last this many lines; undefined: all. */
  readonly tail?: number | undefined;
  readonly sinceNs?: bigint | undefined;
  readonly untilNs?: bigint | undefined;
}

export interface LogFormat {
  /** Begin each line with its time, RFC 3339 with nine digits. */
  readonly timestamps: boolean;
  /** Begin each line with the labels and variables that the log was told to note. */
  readonly details: boolean;
}

/**
 * What a container wrote, its files open already. Following ends with the run, after its last byte.
 * @throws InvalidArgument when no stream is chosen; NotImplemented when the log driver keeps nothing.
 */
export async function openLogs(
  _context: ContainerContext,
  container: Container,
  options: LogOptions,
  { signal }: { readonly signal?: AbortSignal },
): Promise<AsyncGenerator<LogEntry>> {
  if (!options.stdout && !options.stderr) {
    throw new SlipwayError('InvalidArgument', 'Bad parameters: you must choose at least one stream');
  }
  if (container.definition.hostConfig.LogConfig?.Type === 'none') {
    throw new SlipwayError('NotImplemented', 'configured logging driver does not support reading');
  }
  const goesOn = options.follow && isRunning(container.state);
  return await openLog(logPath(container), {
    ...options,
    follow: goesOn
      ? Promise.race([container.nextExit.promise, container.removed.promise]).then(() => {})
      : undefined,
    signal,
  });
}

/** Log entries as `docker logs` reads them: framed, raw with a terminal. Its `return` is that of the entries. */
export function formatLogs(
  container: Container,
  entries: AsyncGenerator<LogEntry>,
  { timestamps, details }: LogFormat,
): AsyncIterableIterator<Uint8Array> {
  const tty = container.definition.config.Tty === true;
  const noted = details ? `${formatDetails(container)} ` : '';
  const format = ({ stream, bytes, timeNs }: LogEntry): Uint8Array => {
    const prefix = Buffer.from(`${timestamps ? `${formatTimeNs(timeNs)} ` : ''}${noted}`);
    const line = prefix.byteLength === 0 ? bytes : Buffer.concat([prefix, bytes]);
    return tty ? line : encodeFrame(stream, line);
  };
  return {
    async next() {
      const { value, done } = await entries.next();
      return done === true ? { value: undefined, done } : { value: format(value), done: false };
    },
    async return() {
      await entries.return(undefined);
      return { value: undefined, done: true };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/**
 * A moment as `docker logs` sends it: seconds since the epoch, with up to nine digits of a fraction. Empty and `0` are none.
 * @throws InvalidArgument
 */
export function parseLogTime(name: string, value: string | undefined): bigint | undefined {
  if (value === undefined || value === '') return undefined;
  const match = /^(-?\d{1,18})(?:\.(\d{1,9}))?$/.exec(value);
  if (match === null) {
    throw new SlipwayError(
      'InvalidArgument',
      `invalid value for "${name}": "${value}" is not a timestamp; give seconds since the epoch`,
    );
  }
  const ns = BigInt(match[1] as string) * 1_000_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
  return ns === 0n ? undefined : ns;
}

/** The lines to begin with: a number, or `all`. As Docker has it, whatever is no number is all. */
export function parseTail(value: string | undefined): number | undefined {
  return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}

/** `key=value` for the labels and variables that the log options `labels` and `env` name, sorted by key. */
function formatDetails({ definition: { config, hostConfig } }: Container): string {
  const options = hostConfig.LogConfig?.Config ?? {};
  const noted = new Map<string, string>();
  for (const label of options.labels?.split(',') ?? []) {
    const value = config.Labels?.[label];
    if (value !== undefined) noted.set(label, value);
  }
  const wanted = new Set(options.env?.split(',') ?? []);
  for (const variable of config.Env ?? []) {
    const [name = '', ...value] = variable.split('=');
    if (wanted.has(name)) noted.set(name, value.join('='));
  }
  return [...noted]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`)
    .join(',');
}
