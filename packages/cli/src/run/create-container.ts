import { access, writeFile } from 'node:fs/promises';
import { isSlipwayError, SlipwayError } from '@slipway/base/errors';
import type { Context, Input } from '../command.ts';
import { pullImage } from '../images/pull.ts';
import { consoleSize } from '../stdio/terminal.ts';
import { type AttachedStreams, createConfig } from './config.ts';
import type { CREATE_FLAGS } from './flags.ts';

/** Creates the container, after its image was pulled when it is missing. @returns its id. */
export async function createContainer(
  context: Context,
  input: Input<typeof CREATE_FLAGS>,
  streams: AttachedStreams,
): Promise<string> {
  const { flags, args } = input;
  const image = args[0] as string;
  const config = await createConfig(input, streams, context.env, consoleSize(context.stdout));
  const options = { name: flags.name || undefined, platform: flags.platform || undefined };
  if (flags.cidfile !== '') await refuseExisting(flags.cidfile);
  const pull = () =>
    pullImage(context, image, { platform: flags.platform, quiet: flags.quiet, out: context.stderr });
  if (flags.pull === 'always') await pull();
  const { Id, Warnings } = await context.client.containers
    .create(config, options)
    .catch(async (error: unknown) => {
      if (flags.pull !== 'missing' || !isMissingImage(error)) throw error;
      if (!flags.quiet) context.stderr.write(`Unable to find image '${withTag(image)}' locally\n`);
      await pull();
      return context.client.containers.create(config, options);
    });
  for (const warning of Warnings ?? []) context.stderr.write(`WARNING: ${warning}\n`);
  if (flags.cidfile !== '') await writeFile(flags.cidfile, Id);
  return Id;
}

/** Also tells an image from a network or a volume that is not there. */
const isMissingImage = (error: unknown): boolean =>
  isSlipwayError(error, 'NotFound') && /no such image|image.*not found/i.test(error.message);

const withTag = (image: string): string => (/[:@][^/]*$/.test(image) ? image : `${image}:latest`);

async function refuseExisting(path: string): Promise<void> {
  const exists = await access(path).then(
    () => true,
    () => false,
  );
  if (exists) {
    throw new SlipwayError(
      'AlreadyExists',
      `container ID file found, make sure the other container isn't running or delete ${path}`,
    );
  }
}
