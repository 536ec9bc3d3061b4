import { readFile } from 'node:fs/promises';
import { SlipwayError } from '@slipway/base/errors';
import { text } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { create } from '../functions/deploy.ts';
import { manifestWith, SETTING_FLAGS } from '../functions/settings.ts';

export default defineCommand({
  summary: 'Make a function of a zip or an image',
  arguments: { usage: 'NAME', min: 1, max: 1 },
  flags: {
    zip: text('File with the code and its dependencies', { value: 'file', complete: 'file' }),
    image: text('Image that brings its own runtime client', { value: 'image', complete: 'image' }),
    ...SETTING_FLAGS,
  },
  examples: [
    ['fn create --zip hello.zip --runtime nodejs24.x --handler index.handler hello', 'of a zip'],
    ['fn create --image my/function:1 --memory 512 resize', 'of an image that the engine has'],
  ],
  async run(context, { flags, args }) {
    const name = args[0] as string;
    if ((flags.zip === '') === (flags.image === '')) {
      throw new SlipwayError('InvalidArgument', 'give the code as one of --zip FILE and --image IMAGE');
    }
    const code =
      flags.zip === ''
        ? { ImageUri: flags.image }
        : { ZipFile: (await readFile(flags.zip)).toString('base64') };
    await create(context, { name, code, role: flags.role, manifest: manifestWith({}, flags, context.env) });
    context.stdout.write(`${name}\n`);
  },
});
