import { text } from '../args/flags.ts';
import { defineCommand, ExitError } from '../command.ts';

export default defineCommand({
  summary: 'Remove an access key',
  description: 'What it signs is refused from then on.',
  arguments: { usage: '', min: 0, max: 0 },
  flags: {
    'access-key-id': text('Its id', { value: 'id' }),
    'user-name': text('Only if it is of this account', { value: 'name' }),
  },
  examples: [['iam delete-access-key --access-key-id ID', 'the id that iam list-access-keys shows']],
  async run({ client }, { flags }) {
    if (flags['access-key-id'] === '') throw new ExitError(1, '--access-key-id says which key is to go');
    await client.accessKeys.remove(flags['access-key-id'], flags['user-name'] || undefined);
  },
});
