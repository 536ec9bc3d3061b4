import { defineCommand } from '../command.ts';
import { alignColumns, TOP_MIN_WIDTH } from '../format/list.ts';

export default defineCommand({
  summary: 'Show the processes of a container',
  arguments: { usage: 'CONTAINER [PS-OPTIONS]', min: 1, complete: 'running' },
  interspersed: false,
  flags: {},
  examples: [
    ['top web', 'its processes'],
    ['top web -o pid,cmd', 'as ps shows them with these options'],
  ],
  async run({ client, stdout }, { args }) {
    const [name, ...psArguments] = args as [string, ...string[]];
    const { Titles, Processes } = await client.containers.top(name, psArguments.join(' '));
    const lines = [Titles, ...(Processes ?? [])].map((cells) => cells.join('\t'));
    stdout.write(alignColumns(lines, TOP_MIN_WIDTH));
  },
});
