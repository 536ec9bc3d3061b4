import { createReadStream } from 'node:fs';
import { list, text } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { splitReference } from '../images/pull.ts';
import { showProgress } from '../stdio/progress.ts';

export default defineCommand({
  summary: 'Make an image of a tar archive of files',
  arguments: { usage: 'FILE|URL|- [REPOSITORY[:TAG]]', min: 1, max: 2, complete: 'file' },
  flags: {
    change: list('Dockerfile instruction to apply, e.g. CMD', { short: 'c' }),
    message: text('Comment in its history', { short: 'm' }),
    platform: text('Platform, as in linux/amd64'),
  },
  examples: [['import -c \'CMD ["sh"]\' root.tar tools', 'the files as the image tools']],
  async run(context, { flags, args }) {
    const [source, name] = args as [string, string?];
    const { repo, tag } = name === undefined ? { repo: '', tag: '' } : splitReference(name);
    const isUrl = /^https?:/.test(source);
    const archive = isUrl ? undefined : source === '-' ? context.stdin : createReadStream(source);
    const fromSrc = isUrl ? source : '-';
    const { message, change: changes, platform } = flags;
    const query = { fromSrc, repo, tag, message, changes, platform };
    await showProgress(await context.client.images.import(query, archive), context.stdout);
  },
});
