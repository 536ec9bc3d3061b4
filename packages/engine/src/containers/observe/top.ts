import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { isErrno, SlipwayError } from '@slipway/base';
import type { Container } from '../container.ts';
import { isRunning } from '../state.ts';
import { hostUsers, processTable } from './top-proc.ts';

const run = promisify(execFile);
const DEFAULT_ARGS = '-ef';
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** A table of processes, as `ps` prints it. */
export interface Processes {
  readonly Titles: readonly string[];
  readonly Processes: readonly (readonly string[])[];
}

/**
 * The processes of a container, by the host's `ps`; without one, what `ps -ef` would say.
 * @throws FailedPrecondition when it does not run; InvalidArgument for arguments that `ps` refuses or that hide the PID;
 * Unavailable for arguments when the host has no `ps`.
 */
export async function topContainer(container: Container, psArgs = ''): Promise<Processes> {
  if (!isRunning(container.state) || container.task === undefined) {
    throw new SlipwayError('FailedPrecondition', `container ${container.definition.id} is not running`);
  }
  const pids = new Set(await container.task.pids());
  return parsePs(await ps(psArgs.trim() || DEFAULT_ARGS, pids), pids);
}

async function ps(args: string, pids: ReadonlySet<number>): Promise<string> {
  try {
    const { stdout } = await run('ps', args.split(/\s+/), { maxBuffer: MAX_OUTPUT_BYTES });
    return stdout;
  } catch (cause) {
    if (isErrno(cause, 'ENOENT')) {
      if (args === DEFAULT_ARGS) return await processTable(pids, await hostUsers());
      throw new SlipwayError('Unavailable', 'this host has no ps: install procps', { cause });
    }
    const words = (cause as { stderr?: string }).stderr?.trim() ?? '';
    throw new SlipwayError('InvalidArgument', `error running ps: ${words || `ps ${args} failed`}`, { cause });
  }
}

/** The lines of these processes, cut into as many columns as there are titles; the last one keeps its spaces. */
export function parsePs(text: string, pids: ReadonlySet<number>): Processes {
  const [head = '', ...lines] = text.trimEnd().split('\n');
  const titles = head.trim().split(/\s+/);
  const pidColumn = titles.indexOf('PID');
  if (pidColumn < 0) {
    throw new SlipwayError('InvalidArgument', "Couldn't find PID field in ps output");
  }
  const rows: string[][] = [];
  for (const line of lines) {
    const words = line.trim().split(/\s+/);
    // Docker shows a row of `-` too: threads that `ps m` lists under the process above.
    const row = [...words.slice(0, titles.length - 1), words.slice(titles.length - 1).join(' ')];
    if (pids.has(Number(row[pidColumn]))) rows.push(row);
  }
  return { Titles: titles, Processes: rows };
}
