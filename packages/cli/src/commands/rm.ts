import { boolean } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { forEachArgument } from '../each.ts';

export default defineCommand({
  summary: 'Remove containers',
  arguments: { usage: 'CONTAINER [CONTAINER...]', min: 1, complete: 'container' },
  flags: {
    force: boolean('Kill it first, if it runs', { short: 'f' }),
    volumes: boolean('Also its anonymous volumes', { short: 'v' }),
    link: boolean('Remove the link', { short: 'l', hidden: true }),
  },
  examples: [
    ['rm job', 'removes it'],
    ['rm -fv web', 'kills it first, and removes its volumes'],
  ],
  run: (context, { flags, args }) =>
    forEachArgument(context, args, (name) => context.client.containers.remove(name, flags)),
});
