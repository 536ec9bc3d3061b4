import { formatFlag, text } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { printEach } from '../inspect.ts';

export default defineCommand({
  summary: 'Show all of a function',
  arguments: { usage: 'FUNCTION [FUNCTION...]', min: 1, complete: 'function' },
  flags: { format: formatFlag(), qualifier: text('A version or an alias') },
  examples: [["fn inspect --format '{{.Configuration.State}}' hello", 'whether it can be invoked']],
  async run(context, { flags, args }) {
    const { functions } = context.client;
    return await printEach(context, args, flags.format, async (name) => ({
      ...(await functions.get(name, flags.qualifier)),
      Versions: (await Array.fromAsync(functions.versions(name))).map(({ Version }) => Version),
      Aliases: await Array.fromAsync(functions.aliases(name)),
      Url: (await functions.findUrl(name, flags.qualifier)) ?? null,
    }));
  },
});
