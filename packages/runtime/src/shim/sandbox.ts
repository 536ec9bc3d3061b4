import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type HostPath, hostPath, isSlipwayError, SlipwayError } from '@slipway/base';
import { cgroupDir, cgroupDirs } from '../driver/cgroup-host.ts';
import { removeCgroup } from '../driver/remove-cgroup.ts';
import { KERNEL_NETWORK } from '../spec/kernel-network.ts';
import type { Sandbox, SandboxOptions, StartOptions, Task } from '../task.ts';
import type { ShimConnection } from './connection.ts';
import type { ShimHost } from './host.ts';
import { StartFailure } from './process.ts';
import { encodeStrings } from './protocol.ts';
import { exitPath, ShimTask, type TaskCookie } from './task.ts';

/** A shim in its first state: the root file system is mounted, and nothing runs. */
export class ShimSandbox implements Sandbox {
  readonly id: string;
  readonly rootfs: HostPath;
  readonly #options: SandboxOptions;
  readonly #socketPath: string;
  readonly #connection: ShimConnection;
  readonly #host: ShimHost;
  #started = false;

  constructor(options: SandboxOptions, socketPath: string, connection: ShimConnection, host: ShimHost) {
    this.id = options.id;
    this.rootfs = hostPath(`/proc/${connection.hello.shimPid}/root${join(options.bundle, 'rootfs')}`);
    this.#options = options;
    this.#socketPath = socketPath;
    this.#connection = connection;
    this.#host = host;
  }

  async start(options: StartOptions): Promise<Task> {
    if (this.#started) throw new SlipwayError('FailedPrecondition', `sandbox ${this.id} was started already`);
    const { bundle, exitFolder, id } = this.#options;
    const { log } = options;
    // The runtime works inside the shim's mount namespace, where the root file system has its plain path.
    const spec = { ...options.spec, root: { ...options.spec.root, path: join(bundle, 'rootfs') } };
    const driver = this.#host.driver(options.runtime);
    const { terminal } = spec.process;
    const cookie: TaskCookie = { runtime: options.runtime, terminal, cgroupsPath: spec.linux.cgroupsPath };
    const pidFile = join(bundle, 'init.pid');
    const kernelNetwork =
      spec.annotations?.[KERNEL_NETWORK] !== undefined ||
      !spec.linux.namespaces.some(({ type }) => type === 'network');
    const consoleSocket = terminal ? `${this.#socketPath}.0` : '';
    const begin = encodeStrings([
      JSON.stringify(cookie),
      exitPath(bundle),
      exitPath(exitFolder ?? bundle),
      log?.path ?? '',
      log?.maxSizeBytes ?? 0,
      log?.maxFiles ?? 1,
      this.#host.cgroups.controllers.has('memory')
        ? cgroupDir(this.#host.cgroups, 'memory', spec.linux.cgroupsPath)
        : '',
      this.#host.cgroups.version,
      driver.stateFolder(id) ?? '',
      cgroupDirs(this.#host.cgroups, spec.linux.cgroupsPath),
      driver.deleteArgv(id),
      `${terminal ? 't' : ''}${options.stdin ? 'i' : ''}${options.attach.length > 0 ? 'a' : ''}`,
      pidFile,
      consoleSocket,
      driver.runArgv(id, bundle, { pidFile, consoleSocket, kernelNetwork }),
    ]);
    this.#started = true;
    // A few KiB: less time on this thread than a round through the thread pool takes.
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(this.#host.seccomp.apply(driver, spec)));
    const task = new ShimTask({
      ...this.#options,
      socketPath: this.#socketPath,
      connection: this.#connection,
      host: this.#host,
      cookie,
      attach: options.attach,
    });
    this.#connection.send('B', 0, begin);
    try {
      await task.begun;
      this.#host.seccomp.learn(driver, spec, id);
      return task;
    } catch (error) {
      await this.#connection.closed;
      await removeCgroup(this.#host.cgroups, spec.linux.cgroupsPath, this.#host.clock);
      if (isSlipwayError(error)) throw error;
      if (error instanceof StartFailure) throw driver.startError(error, spec.process.args[0] ?? '');
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#started) return;
    this.#started = true;
    this.#connection[Symbol.dispose]();
    await this.#connection.closed;
  }
}
