import { formatFlag, text } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { formatList } from '../format/list.ts';
import { formatAgo } from '../format/units.ts';

const LAYOUT = {
  headings: { AccessKeyId: 'ACCESS KEY ID', UserName: 'USER', Status: 'STATUS', CreateDate: 'CREATED' },
  columns: ['AccessKeyId', 'UserName', 'Status', 'CreateDate'],
};

export default defineCommand({
  summary: 'List access keys',
  description: 'Without --user-name those of root. Secrets are not shown.',
  arguments: { usage: '', min: 0, max: 0 },
  flags: { 'user-name': text('Of this account', { value: 'name' }), format: formatFlag() },
  examples: [["iam list-access-keys --format '{{.AccessKeyId}}'", 'only their ids']],
  async run({ client, clock, stdout }, { flags }) {
    const keys = await client.accessKeys.list(flags['user-name'] || undefined);
    if (flags.format === 'json') {
      stdout.write(`${JSON.stringify({ AccessKeyMetadata: keys })}\n`);
      return;
    }
    const rows = keys.map((key) => ({
      AccessKeyId: () => key.AccessKeyId,
      UserName: () => key.UserName,
      Status: () => key.Status,
      CreateDate: () => formatAgo(Date.parse(key.CreateDate), clock.nowMs()),
    }));
    stdout.write(formatList(LAYOUT, rows, flags.format));
  },
});
