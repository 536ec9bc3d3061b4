import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { checkoutRoot } from '../../architecture/source-files.ts';
import { type ApiAnswer, type ApiRequest, callApi } from './api.ts';
import {
  type CommandOptions,
  type CommandResult,
  eventually,
  RunningCommand,
  runCommand,
} from './command.ts';
import { peers } from './peers.ts';
import { Terminal } from './terminal.ts';

export interface EngineOptions {
  /** More of the daemon's own flags. */
  readonly flags?: readonly string[];
  /** `free`: a TCP door, on a port that it keeps across restarts. None unless said so. */
  readonly port?: 'free';
  /** dockerd without a bridge and without rules, which several at once would fight over. */
  readonly isolated?: boolean;
  /** Where images and containers are kept; a folder in the engine's own temporary one unless said otherwise. */
  readonly dataRoot?: string;
  /**
   * `dockerd` runs the same test against Debian's dockerd, to see that the test is right about Docker.
   * From `SLIPWAY_TEST_ENGINE` unless said otherwise.
   */
  readonly kind?: 'slipwayd' | 'dockerd';
}

const STARTUP_TIMEOUT_MS = 20_000;

/** Ends all that names the folder `$1`, and removes the bridge and table of `$2` and the cgroups below `$3`. */
const REMOVE_REMAINS = `
for file in /proc/[0-9]*/cmdline; do
  pid=\${file#/proc/}; pid=\${pid%/cmdline}
  if [ "$pid" != $$ ] && tr '\\0' ' ' < $file | grep -qF "$1/"; then kill -9 $pid; fi
done 2>/dev/null
for dir in $(find /sys/fs/cgroup -type d -path "*$3/*" -o -type d -path "*$3" | sort -r); do
  for pid in $(cat $dir/cgroup.procs 2>/dev/null); do kill -9 $pid; done
  rmdir $dir || { sleep 0.1; rmdir $dir; }
done 2>/dev/null
grep -F "$1/" /proc/self/mountinfo | cut -d' ' -f5 | sort -r | while read -r path; do umount -l "$path"; done
owner=$(cat "/sys/class/net/$2/ifalias" 2>/dev/null)
for link in /sys/class/net/*; do
  [ -n "$owner" ] && [ "$(cat "$link/ifalias" 2>/dev/null)" = "$owner" ] && ip link del "\${link##*/}"
done 2>/dev/null
ip link del "$2" 2>/dev/null
nft delete table ip "slipway_$2" 2>/dev/null
rm -rf "$1"
true`;

/** A daemon of a test's own: own roots, own bridge, own nftables table, own cgroups. */
export class Engine implements AsyncDisposable {
  readonly kind: 'slipwayd' | 'dockerd';
  /** Everything that the engine owns on disk is below it; no other process names it. */
  readonly root: string;
  readonly dataRoot: string;
  readonly runRoot: string;
  readonly socketPath: string;
  readonly bridgeName: string;
  readonly cgroupParent: string;
  readonly #port: number;
  readonly #flags: readonly string[];
  readonly #isolated: boolean;
  #daemon: ChildProcess | undefined;

  private constructor(root: string, port: number, options: EngineOptions) {
    const tag = basename(root).replace(/^slt-/, '');
    this.kind = options.kind ?? (process.env.SLIPWAY_TEST_ENGINE === 'dockerd' ? 'dockerd' : 'slipwayd');
    this.root = root;
    this.dataRoot = options.dataRoot ?? join(root, 'data');
    this.runRoot = join(root, 'run');
    this.socketPath = join(root, 'docker.sock');
    this.bridgeName = `slt${tag}`;
    this.cgroupParent = `/slt-${tag}`;
    this.#port = port;
    this.#flags = options.flags ?? [];
    this.#isolated = options.isolated ?? false;
  }

