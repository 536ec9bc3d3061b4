import { text } from '../args/flags.ts';
import { defineCommand } from '../command.ts';

export default defineCommand({
  summary: 'Keep the function as it is now as a version',
  arguments: { usage: 'FUNCTION', min: 1, max: 1, complete: 'function' },
  flags: {
    description: text('What is new in it'),
    alias: text('And let this alias lead to it', { value: 'name' }),
  },
  examples: [['fn publish --alias live hello', 'a version, for who invokes hello:live']],
  async run({ client, stdout }, { flags, args }) {
    const name = args[0] as string;
    const { Version = '' } = await client.functions.publish(name, flags.description);
    if (flags.alias !== '') {
      const aliases = await Array.fromAsync(client.functions.aliases(name));
      const exists = aliases.some(({ Name }) => Name === flags.alias);
      if (exists) await client.functions.updateAlias(name, flags.alias, Version, {});
      else await client.functions.createAlias(name, flags.alias, Version);
    }
    stdout.write(`${Version}\n`);
  },
});
