import { defineCommand } from '../command.ts';
import { findCommand } from '../find-command.ts';
import { commandHelp, nounHelp, rootHelp } from '../help.ts';

export default defineCommand({
  summary: 'Show help for a command',
  arguments: { usage: '[COMMAND...]', min: 0 },
  flags: {},
  examples: [['help run', 'all about run']],
  async run({ stdout, tree }, { args }) {
    const { path, node } = findCommand(tree, args);
    if (path.length === 0) stdout.write(await rootHelp(tree));
    else
      stdout.write(
        'commands' in node ? await nounHelp(path, node) : commandHelp(path, (await node.load()).default),
      );
  },
});
