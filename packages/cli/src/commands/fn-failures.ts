import { formatFlag } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { formatList } from '../format/list.ts';
import { formatAgo, formatSize } from '../format/units.ts';

const LAYOUT = {
  headings: { RequestId: 'REQUEST ID', When: 'WHEN', Version: 'VERSION', Size: 'EVENT', Error: 'ERROR' },
  columns: ['RequestId', 'When', 'Version', 'Size', 'Error'],
};

export default defineCommand({
  summary: 'List failed invocations whose events can be run again',
  arguments: { usage: 'FUNCTION', min: 1, max: 1, complete: 'function' },
  flags: { format: formatFlag() },
  examples: [['fn failures hello', 'what failed lately, the newest first']],
  async run({ client, clock, stdout }, { flags, args }) {
    const failures = await client.functions.failures(args[0] as string);
    const rows = failures.map((failure) => ({
      RequestId: () => failure.requestId,
      When: () => formatAgo(failure.atMs, clock.nowMs()),
      Version: () => failure.version,
      Size: () => formatSize(failure.sizeBytes),
      Error: () => failure.error,
    }));
    stdout.write(formatList(LAYOUT, rows, flags.format));
  },
});
