import { boolean, formatFlag } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { formatList } from '../format/list.ts';
import { formatAgo } from '../format/units.ts';
import { formatGrant } from '../registry/grants.ts';

const LAYOUT = {
  headings: { Name: 'NAME', Admin: 'ADMIN', Grants: 'GRANTS', Password: 'PASSWORD', Created: 'CREATED' },
  columns: ['Name', 'Admin', 'Grants', 'Password', 'Created'],
};

export default defineCommand({
  summary: "List who may use the daemon's TCP port",
  description: 'While nobody has a password, whoever reaches the port may do everything with the registry.',
  arguments: { usage: '', min: 0, max: 0 },
  flags: { format: formatFlag(), quiet: boolean('Only names', { short: 'q' }) },
  examples: [['registry users ls', 'with what each may do']],
  async run({ client, clock, stdout }, { flags }) {
    const accounts = await client.accounts.list();
    if (flags.quiet && flags.format === '') {
      for (const { name } of accounts) stdout.write(`${name}\n`);
      return;
    }
    const rows = accounts.map((account) => ({
      Name: () => account.name,
      Admin: () => String(account.isAdmin),
      Grants: () => account.grants.map(formatGrant).join(' '),
      Password: () => (account.hasPassword ? 'yes' : 'none'),
      Created: () => formatAgo(Date.parse(account.createdAt), clock.nowMs()),
    }));
    stdout.write(formatList(LAYOUT, rows, flags.format));
  },
});
