import { isSlipwayError } from '@slipway/base/errors';
import { boolean } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { forEachArgument } from '../each.ts';

export default defineCommand({
  summary: 'Remove images',
  arguments: { usage: 'IMAGE [IMAGE...]', min: 1, complete: 'image' },
  flags: {
    force: boolean('Even when it has several names', { short: 'f' }),
    'no-prune': boolean('Keep its untagged parents'),
  },
  examples: [['rmi busybox', 'removes the name, and the image with its last name']],
  run: (context, { flags, args }) =>
    forEachArgument(
      context,
      args,
      async (name) => {
        const deleted = await context.client.images
          .remove(name, { force: flags.force, noprune: flags['no-prune'] })
          .catch((error: unknown) => {
            if (!(flags.force && isSlipwayError(error, 'NotFound'))) throw error;
            context.stderr.write(`slipway: ${error.message}\n`);
            return [];
          });
        for (const { Deleted, Untagged } of deleted) {
          context.stdout.write(Untagged === undefined ? `Deleted: ${Deleted}\n` : `Untagged: ${Untagged}\n`);
        }
      },
      () => '',
    ),
});
