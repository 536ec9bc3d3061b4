import { boolean, text } from '../args/flags.ts';
import { defineCommand, ExitError } from '../command.ts';

export default defineCommand({
  summary: 'Make an access key, for the tools of AWS',
  description: 'Its secret is shown once and cannot be asked for again.',
  arguments: { usage: 'NAME', min: 1, max: 1 },
  flags: {
    list: boolean('The ids of those that there are'),
    remove: text('Remove the one with this id', { value: 'id' }),
  },
  examples: [
    ['registry users key ci', 'prints what to put into the environment'],
    ['registry users key --list ci', 'the ids of those that there are'],
  ],
  async run({ client, stdout }, { flags, args }) {
    const name = args[0] as string;
    if (flags.list && flags.remove !== '') throw new ExitError(1, '--list and --remove exclude each other');
    if (flags.list) {
      for (const { accessKeyId } of await client.accounts.keys(name)) stdout.write(`${accessKeyId}\n`);
      return;
    }
    if (flags.remove !== '') {
      await client.accounts.removeKey(name, flags.remove);
      stdout.write(`${flags.remove}\n`);
      return;
    }
    const { accessKeyId, secretAccessKey } = await client.accounts.addKey(name);
    stdout.write(`AWS_ACCESS_KEY_ID=${accessKeyId}\nAWS_SECRET_ACCESS_KEY=${secretAccessKey}\n`);
  },
});
