import { boolean, text } from '../args/flags.ts';
import { defineCommand, ExitError } from '../command.ts';
import { forEachArgument } from '../each.ts';
import { startAttached } from '../run/start-attached.ts';

export default defineCommand({
  summary: 'Start containers that do not run',
  arguments: { usage: 'CONTAINER [CONTAINER...]', min: 1, complete: 'container' },
  flags: {
    attach: boolean('Show its output and hand signals on', { short: 'a' }),
    interactive: boolean('Give it standard input', { short: 'i' }),
    'detach-keys': text('Keys that detach from it (default ctrl-p,ctrl-q)'),
    'sig-proxy': boolean('Hand signals on to it', { initial: true }),
  },
  examples: [
    ['start web', 'in the background'],
    ['start -ai job', 'with its streams here'],
  ],
  async run(context, { flags, args }) {
    const { containers } = context.client;
    if (!flags.attach && !flags.interactive) {
      await forEachArgument(context, args, (name) => containers.start(name));
      return 0;
    }
    if (args.length > 1)
      throw new ExitError(1, 'cannot attach to several containers at once: start them one by one');
    const { Id, Config, HostConfig } = await containers.inspect(args[0] as string);
    return startAttached(context, {
      id: Id,
      tty: Config.Tty,
      stdin: flags.interactive && Config.OpenStdin,
      stdout: true,
      stderr: true,
      detachKeys: flags['detach-keys'],
      autoRemove: HostConfig.AutoRemove,
      sigProxy: flags['sig-proxy'],
    });
  },
});
