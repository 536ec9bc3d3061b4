import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, type HostPath, isErrno, type Logger, SlipwayError } from '@slipway/base';
import { detectCgroupHost } from './driver/cgroup-host.ts';
import { discoverRuntimes, type RuntimeConfig } from './driver/discover.ts';

import { OciDriver } from './driver/oci-driver.ts';
import { proveDefault } from './driver/prove.ts';
import { SeccompCache } from './driver/seccomp-cache.ts';
import { ShimConnection } from './shim/connection.ts';
import type { ShimHost } from './shim/host.ts';
import { ShimLauncher } from './shim/launcher.ts';
import { encodeStrings } from './shim/protocol.ts';
import { ShimSandbox } from './shim/sandbox.ts';
import { findExitRecord, ShimTask, type TaskCookie } from './shim/task.ts';
import type { ExitStatus, Runtime, Sandbox, SandboxOptions, Task } from './task.ts';

export interface OpenRuntimeOptions {
  /** Sockets and the runtimes' state, e.g. `/run/slipway`; short, because socket paths hold 107 bytes. */
  readonly runRoot: HostPath;
  /** The built `slipway-shim`. */
  readonly shimPath: string;
  /** The stand-in for libsystemd with which crun starts quicker; without it, crun loads the real one. */
  readonly withoutSystemd?: string | undefined;
  /** By name; `crun`, `runc` and `runsc` are found in the usual folders without being named here. */
  readonly runtimes: Readonly<Record<string, RuntimeConfig>>;
  readonly defaultRuntime?: string | undefined;
  /** Ask the kernel, for the whole host, to favour changes of cgroups: a start or an exec is up to 20 ms quicker. */
  readonly quickenCgroups: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

const MAX_SOCKET_PATH_BYTES = 107;
/** Room for `.65535` behind a socket's path, for the consoles. */
const CONSOLE_SUFFIX_BYTES = 6;
const SOCKET_NAME_LENGTH = 24;
const SIGKILL = 9;

/**
 * Finds the runtimes, proves the default one by running a container, and opens them as one.
 * @throws FailedPrecondition when no runtime can run a container here, InvalidArgument when the run root's path is too long
 */
export async function openRuntime(options: OpenRuntimeOptions): Promise<Runtime> {
  const { runRoot, shimPath, clock, logger } = options;
  const longest = join(runRoot, 's', 'x'.repeat(SOCKET_NAME_LENGTH)).length + CONSOLE_SUFFIX_BYTES;
  if (longest > MAX_SOCKET_PATH_BYTES) {
    throw new SlipwayError(
      'InvalidArgument',
      `the run root ${runRoot} is ${longest - MAX_SOCKET_PATH_BYTES} bytes too long for Unix sockets; choose a shorter one`,
    );
  }
  mkdirSync(join(runRoot, 's'), { recursive: true, mode: 0o700 });
  const drivers = new Map<string, OciDriver>();
  const runtimes = await discoverRuntimes(options.runtimes, {
    cachePath: join(runRoot, 'runtimes.json'),
    withoutSystemd: options.withoutSystemd,
  });
  for (const found of runtimes) {
    const stateDir = join(runRoot, 'r', found.name);
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    drivers.set(found.name, new OciDriver({ ...found, stateDir }));
  }
  if (options.quickenCgroups) quickenCgroups(shimPath, logger);
  const runtime = new ShimRuntime(runRoot, new ShimLauncher(shimPath, logger), drivers, clock);
  try {
    const preferred = options.defaultRuntime === undefined ? ['crun', 'runc'] : [options.defaultRuntime];
    runtime.defaultName = await proveDefault(runtime, drivers, preferred, { runRoot, shimPath, logger });
    return runtime;
  } catch (error) {
    await runtime[Symbol.asyncDispose]();
    throw error;
  }
}

/** Where the kernel cannot, things are as they were. */
function quickenCgroups(shimPath: string, logger: Logger): void {
  execFile(shimPath, ['quicken'], (error) => {
    if (error !== null) logger.debug({}, 'this kernel cannot favour changes of cgroups');
  });
}

class ShimRuntime implements Runtime {
  defaultName = '';
  readonly runtimes: ReadonlyMap<string, OciDriver>;
  readonly #runRoot: string;
  readonly #launcher: ShimLauncher;
  readonly #host: ShimHost;

  constructor(
    runRoot: string,
    launcher: ShimLauncher,
    drivers: ReadonlyMap<string, OciDriver>,
    clock: Clock,
  ) {
    this.#runRoot = runRoot;
    this.#launcher = launcher;
    this.runtimes = drivers;
    this.#host = {
      clock,
      cgroups: detectCgroupHost(),
      seccomp: new SeccompCache(join(runRoot, 'seccomp')),
      driver(name) {
        const driver = drivers.get(name);
        if (driver !== undefined) return driver;
        const known = [...drivers.keys()].join(', ');
        throw new SlipwayError(
          'InvalidArgument',
          `unknown or invalid runtime name: ${name}; this host has ${known}`,
        );
      },
    };
    launcher.warm();
  }

