import { errorMessage } from '@slipway/base/errors';
import { boolean, text } from '../args/flags.ts';
import { type Context, defineCommand, ExitError } from '../command.ts';
import { attachedStreams } from '../run/config.ts';
import { createContainer } from '../run/create-container.ts';
import { CREATE_FLAGS } from '../run/flags.ts';
import { startAttached, startError } from '../run/start-attached.ts';

export default defineCommand({
  summary: 'Create and run a new container from an image',
  arguments: { usage: 'IMAGE [COMMAND] [ARG...]', min: 1, complete: 'image' },
  flags: {
    ...CREATE_FLAGS,
    detach: boolean('Run in the background and print its id', { short: 'd' }),
    'detach-keys': text('Keys that detach from it (default ctrl-p,ctrl-q)'),
    'sig-proxy': boolean('Hand signals on to it', { initial: true }),
  },
  interspersed: false,
  examples: [
    ['run --rm -it busybox sh', 'a shell, gone when it exits'],
    ['run -d --name web -p 8080:80 IMAGE', 'a server in the background, on port 8080'],
    ['run --rm -v "$PWD:/work" -w /work IMAGE make', 'a program at work on this directory'],
    ['run --rm -m 256m --cpus 0.5 IMAGE', 'with a quarter GiB and half a CPU'],
  ],
  async run(context, input) {
    const { flags } = input;
    if (flags.tty && flags.interactive && !flags.detach && !context.stdin.isTTY) {
      throw new ExitError(1, 'the input device is not a TTY');
    }
    if (flags.rm && !['', 'no'].includes(flags.restart)) {
      throw new ExitError(125, 'conflicting options: cannot specify both --restart and --rm');
    }
    const { id, streams } = await create(context, input);
    if (!flags.detach && (streams.stdin || streams.stdout || streams.stderr)) {
      return startAttached(context, {
        id,
        tty: flags.tty,
        ...streams,
        detachKeys: flags['detach-keys'],
        autoRemove: flags.rm,
        sigProxy: flags['sig-proxy'],
      });
    }
    await context.client.containers.start(id).catch((error: unknown) => {
      throw startError(error);
    });
    context.stdout.write(`${id}\n`);
    return 0;
  },
});

/** What fails before there is a container is told from the container's own exit codes by 125. */
async function create(context: Context, input: Parameters<typeof createContainer>[1] & DetachInput) {
  try {
    const streams = attachedStreams(input.flags, input.flags.detach);
    return { streams, id: await createContainer(context, input, streams) };
  } catch (cause) {
    throw new ExitError(125, errorMessage(cause), { cause });
  }
}

interface DetachInput {
  readonly flags: { readonly detach: boolean };
}
