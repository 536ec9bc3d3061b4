import { formatFlag } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { formatList } from '../format/list.ts';
import { formatSize } from '../format/units.ts';
import { showProgress } from '../stdio/progress.ts';

const LAYOUT = {
  headings: { Name: 'RUNTIME', Image: 'IMAGE', State: 'STATE', Size: 'SIZE' },
  columns: ['Name', 'State', 'Image', 'Size'],
};

export default defineCommand({
  summary: 'List the runtimes, or make the images of some ahead',
  description: 'A runtime that is not ready is made with its first function, from Debian and, for Node, npm.',
  arguments: { usage: '[RUNTIME...]', min: 0 },
  flags: { format: formatFlag() },
  examples: [['fn runtimes nodejs24.x python3.11', 'while there is a network: the first deploys need none']],
  async run({ client, stdout }, { flags, args }) {
    for (const name of args) {
      await showProgress(await client.functions.prepareRuntime(name), stdout, { quiet: false });
    }
    if (args.length > 0) return;
    const rows = (await client.functions.runtimes()).map((runtime) => ({
      Name: () => runtime.name,
      Image: () => runtime.image,
      State: () => (runtime.isReady ? 'ready' : 'not made yet'),
      Size: () => (runtime.sizeBytes === undefined ? '' : formatSize(runtime.sizeBytes)),
    }));
    stdout.write(formatList(LAYOUT, rows, flags.format));
  },
});
