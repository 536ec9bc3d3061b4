import { boolean, text } from '../args/flags.ts';
import { defineCommand, ExitError } from '../command.ts';
import { readPassword } from '../stdio/prompt.ts';

export default defineCommand({
  summary: "Tell a URL of every push to the daemon's registry",
  description: 'The body is signed with the secret (HMAC-SHA256 in X-Slipway-Signature) when there is one.',
  arguments: { usage: 'URL', min: 1, max: 1 },
  flags: {
    repositories: text('Only of these; * stands for any characters', { value: 'pattern' }),
    'secret-stdin': boolean('A secret that signs the body comes on standard input'),
  },
  examples: [["registry webhooks add --repositories 'team/*' http://localhost:8080/pushed", 'prints its id']],
  async run(context, { flags, args }) {
    const secret = flags['secret-stdin'] ? await readPassword(context) : undefined;
    if (secret === '') throw new ExitError(1, 'the secret on standard input is empty');
    const { id } = await context.client.registry.addWebhook({
      url: args[0] as string,
      ...(flags.repositories === '' ? {} : { repositories: flags.repositories }),
      ...(secret === undefined ? {} : { secret }),
    });
    context.stdout.write(`${id}\n`);
  },
});
