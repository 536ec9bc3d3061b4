import { boolean, filterFlag, formatFlag, integer } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { formatList, parseFilters } from '../format/list.ts';
import { ellipsis } from '../format/units.ts';
import { loginForImage } from '../registry/credential-store.ts';

const LAYOUT = {
  headings: {
    Name: 'NAME',
    Description: 'DESCRIPTION',
    StarCount: 'STARS',
    IsOfficial: 'OFFICIAL',
  },
  columns: ['Name', 'Description', 'StarCount', 'IsOfficial'],
};
const DESCRIPTION_WIDTH = 45;

export default defineCommand({
  summary: 'Search a registry for images',
  description: 'Docker Hub, or the registry that the term begins with.',
  arguments: { usage: '[HOST/]TERM', min: 1, max: 1 },
  flags: {
    filter: { ...filterFlag(), help: 'Filter output: "is-official=true", "stars=NUMBER"' },
    format: formatFlag(),
    limit: integer('At most so many, 1 to 100 (default 25)'),
    'no-trunc': boolean('Cut nothing off'),
  },
  examples: [
    ['search --limit 5 busybox', 'the first five on Docker Hub'],
    ['search localhost:5000/app', 'in a registry on this machine'],
  ],
  async run(context, { flags, args }) {
    const term = args[0] as string;
    const found = await context.client.images.search(
      { term, limit: flags.limit, filters: parseFilters(flags.filter) },
      { login: await loginForImage(context, term) },
    );
    const describe = (text: string) => {
      const line = text.replaceAll(/\s+/g, ' ').trim();
      return flags['no-trunc'] ? line : ellipsis(line, DESCRIPTION_WIDTH);
    };
    const rows = found.map((image) => ({
      Name: () => image.name,
      Description: () => describe(image.description),
      StarCount: () => String(image.star_count),
      IsOfficial: () => (image.is_official ? '[OK]' : ''),
    }));
    context.stdout.write(formatList(LAYOUT, rows, flags.format));
  },
});
