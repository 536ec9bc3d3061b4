import { filterFlag, text } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { eventFields, formatEvent } from '../format/event.ts';
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
      stdout.write(`${render === undefined ? formatEvent(event) : render(eventFields(event))}\n`);
    }
  },
});
