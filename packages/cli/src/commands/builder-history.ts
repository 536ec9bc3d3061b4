import { formatFlag } from '../args/flags.ts';
import { formatSeconds } from '../build/step.ts';
import { defineCommand } from '../command.ts';
import { formatList } from '../format/list.ts';
import { formatAgo, shortId } from '../format/units.ts';

const LAYOUT = {
  headings: {
    ID: 'BUILD ID',
    Name: 'NAME',
    Status: 'STATUS',
    Steps: 'STEPS',
    Cached: 'CACHED',
    Created: 'CREATED',
    Duration: 'DURATION',
    Image: 'IMAGE',
    Error: 'ERROR',
  },
  columns: ['ID', 'Name', 'Status', 'Steps', 'Cached', 'Created', 'Duration'],
};

export default defineCommand({
  summary: 'List the builds of before, and those that run',
  arguments: { usage: '', min: 0, max: 0 },
  flags: { format: formatFlag() },
  examples: [["builder history --format '{{.Name}} {{.Error}}'", 'what went wrong']],
  async run({ client, clock, stdout }, { flags }) {
    const nowMs = clock.nowMs();
    const rows = (await client.builds.history()).map((build) => ({
      ID: () => shortId(build.id),
      Name: () => build.name,
      Status: () => build.status,
      Steps: () => String(build.stepsTotal),
      Cached: () => String(build.stepsCached),
      Created: () => formatAgo(build.startedAtMs, nowMs),
      Duration: () => formatSeconds((build.completedAtMs ?? nowMs) - build.startedAtMs),
      Image: () => shortId(build.imageId ?? ''),
      Error: () => build.error ?? '',
    }));
    stdout.write(formatList(LAYOUT, rows, flags.format));
  },
});
