import { SlipwayError } from '@slipway/base/errors';
import { boolean, integer, list, text } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { openUrl } from '../functions/url.ts';

export default defineCommand({
  summary: "Show a function's URL, or give it one",
  arguments: { usage: 'FUNCTION', min: 1, max: 1, complete: 'function' },
  flags: {
    auth: text("Give it a URL: 'none' for everybody who reaches the port, 'iam' for signed requests", {
      complete: ['none', 'iam'],
    }),
    stream: boolean('What it answers is passed on as it comes'),
    'allow-origin': list('Pages of this origin may use it', { value: 'origin' }),
    'allow-method': list('With this method', { value: 'method' }),
    'allow-header': list('With this header', { value: 'name' }),
    'expose-header': list('Pages may read this header of the answer', { value: 'name' }),
    'allow-credentials': boolean('Pages may send cookies'),
    'max-age': integer('How long browsers keep what is allowed', { value: 'seconds' }),
    qualifier: text('Of this alias'),
    rm: boolean('Take it away'),
  },
  examples: [
    ['fn url hello', 'where it is'],
    ['fn url --auth none --allow-origin https://example.org hello', 'open it, also to pages of one origin'],
  ],
  async run({ client, stdout }, { flags, args, given }) {
    const name = args[0] as string;
    const { qualifier } = flags;
    if (flags.rm) return await client.functions.removeUrl(name, qualifier);
    const changes = [...given].filter((flag) => flag !== 'qualifier');
    if (changes.length === 0) {
      const url = await client.functions.findUrl(name, qualifier);
      if (url === undefined) {
        throw new SlipwayError(
          'NotFound',
          `${name} has no URL; give it one with: slipway fn url --auth none ${name}`,
        );
      }
      return void stdout.write(`${url.FunctionUrl}\n`);
    }
    if (flags.auth !== 'none' && flags.auth !== 'iam') {
      throw new SlipwayError('InvalidArgument', `--auth must be none or iam, not "${flags.auth}"`);
    }
    const some = (values: readonly string[]) => (values.length === 0 ? undefined : [...values]);
    const cors = Object.entries({
      AllowOrigins: some(flags['allow-origin']),
      AllowMethods: some(flags['allow-method']),
      AllowHeaders: some(flags['allow-header']),
      ExposeHeaders: some(flags['expose-header']),
      AllowCredentials: flags['allow-credentials'] || undefined,
      MaxAge: flags['max-age'],
    }).filter(([, value]) => value !== undefined);
    const url = await openUrl(client, name, {
      AuthType: flags.auth === 'none' ? 'NONE' : 'AWS_IAM',
      InvokeMode: flags.stream ? 'RESPONSE_STREAM' : 'BUFFERED',
      ...(qualifier === '' ? {} : { Qualifier: qualifier }),
      ...(cors.length === 0 ? {} : { Cors: Object.fromEntries(cors) }),
    });
    stdout.write(`${url.FunctionUrl}\n`);
  },
});
