import { boolean } from '../args/flags.ts';
import { defineCommand, ExitError } from '../command.ts';
import { splitReference } from '../images/pull.ts';
import { loginForImage } from '../registry/credential-store.ts';
import { fullName, hasTag } from '../registry/name.ts';
import { showProgress } from '../stdio/progress.ts';

export default defineCommand({
  summary: 'Send an image to a registry',
  description: 'With the login that slipway login or docker login keeps for the registry.',
  arguments: { usage: 'NAME[:TAG]', min: 1, max: 1, complete: 'image' },
  flags: {
    'all-tags': boolean('Every tag of the repository', { short: 'a' }),
    quiet: boolean('No progress', { short: 'q' }),
  },
  examples: [['push localhost:5000/app:1', 'what slipway tag app:1 localhost:5000/app:1 has named']],
  async run(context, { flags, args }) {
    const name = args[0] as string;
    const allTags = flags['all-tags'];
    if (name.includes('@')) throw new ExitError(1, `cannot push a digest reference: name a tag, not ${name}`);
    if (allTags && hasTag(name)) {
      throw new ExitError(1, `tag can't be used with --all-tags/-a: name the repository alone, not ${name}`);
    }
    if (!flags.quiet && !allTags && !hasTag(name)) context.stdout.write('Using default tag: latest\n');
    const { repo, tag } = splitReference(name);
    const login = await loginForImage(context, name);
    const messages = await context.client.images.push(repo, allTags ? '' : tag, { login });
    await showProgress(messages, context.stdout, flags);
    if (flags.quiet) {
      context.stdout.write(`${allTags ? fullName(name).replace(/:latest$/, '') : fullName(name)}\n`);
    }
  },
});
