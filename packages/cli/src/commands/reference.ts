import { defineCommand } from '../command.ts';
import { reference } from '../reference.ts';

export default defineCommand({
  summary: 'Print docs/reference/cli.md',
  arguments: { usage: '', min: 0, max: 0 },
  flags: {},
  examples: [],
  async run({ stdout, tree }) {
    stdout.write(await reference(tree));
  },
});
