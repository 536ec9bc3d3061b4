import { boolean, text } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { showLogs } from '../functions/logs.ts';

export default defineCommand({
  summary: 'Show what a function has written',
  description: 'Also with START, END and REPORT lines: what ran, how long, and how much memory it took.',
  arguments: { usage: 'FUNCTION', min: 1, max: 1, complete: 'function' },
  flags: {
    follow: boolean('And what it will write', { short: 'f' }),
    since: text('Only after a time (2026-01-02T13:23:37Z) or for the last while (42m)', { initial: '24h' }),
    until: text('Only before a time, or a while ago'),
    filter: text('Only lines that match: words, -words, %regex%, { $.level = "error" }', {
      value: 'pattern',
    }),
    tail: text('Only the last lines', { short: 'n', initial: 'all' }),
    timestamps: boolean('With the time of each line', { short: 't' }),
  },
  examples: [
    ['fn logs -f hello', 'what it writes, as it writes it'],
    ["fn logs --since 1h --filter 'ERROR -Timeout' hello", 'errors of the last hour, but for some'],
  ],
  run: (context, { flags, args }) => showLogs(context, args[0] as string, flags),
});
