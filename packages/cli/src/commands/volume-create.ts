import { list, text } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { parseMap } from '../run/values.ts';

export default defineCommand({
  summary: 'Create a volume',
  arguments: { usage: '[VOLUME]', min: 0, max: 1 },
  flags: {
    driver: text('Driver', { short: 'd', initial: 'local' }),
    label: list('Set a label'),
    name: text('Its name', { hidden: true }),
    opt: list('Option of the driver', { short: 'o' }),
  },
  examples: [['volume create data', 'to use with run -v data:/var/lib/data']],
  async run({ client, stdout }, { flags, args }) {
    const { Name } = await client.volumes.create({
      Name: args[0] ?? flags.name,
      Driver: flags.driver,
      DriverOpts: parseMap(flags.opt),
      Labels: parseMap(flags.label),
    });
    stdout.write(`${Name}\n`);
  },
});
