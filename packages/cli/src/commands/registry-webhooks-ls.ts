import { formatFlag } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { formatList } from '../format/list.ts';

const LAYOUT = {
  headings: { ID: 'ID', URL: 'URL', Repositories: 'REPOSITORIES', Signed: 'SIGNED' },
  columns: ['ID', 'URL', 'Repositories', 'Signed'],
};

export default defineCommand({
  summary: "List who is told of pushes to the daemon's registry",
  arguments: { usage: '', min: 0, max: 0 },
  flags: { format: formatFlag() },
  examples: [['registry webhooks ls', 'with the repositories that each is told of']],
  async run({ client, stdout }, { flags }) {
    const rows = (await client.registry.webhooks()).map((hook) => ({
      ID: () => hook.id,
      URL: () => hook.url,
      Repositories: () => hook.repositories,
      Signed: () => String(hook.hasSecret),
    }));
    stdout.write(formatList(LAYOUT, rows, flags.format));
  },
});
