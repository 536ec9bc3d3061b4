import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { dirname, join } from 'node:path';
import { eventually, mustRun, runCommand } from '../test/integration/harness/command.ts';
import { peers } from '../test/integration/harness/peers.ts';
import type { Contender, Group } from './figure.ts';

const checkout = join(import.meta.dirname, '..');

/** One of the engines that are measured beside each other. */
export interface Engine extends Contender, AsyncDisposable {
  /** Everything that it owns is below. */
  readonly root: string;
  readonly env: Readonly<Record<string, string>>;
  /** Runs a docker command line (docker CLI 28) and returns how long it took. @throws when it fails. */
  docker(...args: readonly string[]): Promise<number>;
  /** One request over a kept connection. @throws for any status of 400 and more. */
  api(method: string, path: string, body?: unknown): Promise<unknown>;
  /** The same, its answer as it is: a stream of progress is no single value. */
  apiText(method: string, path: string, body?: unknown): Promise<string>;
}

/** Starts a program as the engine's daemon, its log in `root`. */
type Start = (root: string, socketPath: string) => readonly string[];

const slipwayd: Start = (root, socketPath) => [
  join(checkout, 'script/slipwayd'),
  ...['--data-root', join(root, 'data'), '--run-root', join(root, 'run'), '--socket', socketPath],
  ...['--bridge', 'swbench', '--cgroup-parent', '/slipway-bench', '--port', '0'],
];

/** In a network namespace of its own, so that neither docker0 nor anybody's iptables rules are touched. */
const dockerd: Start = (root, socketPath) => [
  ...['unshare', '--net', '--', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh'],
  peers.dockerd as string,
  ...['--data-root', join(root, 'data'), '--exec-root', join(root, 'run'), '--host', `unix://${socketPath}`],
  ...['--pidfile', join(root, 'pid'), '--cgroup-parent', '/dockerd-bench'],
];

const podman: Start = (root, socketPath) => [
  ...['unshare', '--net', '--', peers.podman as string],
  ...['--root', join(root, 'data'), '--runroot', join(root, 'run'), '--cgroup-manager', 'cgroupfs'],
  ...['system', 'service', '--time', '0', `unix://${socketPath}`],
];

/** Debian sid's, unpacked beside, with its containerd; it needs no network of its own to pull. */
const dockerd28: Start = (root, socketPath) => [
  ...[
    'env',
    `PATH=${dirname(peers.dockerd28 ?? '')}:${join(dirname(peers.dockerd28 ?? ''), '../bin')}:${process.env.PATH}`,
  ],
  peers.dockerd28 as string,
  ...['--bridge', 'none', '--iptables=false', '--ip6tables=false', '--storage-driver', 'overlay2'],
  ...['--data-root', join(root, 'data'), '--exec-root', join(root, 'run'), '--host', `unix://${socketPath}`],
  ...['--pidfile', join(root, 'pid')],
];

type Wanted = readonly [name: string, start: Start, isInstalled: boolean];

export const allEngines: readonly Wanted[] = [
  ['slipway', slipwayd, true],
  ['dockerd', dockerd, peers.dockerd !== undefined],
  ['podman', podman, peers.podman !== undefined],
];

export const modernEngines: readonly Wanted[] = [
  ['slipway', slipwayd, true],
  ['dockerd-28', dockerd28, peers.dockerd28 !== undefined],
];

interface StartOptions {
  /** Each engine's data on a file system of its own that nobody has written to. */
  readonly freshDisk?: boolean;
}

/** Those of `wanted` that are installed. What cannot be started is told to `say` and left out. */
export async function startEngines(
  { root, stack, say }: Parameters<Group['start']>[0],
  wanted: readonly Wanted[],
  options: StartOptions = {},
): Promise<Engine[]> {
  if (peers.docker === undefined) throw new Error('docker CLI 28 is missing; script/peers brings it');
  const engines: Engine[] = [];
  for (const [name, start, isInstalled] of wanted) {
    if (!isInstalled) {
      say(`${name} is not installed: left out`);
      continue;
    }
    try {
      engines.push(stack.use(await DaemonUnderTest.start(name, start, join(root, name), options)));
    } catch (error) {
      if (name === 'slipway') throw error;
      say(`${name} does not work here: left out (${String(error).split('\n')[0]})`);
    }
  }
  return engines;
}

class DaemonUnderTest implements Engine {
  readonly name: string;
  readonly root: string;
  version = '';
  readonly #socketPath: string;
  readonly #daemon: ChildProcess;
  readonly #agent = new Agent({ keepAlive: true });

  private constructor(name: string, root: string, start: Start) {
    this.name = name;
    this.root = root;
    this.#socketPath = join(root, 's.sock');
    const log = openSync(join(root, 'daemon.log'), 'a');
    const [program = '', ...args] = start(root, this.#socketPath);
    this.#daemon = spawn(program, args, { stdio: ['ignore', log, log] });
    closeSync(log);
  }

  static async start(
    name: string,
    start: Start,
    root: string,
    { freshDisk = false }: StartOptions,
  ): Promise<Engine> {
    await rm(root, { recursive: true, force: true });
    await mkdir(root, { recursive: true });
    if (freshDisk) await mountFreshDisk(root);
    // As /run is: what lives as long as the machine's power is in memory.
    await mkdir(join(root, 'run'));
    await mustRun(['mount', '-t', 'tmpfs', '-o', 'mode=755', 'none', join(root, 'run')]);
    const engine = new DaemonUnderTest(name, root, start);
    try {
      await eventually(`${name} answers`, () => engine.#answers(), 30_000);
      const version = (await engine.api('GET', '/version')) as { Version: string };
      engine.version = version.Version;
      return engine;
    } catch (error) {
      await engine[Symbol.asyncDispose]();
      throw error;
    }
  }

  get daemonPid(): number {
    return this.#daemon.pid as number;
  }

  get env(): Readonly<Record<string, string>> {
    const host = `unix://${this.#socketPath}`;
    return { DOCKER_HOST: host, SLIPWAY_HOST: host, DOCKER_CONFIG: join(this.root, 'docker-config') };
  }

  async docker(...args: readonly string[]): Promise<number> {
    const { durationMs } = await mustRun([peers.docker as string, ...args], {
      env: this.env,
      timeoutMs: 300_000,
    });
    return durationMs;
  }

  async api(method: string, path: string, body?: unknown): Promise<unknown> {
    const text = await this.apiText(method, path, body);
    return text.startsWith('{') ? JSON.parse(text) : text;
  }

  apiText(method: string, path: string, body?: unknown): Promise<string> {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const headers =
      payload === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) };
    return new Promise((resolve, reject) => {
      const outgoing = request(
        { socketPath: this.#socketPath, agent: this.#agent, method, path, headers },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('error', reject);
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            if ((response.statusCode ?? 500) >= 400) reject(new Error(`${method} ${path}: ${text}`));
            else resolve(text);
          });
        },
      );
      outgoing.on('error', reject);
      outgoing.end(payload);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy();
    const daemon = this.#daemon;
    if (daemon.exitCode === null && daemon.signalCode === null) {
      const ended = new Promise((resolve) => daemon.once('exit', resolve));
      daemon.kill('SIGTERM');
      await ended;
    }
    await removeRemains(this.root);
  }

  async #answers(): Promise<boolean> {
    if (this.#daemon.exitCode !== null) {
      const log = readFileSync(join(this.root, 'daemon.log'), 'utf8').trim().split('\n').at(-1);
      throw new Error(`the daemon ended with ${this.#daemon.exitCode}: ${log}`);
    }
    return await this.api('GET', '/_ping').then(
      () => true,
      () => false,
    );
  }
}

