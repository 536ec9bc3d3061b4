import { boolean, text } from '../args/flags.ts';
import { defineCommand, ExitError } from '../command.ts';
import { pullImage } from '../images/pull.ts';
import { fullName, hasTag } from '../registry/name.ts';

export default defineCommand({
  summary: 'Fetch an image from a registry',
  description: 'With the login that slipway login or docker login keeps for the registry.',
  arguments: { usage: 'NAME[:TAG|@DIGEST]', min: 1, max: 1 },
  flags: {
    'all-tags': boolean('Every tag of the repository', { short: 'a' }),
    platform: text('Platform, as in linux/amd64'),
    quiet: boolean('No progress', { short: 'q' }),
  },
  examples: [
    ['pull localhost:5000/app:1', 'from a registry on this machine'],
    ['pull --platform linux/arm64 localhost:5000/app:1', 'the variant for another machine'],
  ],
  async run(context, { flags, args }) {
    const name = args[0] as string;
    const { quiet, platform } = flags;
    const allTags = flags['all-tags'];
    if (allTags && hasTag(name)) {
      throw new ExitError(1, `tag can't be used with --all-tags/-a: name the repository alone, not ${name}`);
    }
    if (!quiet && !allTags && !hasTag(name)) context.stdout.write('Using default tag: latest\n');
    await pullImage(context, name, { platform, quiet, allTags, out: context.stdout });
    context.stdout.write(`${allTags ? fullName(name).replace(/:latest$/, '') : fullName(name)}\n`);
  },
});
