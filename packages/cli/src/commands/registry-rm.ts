import { boolean } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { forEachArgument } from '../each.ts';

export default defineCommand({
  summary: "Remove repositories from the daemon's registry",
  arguments: { usage: 'REPOSITORY [REPOSITORY...]', min: 1 },
  flags: { force: boolean('Also one that holds images', { short: 'f' }) },
  examples: [['registry rm --force team/app', 'with all its images; registry gc frees the room']],
  run: (context, { flags, args }) =>
    forEachArgument(context, args, (name) => context.client.registry.remove(name, flags)),
});
