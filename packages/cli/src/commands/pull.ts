import { boolean, text } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { pullImage, splitReference } from '../images/pull.ts';

export default defineCommand({
  summary: 'Fetch an image from a registry',
  arguments: { usage: 'NAME[:TAG|@DIGEST]', min: 1, max: 1 },
  flags: { platform: text('Platform, as in linux/amd64'), quiet: boolean('No progress', { short: 'q' }) },
  examples: [['pull localhost:5000/app:1', 'from a registry on this machine']],
  async run(context, { flags, args }) {
    const name = args[0] as string;
    if (!flags.quiet && !/[:@][^/]*$/.test(name)) context.stdout.write('Using default tag: latest\n');
    await pullImage(context, name, { ...flags, out: context.stdout });
    const { repo, tag } = splitReference(name);
    if (flags.quiet) context.stdout.write(`${repo}${tag.includes(':') ? '@' : ':'}${tag}\n`);
  },
});
