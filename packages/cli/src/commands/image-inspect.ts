import { boolean, formatFlag, text } from '../args/flags.ts';
import { defineCommand, ExitError } from '../command.ts';
import { inspect, printEach } from '../inspect.ts';
import { loginForImage } from '../registry/credential-store.ts';

export default defineCommand({
  summary: 'Show all that is known of images',
  arguments: { usage: 'IMAGE [IMAGE...]', min: 1, complete: 'image' },
  flags: {
    format: { ...formatFlag(), short: 'f' },
    platform: text('With --remote: the platform whose manifest and configuration are shown'),
    remote: boolean('What the registry has by that name, without fetching it'),
  },
  examples: [
    ["image inspect -f '{{json .}}' NAME", 'as JSON in one line'],
    ["image inspect --remote -f '{{json .platforms}}' localhost:5000/app:1", 'what it is there for'],
  ],
  async run(context, { flags, args }) {
    const { remote, platform } = flags;
    if (!remote && platform !== '') throw new ExitError(1, '--platform needs --remote');
    if (!remote) return inspect(context, args, ['image'], { ...flags, size: false });
    return printEach(context, args, flags.format, async (name) =>
      context.client.images.inspectRemote({ name, platform }, { login: await loginForImage(context, name) }),
    );
  },
});
