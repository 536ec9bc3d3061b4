import { boolean, text } from '../args/flags.ts';
import { defineCommand, ExitError } from '../command.ts';
import { joinStreams } from '../stdio/streams.ts';
import { followSize, proxySignals, rawMode } from '../stdio/terminal.ts';

export default defineCommand({
  summary: 'Join the streams of a running container',
  arguments: { usage: 'CONTAINER', min: 1, max: 1, complete: 'running' },
  flags: {
    'detach-keys': text('Keys that detach from it (default ctrl-p,ctrl-q)'),
    'no-stdin': boolean('Leave out standard input'),
    'sig-proxy': boolean('Hand signals on to it', { initial: true }),
  },
  examples: [
    ['attach web', 'its output from now on; ctrl-p ctrl-q leaves it running when it has a terminal'],
  ],
  async run(context, { flags, args }) {
    const { containers } = context.client;
    const { Id, Config, State } = await containers.inspect(args[0] as string);
    if (!State.Running) throw new ExitError(1, 'cannot attach to a stopped container, start it first');
    if (State.Paused) throw new ExitError(1, 'cannot attach to a paused container, unpause it first');
    const tty = Config.Tty;
    const stdin = Config.OpenStdin && !flags['no-stdin'];
    const detachKeys = flags['detach-keys'];
    const { exit } = await containers.wait(Id);
    const streams = await containers.attach(Id, { stdin, stdout: true, stderr: true, detachKeys });
    using _signals = flags['sig-proxy'] && !tty ? proxySignals(context, Id) : undefined;
    using _raw = tty && stdin ? rawMode(context.stdin) : undefined;
    using _size = tty ? followSize(context.stdout, (size) => containers.resize(Id, size)) : undefined;
    const how = await joinStreams(context, streams, { tty, stdin, stdout: true, stderr: true, detachKeys });
    return how === 'detached' ? 0 : (await exit).StatusCode;
  },
});
