import { parsed } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { formatSize } from '../format/units.ts';
import { parseDurationNs } from '../run/values.ts';

export default defineCommand({
  summary: "Remove what no manifest in the daemon's registry needs",
  description:
    'Goes on beside pushes and pulls. What is younger than the grace is kept, as a push may still need it.',
  arguments: { usage: '', min: 0, max: 0 },
  flags: { grace: parsed('Keep what is younger, as in 10m', parseDurationNs, { value: 'duration' }) },
  examples: [
    ['registry gc', 'with the grace that the daemon gives by itself'],
    ['registry gc --grace 0s', 'at once, when nobody pushes'],
  ],
  async run({ client, stdout }, { flags: { grace } }) {
    const { removedBlobs, removedUploads, freedBytes } = await client.registry.collectGarbage(
      grace === undefined ? {} : { graceMs: grace / 1e6 },
    );
    stdout.write(`Removed blobs: ${removedBlobs}\nRemoved uploads: ${removedUploads}\n`);
    stdout.write(`Total reclaimed space: ${formatSize(freedBytes)}\n`);
  },
});
