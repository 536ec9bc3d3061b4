import { readFile } from 'node:fs/promises';
import { boolean, list, text } from '../args/flags.ts';
import { defineCommand, ExitError } from '../command.ts';
import { startExec } from '../run/exec.ts';
import { startError } from '../run/start-attached.ts';
import { parseEnv, settingLines } from '../run/values.ts';

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
    if (!detach) return await startExec(context, Id, { tty, stdin, detachKeys: flags['detach-keys'] });
    try {
      await execs.startDetached(Id, { tty });
    } catch (error) {
      throw startError(error);
    }
  },
});
