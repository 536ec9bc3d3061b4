import { defineCommand } from '../command.ts';
import { formatBinarySize } from '../format/units.ts';
import { givenSettings, SETTINGS_FLAGS } from '../registry/settings-flags.ts';

export default defineCommand({
  summary: "Change what holds for a repository of the daemon's registry",
  description: 'Without flags: shows it.',
  arguments: { usage: 'REPOSITORY', min: 1, max: 1 },
  flags: SETTINGS_FLAGS,
  examples: [
    ['registry settings team/app --quota 10g', 'pushes beyond it are refused'],
    ['registry settings team/app --immutable-tags', 'and with =false no more'],
  ],
  async run({ client, stdout }, { flags, args, given }) {
    const settings = givenSettings(flags, given);
    const { immutableTags, quotaBytes } = await client.registry.configure(args[0] as string, settings);
    stdout.write(`Immutable tags: ${immutableTags}\n`);
    stdout.write(`Quota: ${quotaBytes === undefined ? 'none' : formatBinarySize(quotaBytes)}\n`);
  },
});
