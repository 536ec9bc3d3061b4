import { isSlipwayError } from '@slipway/base/errors';
import { boolean, text } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { parseTime } from '../format/time.ts';
import { copyOutput } from '../stdio/streams.ts';

export default defineCommand({
  summary: 'Show what a container or a function has written',
  arguments: { usage: 'CONTAINER', min: 1, max: 1, complete: 'container' },
  flags: {
    details: boolean('Also extra attributes'),
    follow: boolean('And what it will write', { short: 'f' }),
    since: text('Only after a time (2026-01-02T13:23:37Z) or for the last while (42m)'),
    tail: text('Only the last lines', { short: 'n', initial: 'all' }),
    timestamps: boolean('With the time of each line', { short: 't' }),
    until: text('Only before a time, or a while ago'),
  },
  examples: [
    ['logs -f --tail 20 web', 'the last 20 lines, and what follows'],
    ['logs --since 10m web', 'of the last ten minutes'],
    ['logs -f hello', 'of the function hello, when no container has that name'],
  ],
  async run(context, { flags, args }) {
    const { containers, functions } = context.client;
    const name = args[0] as string;
    const container = await containers.inspect(name).catch(async (error) => {
      if (!isSlipwayError(error, 'NotFound')) throw error;
      // Neither the one nor the other is told as docker tells it.
      await functions.configuration(name).catch(() => Promise.reject(error));
      return undefined;
    });
    if (container === undefined) {
      const { showLogs } = await import('../functions/logs.ts');
      return await showLogs(context, name, { filter: '', ...flags });
    }
    const { Id, Config } = container;
    const nowMs = context.clock.nowMs();
    const output = await containers.logs(Id, {
      stdout: true,
      stderr: true,
      follow: flags.follow,
      timestamps: flags.timestamps,
      details: flags.details,
      since: parseTime(flags.since, nowMs),
      until: parseTime(flags.until, nowMs),
      tail: flags.tail,
    });
    await copyOutput(output, context, { tty: Config.Tty });
  },
});
