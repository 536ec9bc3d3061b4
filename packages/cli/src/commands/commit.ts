import { boolean, list, text } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { splitReference } from '../images/pull.ts';

export default defineCommand({
  summary: 'Make an image of what a container has written',
  arguments: { usage: 'CONTAINER [REPOSITORY[:TAG]]', min: 1, max: 2, complete: 'container' },
  flags: {
    author: text('Author, as in "Ada Lovelace <ada@example.org>"', { short: 'a' }),
    change: list('Dockerfile instruction to apply, e.g. CMD', { short: 'c' }),
    message: text('Comment in its history', { short: 'm' }),
    pause: boolean('Freeze the container meanwhile', { short: 'p', initial: true }),
  },
  examples: [['commit -c \'CMD ["serve"]\' box web:2', 'what box has become, as the image web:2']],
  async run({ client, stdout }, { flags, args }) {
    const [container, name] = args as [string, string?];
    const { repo, tag } = name === undefined ? { repo: '', tag: '' } : splitReference(name);
    const { author, change: changes, message: comment, pause } = flags;
    const options = { repo, tag, author, comment, changes, pause };
    stdout.write(`${await client.containers.commit(container, options)}\n`);
  },
});
