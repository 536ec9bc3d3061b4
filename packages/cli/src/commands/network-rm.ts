import { isSlipwayError } from '@slipway/base/errors';
import { boolean } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { forEachArgument } from '../each.ts';

export default defineCommand({
  summary: 'Remove networks',
  arguments: { usage: 'NETWORK [NETWORK...]', min: 1, complete: 'network' },
  flags: { force: boolean('No error when there is none', { short: 'f' }) },
  examples: [['network rm net', 'removes it']],
  run: (context, { flags, args }) =>
    forEachArgument(context, args, (name) =>
      context.client.networks.remove(name).catch((error: unknown) => {
        if (!(flags.force && isSlipwayError(error, 'NotFound'))) throw error;
      }),
    ),
});
