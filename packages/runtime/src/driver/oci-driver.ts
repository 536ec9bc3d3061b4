import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { SlipwayError } from '@slipway/base';
import type { StartFailure } from '../shim/process.ts';

const run = promisify(execFile);

/** A runtime with runc's command line. */
export interface OciDriverOptions {
  readonly name: string;
  readonly path: string;
  /** Arguments put before the command, as dockerd's `runtimeArgs`. */
  readonly args: readonly string[];
  readonly version: string;
  /** Folder for the runtime's own state. */
  readonly stateDir: string;
}

/** The command lines of one OCI runtime, and what its messages mean. */
export class OciDriver {
  readonly name: string;
  readonly path: string;
  readonly version: string;
  readonly stateDir: string;
  /** Takes compiled seccomp filters. */
  readonly loadsSeccompFilters: boolean;
  readonly #base: readonly string[];

  constructor(options: OciDriverOptions) {
    this.name = options.name;
    this.path = options.path;
    this.version = options.version;
    this.stateDir = options.stateDir;
    // crun writes errors to stderr alone; the others would add their warnings to the container's own stderr.
    this.loadsSeccompFilters = options.version.startsWith('crun');
    const family = this.loadsSeccompFilters ? ['--cgroup-manager=cgroupfs'] : ['--log', '/dev/null'];
    this.#base = [options.path, ...options.args, '--root', options.stateDir, ...family];
  }

  runArgv(id: string, bundle: string, pidFile: string, consoleSocket: string): string[] {
    return [...this.#base, 'run', '-d', '--bundle', bundle, ...processArgs(pidFile, consoleSocket), id];
  }

  execArgv(id: string, processFile: string, pidFile: string, consoleSocket: string): string[] {
    return [
      ...this.#base,
      'exec',
      '-d',
      '--process',
      processFile,
      ...processArgs(pidFile, consoleSocket),
      id,
    ];
  }

  deleteArgv(id: string): string[] {
    return [...this.#base, 'delete', '--force', id];
  }

  /**
   * Runs a command such as `pause` or `update` to its end.
   * @throws Internal with the runtime's own words
   */
  async command(argv: readonly string[]): Promise<string> {
    const [path = '', ...args] = [...this.#base, ...argv];
    try {
      return (await run(path, args)).stdout;
    } catch (cause) {
      const words = (cause as { stderr?: string }).stderr?.trim() ?? '';
      throw new SlipwayError(
        'Internal',
        `${this.name} ${argv[0]} failed: ${readableWords(words) || String(cause)}`,
        {
          cause,
        },
      );
    }
  }

  /** What the runtime's words say about why a process did not start, as the error to throw. */
  startError(failure: StartFailure, program: string): SlipwayError {
    const words = readableWords(failure.words) || failure.message;
    const message = `OCI runtime create failed: ${words}: unable to start ${JSON.stringify(program)}`;
    const lower = words.toLowerCase();
    const aboutProgram =
      /executable file|exec: |exec:"|exec format|open executable|execve|exec user process/.test(lower);
    if (aboutProgram && /no such file|not found/.test(lower)) {
      return new SlipwayError('NotFound', message, { reason: 'EXEC_NOT_FOUND', cause: failure });
    }
    if (
      aboutProgram &&
      /permission denied|operation not permitted|is a directory|exec format error/.test(lower)
    ) {
      return new SlipwayError('PermissionDenied', message, { reason: 'EXEC_NOT_EXECUTABLE', cause: failure });
    }
    return new SlipwayError('Internal', message, { cause: failure });
  }
}

function processArgs(pidFile: string, consoleSocket: string): string[] {
  const console = consoleSocket === '' ? [] : ['--console-socket', consoleSocket];
  return ['--pid-file', pidFile, ...console];
}

/** The last message, without logrus' or JSON's framing. */
function readableWords(words: string): string {
  const line = words.trim().split('\n').at(-1) ?? '';
  const message = /"msg":("(?:[^"\\]|\\.)*")/.exec(line) ?? /msg=("(?:[^"\\]|\\.)*")/.exec(line);
  return message?.[1] === undefined ? line : String(JSON.parse(message[1]));
}
