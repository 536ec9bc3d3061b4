import type { Context } from '../command.ts';
import { joinStreams } from '../stdio/streams.ts';
import { consoleSize, followSize, rawMode } from '../stdio/terminal.ts';
import { startError } from './start-attached.ts';

/** What of an exec the terminal has to do with. */
export interface AttachedExec {
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly detachKeys: string;
}

/** Starts an exec that was made, joined to this terminal. @returns its exit code; 0 when its keys detached from it */
export async function startExec(context: Context, id: string, run: AttachedExec): Promise<number> {
  const { execs } = context.client;
  const { tty, stdin, detachKeys } = run;
  try {
    const size = tty ? consoleSize(context.stdout) : undefined;
    const streams = await execs.start(id, { tty, ...(size === undefined ? {} : { consoleSize: size }) });
    using _raw = tty && stdin ? rawMode(context.stdin) : undefined;
    using _size = tty ? followSize(context.stdout, (size) => execs.resize(id, size)) : undefined;
    const how = await joinStreams(context, streams, { tty, stdin, stdout: true, stderr: true, detachKeys });
    if (how === 'detached') return 0;
  } catch (error) {
    throw startError(error);
  }
  return (await execs.inspect(id)).ExitCode ?? 0;
}
