import { boolean, formatFlag } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { formatList } from '../format/list.ts';
import { formatAgo, formatBinarySize, formatSize } from '../format/units.ts';

const LAYOUT = {
  headings: {
    Name: 'REPOSITORY',
    Tags: 'TAGS',
    Manifests: 'MANIFESTS',
    Size: 'SIZE',
    Quota: 'QUOTA',
    ImmutableTags: 'IMMUTABLE TAGS',
    Upstream: 'CACHE OF',
    Created: 'CREATED',
  },
  columns: ['Name', 'Tags', 'Manifests', 'Size', 'Quota', 'Created'],
};

export default defineCommand({
  summary: "List the repositories of the daemon's registry",
  arguments: { usage: '', min: 0, max: 0 },
  flags: { format: formatFlag(), quiet: boolean('Only names', { short: 'q' }) },
  examples: [["registry ls --format 'table {{.Name}}\\t{{.Upstream}}'", 'which are caches, and of what']],
  async run({ client, clock, stdout }, { flags }) {
    const repositories = await client.registry.repositories();
    if (flags.quiet && flags.format === '') {
      for (const { name } of repositories) stdout.write(`${name}\n`);
      return;
    }
    const rows = repositories.map((repository) => ({
      Name: () => repository.name,
      Tags: () => String(repository.tagCount),
      Manifests: () => String(repository.manifestCount),
      Size: () => formatSize(repository.sizeBytes),
      Quota: () => (repository.quotaBytes === undefined ? 'none' : formatBinarySize(repository.quotaBytes)),
      ImmutableTags: () => String(repository.immutableTags),
      Upstream: () => repository.upstream ?? '',
      Created: () => formatAgo(repository.createdAtMs, clock.nowMs()),
    }));
    stdout.write(formatList(LAYOUT, rows, flags.format));
  },
});
