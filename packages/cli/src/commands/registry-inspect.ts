import { boolean, formatFlag } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { formatList } from '../format/list.ts';
import { MANIFEST_LAYOUT, manifestRow } from '../format/manifest-row.ts';

export default defineCommand({
  summary: "List what a repository of the daemon's registry holds",
  arguments: { usage: 'REPOSITORY', min: 1, max: 1 },
  flags: { format: formatFlag(), 'no-trunc': boolean('Cut nothing off') },
  examples: [['registry inspect team/app', 'its images with tags, sizes and platforms, the newest first']],
  async run({ client, clock, stdout }, { flags, args }) {
    const manifests = await client.registry.manifests(args[0] as string);
    const options = { truncate: !flags['no-trunc'], nowMs: clock.nowMs() };
    const rows = manifests.map((manifest) => manifestRow(manifest, options));
    stdout.write(formatList(MANIFEST_LAYOUT, rows, flags.format));
  },
});
