import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { SlipwayError } from '@slipway/base/errors';
import { boolean, text } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { formatSize } from '../format/units.ts';
import { packCode } from '../functions/code.ts';
import { deploy } from '../functions/deploy.ts';
import { readManifest } from '../functions/manifest.ts';
import { manifestWith, SETTING_FLAGS } from '../functions/settings.ts';
import { openUrl } from '../functions/url.ts';

export default defineCommand({
  summary: 'Pack a folder and make, or update, its function',
  description:
    'What the function is stands in function.json in the folder; flags go before it, and what neither says is read from the code. ' +
    'A folder that brings its dependencies is packed as it is; otherwise the engine builds it, as slipway package --zip does.',
  arguments: { usage: '[DIR]', min: 0, max: 1, complete: 'file' },
  flags: {
    name: text("Name of the function (default that of function.json, or the folder's)"),
    zip: text('Deploy this file instead of packing the folder', { value: 'file', complete: 'file' }),
    image: text('Deploy this image instead', { value: 'image', complete: 'image' }),
    build: boolean('Build it even if the folder could be packed as it is'),
    base: text('Image to build on instead of the official one, as debian:bookworm', {
      value: 'image',
      complete: 'image',
    }),
    'no-build': boolean('Pack the folder as it is'),
    quiet: boolean('Only the name', { short: 'q' }),
    ...SETTING_FLAGS,
  },
  examples: [
    ['fn deploy', 'the function in this folder'],
    ['fn deploy --memory 512 -e STAGE=test --name hello-test hello', 'another one of the same code'],
  ],
  async run(context, { flags, args }) {
    const { stdout } = context;
    const folder = resolve(args[0] ?? '.');
    if (flags.build && flags['no-build']) {
      throw new SlipwayError('InvalidArgument', '--build and --no-build exclude each other');
    }
    let manifest = manifestWith(readManifest(folder), flags, context.env);
    const name = flags.name || manifest.name || basename(folder);
    let code: { ZipFile: string } | { ImageUri: string };
    let how: string;
    if (flags.image !== '') {
      code = { ImageUri: flags.image };
      how = `image ${flags.image}`;
    } else if (flags.zip !== '') {
      const zip = await readFile(flags.zip);
      code = { ZipFile: zip.toString('base64') };
      how = `${formatSize(zip.byteLength)} of ${flags.zip}`;
    } else {
      const build = flags.build ? 'always' : flags['no-build'] ? 'never' : 'auto';
      const packed = await packCode(context, folder, manifest, { build, base: flags.base });
      code = { ZipFile: packed.zip.toString('base64') };
      how = `${formatSize(packed.zip.byteLength)}, ${packed.how}`;
      manifest = {
        ...manifest,
        ...(packed.runtime === undefined ? {} : { runtime: packed.runtime }),
        ...(packed.handler === undefined ? {} : { handler: packed.handler }),
      };
      if (manifest.runtime === undefined || manifest.handler === undefined) {
        throw new SlipwayError(
          'InvalidArgument',
          `cannot tell the ${manifest.runtime === undefined ? 'runtime' : 'handler'} of ${folder}: say it with --runtime nodejs24.x --handler index.handler, or in function.json`,
        );
      }
    }
    const what = await deploy(context, { name, manifest, code, role: flags.role });
    if (flags.quiet) return void stdout.write(`${name}\n`);
    stdout.write(`${name} ${what} (${how})\n`);
    if (manifest.url !== undefined) {
      const auth = manifest.url === 'none' ? 'NONE' : 'AWS_IAM';
      stdout.write(`${(await openUrl(context.client, name, { AuthType: auth })).FunctionUrl}\n`);
    }
    stdout.write(`Invoke it: slipway fn invoke ${name}\n`);
  },
});
