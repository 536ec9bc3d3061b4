import { filterFlag, text } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { parseFilters } from '../format/list.ts';
import { compileTemplate } from '../format/template.ts';
import { parseTime } from '../format/time.ts';

export default defineCommand({
  summary: 'Show what happens, as it happens',
  arguments: { usage: '', min: 0, max: 0 },
  flags: {
    filter: filterFlag(),
    format: text("'json' or a Go template"),
    since: text('Also what happened since a time'),
    until: text('Until a time'),
  },
  examples: [['events --since 1h --filter event=die', 'what exited in the last hour, and what will']],
  async run({ client, clock, stdout }, { flags }) {
    const nowMs = clock.nowMs();
    const events = await client.system.events({
      since: parseTime(flags.since, nowMs),
      until: parseTime(flags.until, nowMs),
      filters: parseFilters(flags.filter),
    });
    const render =
      flags.format === ''
        ? undefined
        : compileTemplate(flags.format === 'json' ? '{{json .}}' : flags.format);
    for await (const event of events) {
      if (render !== undefined) {
        stdout.write(`${render(event)}\n`);
        continue;
      }
      const attributes = Object.entries(event.Actor.Attributes ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
      const shown = attributes.map(([name, value]) => `${name}=${value}`).join(', ');
      const fraction = String(event.timeNano % 1e9).padStart(9, '0');
      const at = new Date(event.time * 1000).toISOString().replace('.000Z', `.${fraction}Z`);
      stdout.write(
        `${at} ${event.Type} ${event.Action} ${event.Actor.ID}${shown === '' ? '' : ` (${shown})`}\n`,
      );
    }
  },
});
