import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
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
  /** `NAME=value`, what the shim runs it with. */
  readonly env: readonly string[];
  /** Folder for the runtime's own state. */
  readonly stateDir: string;
}

/**
 * runsc takes a network namespace for the host's when it sees this folder's files, which Linux 6.11 and newer show in every
 * one: it is run where they are not to be seen.
 * @see https://github.com/google/gvisor/issues/10704
 */
const WITHOUT_NET_SETTINGS = [
  '/usr/bin/unshare',
  '--mount',
  '--propagation=slave',
  '/bin/sh',
  '-c',
  'mount -t tmpfs -o ro tmpfs /proc/sys/net && exec "$@"',
  'sh',
];

/** The command lines of one OCI runtime, and what its messages mean. */
export class OciDriver {
  readonly name: string;
  readonly path: string;
  readonly version: string;
  readonly stateDir: string;
  /** Takes compiled seccomp filters. */
  readonly loadsSeccompFilters: boolean;
  readonly #env: readonly string[];
  readonly #base: readonly string[];
  readonly #isGvisor: boolean;

  constructor(options: OciDriverOptions) {
    this.name = options.name;
    this.path = options.path;
    this.version = options.version;
    this.stateDir = options.stateDir;
    this.loadsSeccompFilters = options.version.startsWith('crun');
    this.#isGvisor = options.version.startsWith('runsc');
    this.#env = options.env;
    this.#base = [options.path, ...this.#familyArgs(), ...options.args, '--root', options.stateDir];
  }

  #familyArgs(): readonly string[] {
    // crun writes errors to stderr alone; the others would add their warnings to the container's own stderr.
    if (this.loadsSeccompFilters) return ['--cgroup-manager=cgroupfs'];
    // Without the last, what a gVisor container writes would be lost when it stops, and cp and diff would not see it.
    return ['--log', '/dev/null', ...(this.#isGvisor ? ['--overlay2=none'] : [])];
  }

  /** For the shim, as all that it runs: what stands before the program is its environment. */
  runArgv(
    id: string,
    bundle: string,
    options: { readonly pidFile: string; readonly consoleSocket: string; readonly kernelNetwork: boolean },
  ): string[] {
    const run = [
      'run',
      '--detach',
      '--bundle',
      bundle,
      ...processArgs(options.pidFile, options.consoleSocket),
    ];
    if (!this.#isGvisor) return [...this.#env, ...this.#base, ...run, id];
    // gVisor has a network stack of its own unless it is told to use the kernel's.
    const network = options.kernelNetwork ? ['--network=host'] : [];
    return [...WITHOUT_NET_SETTINGS, ...this.#base, ...network, ...run, id];
  }

  execArgv(id: string, processFile: string, pidFile: string, consoleSocket: string): string[] {
    return [
      ...this.#env,
      ...this.#base,
      'exec',
      '--detach',
      '--process',
      processFile,
      ...processArgs(pidFile, consoleSocket),
      id,
    ];
  }

  /** The containers that the runtime holds state of. */
  containerIds(): string[] {
    const names = this.#stateNames();
    return this.#isGvisor ? [...new Set(names.flatMap((name) => gvisorId(name) ?? []))] : names;
  }

  /** Removes what is left of a container's state when `delete` could not. */
  forget(id: string): void {
    for (const name of this.#stateNames()) {
      if ((this.#isGvisor ? gvisorId(name) : name) !== id) continue;
      rmSync(join(this.stateDir, name), { recursive: true, force: true });
    }
  }

  /** The process whose root directory holds the container's files, where `pid` is its first one. */
  filesPid(id: string, pid: number): number {
    if (!this.#isGvisor) return pid;
    try {
      // A gVisor container's files are not in the sandbox's reach but in its gofer's.
      const state = JSON.parse(readFileSync(join(this.stateDir, `${id}_sandbox:${id}.state`), 'utf8'));
      return (state as { goferPid: number }).goferPid;
    } catch (cause) {
      throw new SlipwayError('Unavailable', `${this.name} does not tell where the files of ${id} are`, {
        cause,
      });
    }
  }

  #stateNames(): string[] {
    try {
      return readdirSync(this.stateDir);
    } catch {
      return [];
    }
  }

  /**
   * Whether a container is processes of the host in namespaces and a cgroup and nothing else, so that what the kernel
   * can do to those need not be asked of the runtime.
   */
  get runsInCgroup(): boolean {
    return this.loadsSeccompFilters || this.version.startsWith('runc');
  }

  /**
   * Where all state of the container is but its cgroups, so that removing both deletes it; undefined for a runtime that
   * keeps more.
   */
  stateFolder(id: string): string | undefined {
    return this.runsInCgroup ? join(this.stateDir, id) : undefined;
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
      if (this.#isGvisor && argv[0] === 'update') {
        throw new SlipwayError(
          'NotImplemented',
          `${this.name} cannot change the limits of a running container: stop it first`,
          { cause },
        );
      }
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
    const aboutProgram = /executable|exec: |exec:"|exec format|execve|exec user process/.test(lower);
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

/** The container of `ID_sandbox:ID.state`, `ID_sandbox:ID.lock` or `runsc-ID.sock`. */
function gvisorId(name: string): string | undefined {
  return /^(?:runsc-)?([^_]+?)(?:_sandbox:.*)?\.(?:state|lock|sock)$/.exec(name)?.[1];
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