/** ext4 as Debian makes it, in a file beside, whose own pages in memory do not come between it and the disk. */
async function mountFreshDisk(root: string): Promise<void> {
  const image = `${root}.ext4`;
  await rm(image, { force: true });
  await mustRun(['truncate', '--size', '8G', image]);
  await mustRun(['mkfs.ext4', '-q', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image]);
  await mustRun(['mount', '-o', 'loop', image, root]);
  const device = (
    await mustRun(['losetup', '--noheadings', '--output', 'NAME', '--associated', image])
  ).stdout.trim();
  await mustRun(['losetup', '--direct-io=on', device]);
}

/** What a daemon leaves when it ends: its mounts, its bridge, its cgroup, its folders. */
async function removeRemains(root: string): Promise<void> {
  if (!existsSync(root)) return;
  const script = `
    for file in /proc/[0-9]*/cmdline; do
      pid=\${file#/proc/}; pid=\${pid%/cmdline}
      [ "$pid" = $$ ] || ! tr '\\0' ' ' <$file | grep -qF "$1/" || kill -9 $pid
    done
    grep -F -e "$1/" -e "$1 " /proc/self/mountinfo | cut -d' ' -f5 | sort -r | while read -r path; do umount -l "$path"; done
    case $1 in
      */slipway) ip link del swbench; nft delete table ip slipway_swbench; parent=slipway-bench ;;
      */dockerd) parent=dockerd-bench ;;
      *) parent=none ;;
    esac
    find /sys/fs/cgroup -depth -type d -path "*/$parent*" -exec rmdir {} +
    true`;
  await runCommand(['sh', '-c', script, 'sh', root]);
  await rm(root, { recursive: true, force: true, maxRetries: 5 });
  await rm(`${root}.ext4`, { force: true });
}
