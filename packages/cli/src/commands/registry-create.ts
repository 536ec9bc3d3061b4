import { defineCommand } from '../command.ts';
import { givenSettings, SETTINGS_FLAGS } from '../registry/settings-flags.ts';

export default defineCommand({
  summary: "Make a repository in the daemon's registry",
  description: 'A first push makes one too. This is for settings that should hold for it already.',
  arguments: { usage: 'REPOSITORY', min: 1, max: 1 },
  flags: SETTINGS_FLAGS,
  examples: [['registry create --quota 10g --immutable-tags team/app', 'with what holds for it']],
  async run({ client, stdout }, { flags, args, given }) {
    const { name } = await client.registry.create(args[0] as string, givenSettings(flags, given));
    stdout.write(`${name}\n`);
  },
});
