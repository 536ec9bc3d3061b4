import { defineCommand, ExitError } from '../command.ts';
import { findCommand } from '../find-command.ts';
import { boldOn, commandHelp, nounHelp, rootHelp } from '../help.ts';

export default defineCommand({
  summary: 'Show help for a command',
  arguments: { usage: '[COMMAND...]', min: 0 },
  flags: {},
  examples: [['help run', 'all about run']],
  async run({ stdout, tree }, { args }) {
    const { path, node, rest } = findCommand(tree, args);
    if (rest.length > 0) {
      throw new ExitError(1, `there is no command '${args.join(' ')}'\nSee 'slipway --help'`);
    }
    const bold = boldOn(stdout);
    if (path.length === 0) stdout.write(await rootHelp(tree, bold));
    else if ('commands' in node) stdout.write(await nounHelp(path, node, bold));
    else stdout.write(commandHelp(path, (await node.load()).default, bold));
  },
});
