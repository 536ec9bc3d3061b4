import { formatFlag, text } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { compileTemplate } from '../format/template.ts';

export default defineCommand({
  summary: 'Make an access key, for the tools of AWS',
  description:
    'Its secret is shown once. Without --user-name it is that of root, an administrator without a password; the registry asks nobody for a login because of it.',
  arguments: { usage: '', min: 0, max: 0 },
  flags: {
    'user-name': text('Of this account (slipway registry users)', { value: 'name' }),
    format: formatFlag(),
  },
  examples: [
    ['iam create-access-key', 'prints what to put into the environment'],
    ['iam create-access-key --format json', 'as the aws CLI prints it'],
  ],
  async run({ client, stdout }, { flags }) {
    const key = await client.accessKeys.create(flags['user-name'] || undefined);
    if (flags.format === 'json') {
      stdout.write(`${JSON.stringify({ AccessKey: key })}\n`);
      return;
    }
    const lines = 'AWS_ACCESS_KEY_ID={{.AccessKeyId}}\nAWS_SECRET_ACCESS_KEY={{.SecretAccessKey}}';
    stdout.write(`${compileTemplate(flags.format || lines)(key)}\n`);
  },
});
