import { boolean, formatFlag } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { formatList } from '../format/list.ts';
import { formatAgo, formatSize } from '../format/units.ts';

const LAYOUT = {
  headings: {
    Name: 'FUNCTION',
    Runtime: 'RUNTIME',
    Handler: 'HANDLER',
    Memory: 'MEMORY',
    Timeout: 'TIMEOUT',
    Size: 'SIZE',
    Modified: 'MODIFIED',
    Arn: 'ARN',
  },
  columns: ['Name', 'Runtime', 'Handler', 'Memory', 'Timeout', 'Size', 'Modified'],
};

export default defineCommand({
  summary: 'List functions',
  arguments: { usage: '', min: 0, max: 0 },
  flags: { format: formatFlag(), quiet: boolean('Only names', { short: 'q' }) },
  examples: [["fn ls --format '{{.Name}} {{.Runtime}}'", 'what runs each']],
  async run({ client, clock, stdout }, { flags }) {
    const functions = await Array.fromAsync(client.functions.list());
    if (flags.quiet && flags.format === '') {
      for (const { FunctionName } of functions) stdout.write(`${FunctionName}\n`);
      return;
    }
    const rows = functions.map((one) => ({
      Name: () => one.FunctionName ?? '',
      Runtime: () => one.Runtime ?? 'image',
      Handler: () => one.Handler ?? '',
      Memory: () => `${one.MemorySize} MB`,
      Timeout: () => `${one.Timeout} s`,
      Size: () => (one.CodeSize ? formatSize(one.CodeSize) : ''),
      Modified: () => formatAgo(Date.parse(String(one.LastModified)), clock.nowMs()),
      Arn: () => one.FunctionArn ?? '',
    }));
    stdout.write(formatList(LAYOUT, rows, flags.format));
  },
});
