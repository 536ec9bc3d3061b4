import { defineCommand } from '../command.ts';
import { complete } from '../complete.ts';

export default defineCommand({
  summary: 'Words that may stand at the end of a command line',
  arguments: { usage: '-- WORD...', min: 0 },
  interspersed: false,
  flags: {},
  examples: [],
  async run(context, { args }) {
    try {
      for (const word of await complete(context, args)) context.stdout.write(`${word}\n`);
    } catch {
      // A line that is not understood has no completion; the shell must not show an error.
    }
  },
});
