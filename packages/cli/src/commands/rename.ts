import { defineCommand } from '../command.ts';

export default defineCommand({
  summary: 'Rename a container',
  arguments: { usage: 'CONTAINER NEW-NAME', min: 2, max: 2, complete: 'container' },
  flags: {},
  examples: [['rename web old-web', 'makes the name web free']],
  run: ({ client }, { args }) => client.containers.rename(args[0] as string, args[1] as string),
});
