import { errorMessage } from '@slipway/base/errors';
import { type Context, ExitError } from '../command.ts';
import { joinStreams, type StreamOptions } from '../stdio/streams.ts';
import { followSize, proxySignals, rawMode } from '../stdio/terminal.ts';

export interface AttachedRun extends StreamOptions {
  readonly id: string;
  /** Whether the daemon removes it when it has exited: then only that says that all is over. */
  readonly autoRemove: boolean;
  readonly sigProxy: boolean;
}

/** Attaches, waits and starts, in this order, so that nothing of a short life is missed. @returns its exit code. */
export async function startAttached(context: Context, run: AttachedRun): Promise<number> {
  const { containers } = context.client;
  const streams = await containers.attach(run.id, {
    stdin: run.stdin,
    stdout: run.stdout,
    stderr: run.stderr,
    detachKeys: run.detachKeys,
  });
  const condition = run.autoRemove ? 'removed' : 'next-exit';
  const { exit } = await containers.wait(run.id, { condition });
  using _signals = run.sigProxy && !run.tty ? proxySignals(context, run.id) : undefined;
  using _raw = run.tty && run.stdin ? rawMode(context.stdin) : undefined;
  const joined = joinStreams(context, streams, run);
  try {
    await containers.start(run.id, { detachKeys: run.detachKeys });
  } catch (error) {
    streams.socket.destroy();
    await joined.catch(() => {});
    throw startError(error);
  }
  using _size = run.tty ? followSize(context.stdout, (size) => containers.resize(run.id, size)) : undefined;
  if ((await joined) === 'detached') return 0;
  const reply = await exit;
  if (reply.Error?.Message) throw new ExitError(125, reply.Error.Message);
  return reply.StatusCode;
}

/** The exit code that a shell would give for what could not be started. */
export function startError(error: unknown): ExitError {
  const message = errorMessage(error);
  const missing = /executable file not found|no such file or directory/i.test(message);
  const forbidden = /permission denied|is a directory/i.test(message);
  return new ExitError(missing ? 127 : forbidden ? 126 : 125, message, { cause: error });
}
