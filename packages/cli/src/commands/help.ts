import { defineCommand } from '../command.ts';
import { findCommand } from '../commands.ts';
import { commandHelp, nounHelp, rootHelp } from '../help.ts';

export default defineCommand({
  summary: 'Show help for a command',
  arguments: { usage: '[COMMAND...]', min: 0 },
  flags: {},
  examples: [['help run', 'all about run']],
  async run({ stdout }, { args }) {
    const { path, node } = findCommand(args);
    if (path.length === 0) stdout.write(await rootHelp({}));
    else
      stdout.write(
        'commands' in node ? await nounHelp(path, node) : commandHelp(path, (await node.load()).default),
      );
  },
});
