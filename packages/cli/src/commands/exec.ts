import { readFile } from 'node:fs/promises';
import { boolean, list, text } from '../args/flags.ts';
import { defineCommand, ExitError } from '../command.ts';
import { startError } from '../run/start-attached.ts';
import { parseEnv, settingLines } from '../run/values.ts';
import { joinStreams } from '../stdio/streams.ts';
import { consoleSize, followSize, rawMode } from '../stdio/terminal.ts';

export default defineCommand({
  summary: 'Run a command in a running container',
  arguments: { usage: 'CONTAINER COMMAND [ARG...]', min: 2, complete: 'running' },
  interspersed: false,
  flags: {
    detach: boolean('In the background', { short: 'd' }),
    'detach-keys': text('Keys that detach from it (default ctrl-p,ctrl-q)'),
    env: list('Set an environment variable', { short: 'e' }),
    'env-file': list('Read environment variables from a file', { complete: 'file' }),
    interactive: boolean('Keep standard input open', { short: 'i' }),
    privileged: boolean("Give it all that the host's root can do"),
    tty: boolean('Give it a terminal', { short: 't' }),
    user: text('User and group', { short: 'u' }),
    workdir: text('Working directory', { short: 'w' }),
  },
  examples: [
    ['exec -it web sh', 'a shell in it'],
    ['exec -u root -w /etc web ls', 'one command, as root, in /etc'],
  ],
  async run(context, { flags, args }) {
    const { execs } = context.client;
    const [container, ...Cmd] = args as [string, ...string[]];
    if (flags.tty && flags.interactive && !flags.detach && !context.stdin.isTTY) {
      throw new ExitError(1, 'the input device is not a TTY');
    }
    const files = await Promise.all(flags['env-file'].map((path) => readFile(path, 'utf8')));
    const { tty, interactive: stdin, detach } = flags;
    const { Id } = await execs.create(container, {
      Cmd,
      User: flags.user,
      Privileged: flags.privileged,
      Tty: tty,
      AttachStdin: stdin && !detach,
      AttachStdout: !detach,
      AttachStderr: !detach,
      DetachKeys: flags['detach-keys'],
      Env: parseEnv([...files.flatMap(settingLines), ...flags.env], context.env),
      WorkingDir: flags.workdir,
    });
    try {
      if (detach) {
        await execs.startDetached(Id, { tty });
        return 0;
      }
      const size = tty ? consoleSize(context.stdout) : undefined;
      const streams = await execs.start(Id, { tty, ...(size === undefined ? {} : { consoleSize: size }) });
      using _raw = tty && stdin ? rawMode(context.stdin) : undefined;
      using _size = tty ? followSize(context.stdout, (size) => execs.resize(Id, size)) : undefined;
      const detachKeys = flags['detach-keys'];
      const how = await joinStreams(context, streams, { tty, stdin, stdout: true, stderr: true, detachKeys });
      if (how === 'detached') return 0;
    } catch (error) {
      throw startError(error);
    }
    return (await execs.inspect(Id)).ExitCode ?? 0;
  },
});
