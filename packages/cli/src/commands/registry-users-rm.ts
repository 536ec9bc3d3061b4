import { defineCommand } from '../command.ts';
import { forEachArgument } from '../each.ts';

export default defineCommand({
  summary: "Let somebody use the daemon's TCP port no more",
  description: 'Access keys and tokens of the account are worth nothing from then on.',
  arguments: { usage: 'NAME [NAME...]', min: 1 },
  flags: {},
  examples: [['registry users rm ci', 'its images stay']],
  run: (context, { args }) => forEachArgument(context, args, (name) => context.client.accounts.remove(name)),
});
