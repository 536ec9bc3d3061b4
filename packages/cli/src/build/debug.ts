import type { Context } from '../command.ts';
import { joinStreams } from '../stdio/streams.ts';
import { followSize, rawMode } from '../stdio/terminal.ts';

export interface DebugRequest {
  /** Empty: the step's shell. */
  readonly command: readonly string[];
  readonly secrets: ReadonlyMap<string, Buffer>;
  /** It stays when it is left. */
  readonly keep: boolean;
}

/**
 * Runs a command where a step failed, on this process's streams: on a terminal with one of its own. Answers its exit code.
 * @throws NotFound; Conflict when somebody is in it
 */
export async function debugStep(
  context: Context,
  id: string,
  { command, secrets, keep }: DebugRequest,
): Promise<number> {
  const { client, stdin, stdout } = context;
  const tty = stdin.isTTY === true && stdout.isTTY === true;
  const hijacked = await client.builds.debug(id, { command, tty, stdin: true, secrets });
  {
    using _raw = tty ? rawMode(stdin) : undefined;
    using _size = tty ? followSize(stdout, (size) => client.builds.resizeDebug(id, size)) : undefined;
    await joinStreams(context, hijacked, { tty, stdin: true, stdout: true, stderr: true, detachKeys: '' });
  }
  const step = (await client.builds.failedSteps()).find((kept) => kept.id === id);
  if (!keep && step !== undefined) await client.builds.removeFailedStep(id);
  return step?.lastExitCode ?? 0;
}
