import { list, text } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { startExec } from '../run/exec.ts';
import { parseEnv } from '../run/values.ts';

export default defineCommand({
  summary: "A shell in a copy of a function's execution environment",
  description:
    'The same image, code, layers, variables, user and limits, and nothing that runs in it. What it is left with is thrown away.',
  arguments: { usage: 'FUNCTION [COMMAND [ARG...]]', min: 1, complete: 'function' },
  interspersed: false,
  flags: {
    qualifier: text('A version or an alias'),
    env: list('Set an environment variable', { short: 'e' }),
  },
  examples: [
    ['fn shell hello', 'look around: ls /var/task /opt; env'],
    ['fn shell hello node --version', 'one command'],
  ],
  async run(context, { flags, args }) {
    const { client, stdin } = context;
    const [name, ...command] = args as [string, ...string[]];
    const { containerId } = await client.functions.openCopy(name, flags.qualifier);
    try {
      const tty = stdin.isTTY === true;
      const { Id } = await client.execs.create(containerId, {
        Cmd: command.length > 0 ? command : ['sh'],
        Env: parseEnv(flags.env, context.env),
        Tty: tty,
        AttachStdin: true,
        AttachStdout: true,
        AttachStderr: true,
      });
      return await startExec(context, Id, { tty, stdin: true, detachKeys: '' });
    } finally {
      await client.containers.remove(containerId, { force: true, volumes: true });
    }
  },
});
