import { formatFlag } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { compileTemplate } from '../format/template.ts';
import { formatSize } from '../format/units.ts';

export default defineCommand({
  summary: "Show how much the daemon's registry holds",
  arguments: { usage: '', min: 0, max: 0 },
  flags: { format: { ...formatFlag(), short: 'f' } },
  examples: [["registry status -f '{{.sizeBytes}}'", 'only its size']],
  async run({ client, stdout }, { flags }) {
    const status = await client.registry.status();
    if (flags.format !== '') {
      stdout.write(`${compileTemplate(flags.format === 'json' ? '{{json .}}' : flags.format)(status)}\n`);
      return;
    }
    stdout.write(`Repositories: ${status.repositories}
Manifests: ${status.manifests}
Blobs: ${status.blobs}
Size: ${formatSize(status.sizeBytes)}
Uploads in progress: ${status.uploads}
Read-only: ${status.isReadOnly}
`);
    for (const { prefix, url } of status.upstreams) stdout.write(`Cache of: ${url} below ${prefix}\n`);
  },
});