  async open(options: SandboxOptions, { signal }: { signal?: AbortSignal }): Promise<Sandbox> {
    signal?.throwIfAborted();
    const { rootfs, bundle, binds = [], disks = [], shared = [] } = options;
    const socketPath = this.#socketPath(options.id);
    await this.#launcher.launch(
      encodeStrings([
        socketPath,
        join(bundle, 'rootfs'),
        rootfs.upper ?? '',
        rootfs.work ?? '',
        '',
        rootfs.lower,
        binds.flatMap(({ source, target }) => [source, target]),
        disks.flatMap(({ template, target }) => [template, target]),
        shared.flatMap(({ source, path }) => [source, path]),
      ]),
    );
    const connection = await ShimConnection.open(socketPath);
    const sandbox = new ShimSandbox(options, socketPath, connection, this.#host);
    if (connection.hello.state !== 'sandbox') {
      await connection.closed;
      const missing = [rootfs.upper, rootfs.work, ...rootfs.lower].find(
        (path) => path !== undefined && !existsSync(path),
      );
      throw new SlipwayError(
        missing === undefined ? 'Internal' : 'DataLoss',
        `cannot open the root file system of ${options.id}: ${missing === undefined ? connection.hello.state : `its layer ${missing} is missing; remove the container, or load its image again`}`,
      );
    }
    if (signal?.aborted === true) {
      await sandbox[Symbol.asyncDispose]();
      signal.throwIfAborted();
    }
    return sandbox;
  }

  async adopt(
    options: Pick<SandboxOptions, 'id' | 'bundle' | 'exitFolder'>,
  ): Promise<{ task: Task } | { exit: ExitStatus } | undefined> {
    const { id } = options;
    const socketPath = this.#socketPath(id);
    const connection = await ShimConnection.open(socketPath).catch((error) => {
      if (isErrno(error, 'ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE')) return undefined;
      if (error instanceof SlipwayError) return undefined;
      throw error;
    });
    if (connection !== undefined && connection.hello.cookie !== '') {
      const cookie = JSON.parse(connection.hello.cookie) as TaskCookie;
      return {
        task: new ShimTask({ ...options, socketPath, connection, host: this.#host, cookie, attach: [] }),
      };
    }
    connection?.[Symbol.dispose]();
    await connection?.closed;
    const killed = await this.#kill(id);
    const exit = findExitRecord(options);
    if (exit !== undefined) return { exit };
    return killed
      ? { exit: { exitCode: 137, oomKilled: false, exitedAtNs: this.#host.clock.nowNs() } }
      : undefined;
  }

  async sweep(keep: ReadonlySet<string>): Promise<void> {
    const keptSockets = new Set([...keep].map(socketName));
    const left = new Set<string>();
    for (const driver of this.runtimes.values()) {
      for (const id of driver.containerIds()) if (!keep.has(id)) left.add(id);
    }
    for (const name of listDir(join(this.#runRoot, 's'))) {
      const [shim = '', console] = name.split('.');
      // Sockets of consoles go with their shims.
      if (keptSockets.has(shim) || console !== undefined) continue;
      await this.#endShim(join(this.#runRoot, 's', name));
    }
    for (const id of left) await this.#kill(id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#launcher[Symbol.dispose]();
  }

  #socketPath(id: string): string {
    return join(this.#runRoot, 's', socketName(id));
  }

  /** A shim that nobody wants: one in the sandbox state ends by itself, of another the container is killed. */
  async #endShim(socketPath: string): Promise<void> {
    const connection = await ShimConnection.open(socketPath).catch(() => undefined);
    if (connection !== undefined && connection.hello.cookie !== '') {
      const number = Buffer.alloc(4);
      number.writeInt32LE(SIGKILL);
      const kill = () => connection.send('K', 0, number);
      // It may be starting: it is killed as soon as it has started.
      connection.listen((frame) => (frame.type === 'S' ? kill() : undefined));
      kill();
      await connection.closed;
    }
    connection?.[Symbol.dispose]();
    await connection?.closed;
    rmSync(socketPath, { force: true });
  }

  /** Kills a container whose shim is gone. */
  async #kill(id: string): Promise<boolean> {
    let found = false;
    for (const driver of this.runtimes.values()) {
      if (!driver.containerIds().includes(id)) continue;
      found = true;
      await driver.command(['delete', '--force', id]).catch(() => {});
      driver.forget(id);
    }
    rmSync(this.#socketPath(id), { force: true });
    return found;
  }
}

/** Ids are 64 random hex digits; half of them tell containers apart as well. */
function socketName(id: string): string {
  return id.slice(0, SOCKET_NAME_LENGTH).replaceAll('/', '_').replaceAll('.', '_');
}

function listDir(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