  /** A new engine that answers. */
  static async start(options: EngineOptions = {}): Promise<Engine> {
    const port = options.port === 'free' ? await findFreePort() : 0;
    const engine = new Engine(await mkdtemp(join(tmpdir(), 'slt-')), port, options);
    engine.#watchOver();
    try {
      if (engine.kind === 'dockerd' && !engine.#isolated) await engine.#makeBridge();
      await engine.start();
      return engine;
    } catch (error) {
      await engine[Symbol.asyncDispose]();
      throw error;
    }
  }

  get pid(): number {
    const pid = this.#daemon?.pid;
    if (pid === undefined) throw new Error('the daemon does not run');
    return pid;
  }

  /** Of the TCP door, on 127.0.0.1. */
  get port(): number {
    if (this.#port === 0) throw new Error("the engine has no TCP door; start it with port: 'free'");
    return this.#port;
  }

  get isRunning(): boolean {
    return this.#daemon !== undefined && this.#daemon.exitCode === null && this.#daemon.signalCode === null;
  }

  /** What every client needs to find this engine. */
  get env(): Readonly<Record<string, string>> {
    const host = `unix://${this.socketPath}`;
    return { DOCKER_HOST: host, SLIPWAY_HOST: host, DOCKER_CONFIG: join(this.root, 'docker-config') };
  }

  get log(): string {
    try {
      return readFileSync(this.#logPath, 'utf8');
    } catch {
      return '';
    }
  }

  /** Starts the daemon, again after it was killed or stopped, and returns when it answers. */
  async start(): Promise<void> {
    const log = openSync(this.#logPath, 'a');
    const [program = '', ...args] = this.kind === 'dockerd' ? this.#dockerdCommand : this.#slipwaydCommand;
    const daemon = spawn(program, args, { stdio: ['ignore', log, log] });
    closeSync(log);
    this.#daemon = daemon;
    await eventually(
      'the daemon answers',
      async () => {
        if (!this.isRunning)
          throw new Error(`the daemon ended with ${daemon.exitCode}:\n${this.log.slice(-4_000)}`);
        return (await this.api({ path: '/_ping' }).catch(() => undefined))?.status === 200;
      },
      STARTUP_TIMEOUT_MS,
    );
  }

  /** `kill -9`: the daemon has no chance to put anything right. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async stop(): Promise<number | null> {
    return await this.#end('SIGTERM');
  }

  /** `docker ARGS` with docker CLI 28. */
  docker(...args: readonly string[]): Promise<CommandResult> {
    return this.dockerWith({}, ...args);
  }

  dockerWith(options: CommandOptions, ...args: readonly string[]): Promise<CommandResult> {
    return this.run([this.#docker, ...args], options);
  }

  /** As `docker`, and fails when it does; returns what it printed. */
  async mustDocker(...args: readonly string[]): Promise<string> {
    const result = await this.docker(...args);
    if (result.code !== 0) {
      throw new Error(
        `docker ${args.join(' ')} ended with ${result.code}:\n${result.stdout}${result.stderr}`,
      );
    }
    return result.text;
  }

  /** `docker ARGS`, going on while the test does something else. */
  dockerInBackground(...args: readonly string[]): RunningCommand {
    return new RunningCommand([this.#docker, ...args], { env: this.env });
  }

  dockerOnTerminal(...args: readonly string[]): Terminal {
    return new Terminal([this.#docker, ...args], this.env);
  }

  /** `slipway ARGS`, from this checkout. */
  slipway(...args: readonly string[]): Promise<CommandResult> {
    return this.run([join(checkoutRoot, 'script/slipway'), ...args]);
  }

  /** `slipway ARGS`, going on while the test does something else. */
  slipwayInBackground(...args: readonly string[]): RunningCommand {
    return new RunningCommand([join(checkoutRoot, 'script/slipway'), ...args], { env: this.env });
  }

  run(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return runCommand(argv, { ...options, env: { ...this.env, ...options.env } });
  }

  api(request: ApiRequest): Promise<ApiAnswer> {
    return callApi(this.socketPath, request);
  }

  /** `docker inspect`, of anything. */
  async inspect(name: string, type?: string): Promise<InspectAnswer> {
    const typed = type === undefined ? [] : ['--type', type];
    return (
      JSON.parse(await this.mustDocker('inspect', ...typed, name)) as InspectAnswer[]
    )[0] as InspectAnswer;
  }

  /** Ends the daemon and everything of it, and removes its folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isRunning) await this.stop();
    await this.#removeRemains();
    await rm(this.root, { recursive: true, force: true, maxRetries: 5 });
  }

  get #logPath(): string {
    return join(this.root, 'daemon.log');
  }

  get #docker(): string {
    if (peers.docker === undefined) throw new Error('docker CLI 28 is missing; script/peers brings it');
    return peers.docker;
  }

  get #slipwaydCommand(): readonly string[] {
    return [
      join(checkoutRoot, 'script/slipwayd'),
      ...['--data-root', this.dataRoot, '--run-root', this.runRoot, '--socket', this.socketPath],
      ...['--bridge', this.bridgeName, '--cgroup-parent', this.cgroupParent, '--log-level', 'info'],
      ...['--port', String(this.#port)],
      ...this.#flags,
    ];
  }

  get #dockerdCommand(): readonly string[] {
    return [
      peers.dockerd ?? 'dockerd',
      ...['--data-root', this.dataRoot, '--exec-root', this.runRoot, '--host', `unix://${this.socketPath}`],
      ...['--pidfile', join(this.root, 'pid'), '--cgroup-parent', this.cgroupParent, '--log-level', 'warn'],
      ...(this.#isolated ? ['--bridge', 'none', '--iptables=false'] : ['--bridge', this.bridgeName]),
    ];
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const daemon = this.#daemon;
    if (daemon === undefined || !this.isRunning) return null;
    const ended = new Promise<number | null>((resolve) => daemon.once('exit', resolve));
    daemon.kill(signal);
    return await ended;
  }

  /** dockerd wants its bridge to be there. */
  async #makeBridge(): Promise<void> {
    const third = Math.floor(Math.random() * 250) + 1;
    await runCommand(['ip', 'link', 'add', this.bridgeName, 'type', 'bridge']);
    await runCommand(['ip', 'addr', 'add', `10.213.${third}.1/24`, 'dev', this.bridgeName]);
    await runCommand(['ip', 'link', 'set', this.bridgeName, 'up']);
  }

  /** Ends the engine also when this process is killed before it could: at the end of the pipe to it. */
  #watchOver(): void {
    const script = `cat; [ ! -e "$1" ] || { ${REMOVE_REMAINS}\n}`;
    const watcher = spawn('sh', ['-c', script, 'sh', this.root, this.bridgeName, this.cgroupParent], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    watcher.unref();
    (watcher.stdin as Socket).unref();
  }

  /** What outlives a daemon, and, after a failed test, its containers. */
  async #removeRemains(): Promise<void> {
    await runCommand(['sh', '-c', REMOVE_REMAINS, 'sh', this.root, this.bridgeName, this.cgroupParent]);
  }
}

/** A port of 127.0.0.1 that nobody listens on. */
export async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** As much of docker's inspect as the tests look at. */
// biome-ignore lint/suspicious/noExplicitAny: the tests say what they expect of every field they read
export type InspectAnswer = Record<string, any>;
