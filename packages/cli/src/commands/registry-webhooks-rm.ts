import { defineCommand } from '../command.ts';
import { forEachArgument } from '../each.ts';

export default defineCommand({
  summary: "Tell a URL of pushes to the daemon's registry no more",
  arguments: { usage: 'ID [ID...]', min: 1 },
  flags: {},
  examples: [['registry webhooks rm ID', 'the id that registry webhooks ls shows']],
  run: (context, { args }) =>
    forEachArgument(context, args, (id) => context.client.registry.removeWebhook(id)),
});
