import type { Clock, Logger } from '@slipway/base';
import { type DestinationStream, destination, pino } from 'pino';
import type { LogLevel } from './config.ts';

export interface LoggerOptions {
  readonly clock: Clock;
  readonly level: LogLevel;
  readonly format: 'text' | 'json';
  /** A file descriptor. */
  readonly fd: number;
}

/** The daemon's log: one line for each entry, JSON for machines or text for people. Written before the call returns. */
export function openLogger({ clock, level, format, fd }: LoggerOptions): Logger {
  const file = destination({ fd, sync: true });
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date(clock.nowMs()).toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return pino(options, format === 'json' ? file : textDestination(file));
}

/** `12:00:01.234 WARN  message key=value`, and an error's stack below it. */
function textDestination(file: DestinationStream): DestinationStream {
  return {
    write: (line) => {
      const { level, time, msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>;
      const pairs = Object.entries(fields).map(([key, value]) => ` ${key}=${plain(value)}`);
      const stack = (err as { stack?: string } | undefined)?.stack;
      file.write(
        `${String(time).slice(11, 23)} ${String(level).toUpperCase().padEnd(5)} ${msg}${pairs.join('')}${stack ? `\n  ${stack.replaceAll('\n', '\n  ')}` : ''}\n`,
      );
    },
  };
}

const plain = (value: unknown): string =>
  typeof value === 'string' && /^[^\s"]+$/.test(value) ? value : JSON.stringify(value);
