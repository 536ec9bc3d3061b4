import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Deferred, type HostPath, hostPath, SlipwayError } from '@slipway/base';
import { openMemoryPeak, setFrozen, writeLimits } from '../driver/cgroup-control.ts';
import { cgroupDir } from '../driver/cgroup-host.ts';
import { cgroupPids, readMetrics } from '../driver/metrics.ts';
import type { OciLinuxResources } from '../spec/oci-spec.ts';
import type {
  AttachSink,
  ExecOptions,
  ExitStatus,
  GraftOptions,
  MemoryPeak,
  Process,
  SandboxOptions,
  Task,
  TaskLimits,
  TaskMetrics,
} from '../task.ts';
import type { ShimConnection } from './connection.ts';
import type { ShimHost } from './host.ts';
import { ShimProcess, StartFailure } from './process.ts';
import { decodeStrings, encodeStrings, type Frame } from './protocol.ts';

/** What the shim keeps for the daemon that adopts it. */
export interface TaskCookie {
  readonly runtime: string;
  readonly terminal: boolean;
  readonly cgroupsPath: string;
}

export interface ShimTaskOptions {
  readonly id: string;
  readonly bundle: HostPath;
  readonly exitFolder?: HostPath;
  readonly socketPath: string;
  readonly connection: ShimConnection;
  readonly host: ShimHost;
  readonly cookie: TaskCookie;
  readonly attach: readonly AttachSink[];
}

/** A container that runs under its shim. */
export class ShimTask implements Task {
  readonly id: string;
  readonly runtime: string;
  readonly exited: Promise<ExitStatus>;
  readonly #options: ShimTaskOptions;
  readonly #init: ShimProcess;
  readonly #processes = new Map<number, ShimProcess>();
  readonly #oomListeners = new Set<() => void>();
  /** Answers that are waited for, in the order in which they were asked. */
  readonly #grafts: Deferred<string>[] = [];
  readonly #flushes: Deferred<void>[] = [];
  #nextHandle: number;
  #gone = false;
  readonly #deleted: Promise<void>;

  constructor(options: ShimTaskOptions) {
    const { connection, cookie, host } = options;
    this.id = options.id;
    this.runtime = cookie.runtime;
    this.#options = options;
    this.#nextHandle = Math.max(1, connection.hello.nextHandle);
    this.#init = new ShimProcess({
      connection,
      handle: 0,
      terminal: cookie.terminal,
      clock: host.clock,
      attach: options.attach,
    });
    this.#processes.set(0, this.#init);
    this.exited = this.#init.exited;
    this.#deleted = connection.closed.then(() => this.#shimEnded());
    connection.listen((frame) => this.#receive(frame));
    const { hello } = connection;
    if (hello.pid !== 0) this.#init.adopt(hello.pid, hello.startedAtNs);
  }

  /** Resolves when the first process runs; rejects with a `StartFailure`. */
  get begun(): Promise<unknown> {
    return this.#init.started;
  }

  get pid(): number {
    return this.#init.pid;
  }

  get startedAtNs(): bigint {
    return this.#init.startedAtNs;
  }

  get root(): HostPath {
    return hostPath(`/proc/${this.#driver.filesPid(this.id, this.pid)}/root`);
  }

  onOom(listener: () => void): Disposable {
    this.#oomListeners.add(listener);
    return { [Symbol.dispose]: () => this.#oomListeners.delete(listener) };
  }

  async exec(options: ExecOptions): Promise<Process> {
    this.#mustRun('start a process in');
    const { bundle, connection, host, socketPath } = this.#options;
    const driver = host.driver(this.runtime);
    const handle = this.#freeHandle();
    const { terminal } = options.process;
    const files = { process: join(bundle, `exec-${handle}.json`), pid: join(bundle, `exec-${handle}.pid`) };
    const consoleSocket = terminal ? `${socketPath}.${handle}` : '';
    const child = new ShimProcess({
      connection,
      handle,
      terminal,
      clock: host.clock,
      attach: options.attach,
    });
    this.#processes.set(handle, child);
    void child.exited.then(() => this.#processes.delete(handle));
    try {
      writeFileSync(files.process, JSON.stringify(options.process));
      const flags = `${terminal ? 't' : ''}${options.stdin ? 'i' : ''}${options.attach.length > 0 ? 'a' : ''}`;
      const argv = driver.execArgv(this.id, files.process, files.pid, consoleSocket);
      connection.send('E', handle, encodeStrings([flags, files.pid, consoleSocket, argv]));
      await child.started;
      return child;
    } catch (error) {
      child.fail(error);
      if (error instanceof StartFailure) throw driver.startError(error, options.process.args[0] ?? '');
      throw error;
    } finally {
      for (const file of Object.values(files)) rmSync(file, { force: true });
    }
  }

  writeStdin(bytes: Uint8Array): Promise<void> {
    return this.#init.writeStdin(bytes);
  }

  closeStdin(): Promise<void> {
    return this.#init.closeStdin();
  }

  resize(size: { readonly rows: number; readonly columns: number }): Promise<void> {
    return this.#init.resize(size);
  }

  attach(sink: AttachSink): Disposable {
    return this.#init.attach(sink);
  }

  signal(signal: number): Promise<void> {
    return this.#init.signal(signal);
  }

  async signalAll(signal: number): Promise<void> {
    this.#mustRun('signal');
    for (const pid of await this.pids()) {
      try {
        process.kill(pid, signal);
      } catch {
        // It ended meanwhile.
      }
    }
  }

  async pause(): Promise<void> {
    this.#mustRun('pause');
    if (this.#driver.runsInCgroup) await this.#setFrozen(true);
    else await this.#driver.command(['pause', this.id]);
  }

  async resume(): Promise<void> {
    this.#mustRun('resume');
    if (this.#driver.runsInCgroup) await this.#setFrozen(false);
    else await this.#driver.command(['resume', this.id]);
  }

  async graft({ mounts, tmpSizeBytes, tmpTemplate }: GraftOptions): Promise<void> {
    this.#mustRun('graft folders into');
    if (!this.#driver.runsInCgroup) {
      throw new SlipwayError('NotImplemented', `${this.runtime} takes no folders into a running container`);
    }
    const answer = Promise.withResolvers<string>();
    this.#grafts.push(answer);
    const tmp = tmpSizeBytes === undefined ? '' : `size=${tmpSizeBytes}`;
    const request = mounts.flatMap(({ target, sources }) => [target, sources]);
    this.#options.connection.send('T', 0, encodeStrings([tmp, tmpTemplate ?? '', ...request]));
    const failure = await answer.promise;
    if (failure !== '') throw new SlipwayError('Internal', `container ${this.id}: ${failure}`);
  }

  async flush(): Promise<void> {
    if (this.#init.ended !== undefined) return;
    const told = Promise.withResolvers<void>();
    this.#flushes.push(told);
    this.#options.connection.send('Y', 0);
    await told.promise;
    await this.#init.delivered();
  }

  limit(limits: TaskLimits): void {
    this.#mustRun('limit');
    const { host, cookie } = this.#options;
    writeLimits(host.cgroups, cookie.cgroupsPath, limits);
  }

  memoryPeak(): MemoryPeak {
    const { host, cookie } = this.#options;
    return openMemoryPeak(host.cgroups, cookie.cgroupsPath);
  }

  async update(resources: OciLinuxResources): Promise<void> {
    this.#mustRun('update');
    const file = join(this.#options.bundle, 'update.json');
    writeFileSync(file, JSON.stringify(resources));
    try {
      await this.#driver.command(['update', '--resources', file, this.id]);
    } finally {
      rmSync(file, { force: true });
    }
  }

  async pids(): Promise<number[]> {
    this.#mustRun('list the processes of');
    const { host, cookie } = this.#options;
    const controller = host.cgroups.controllers.has('pids') ? 'pids' : 'memory';
    return await cgroupPids(cgroupDir(host.cgroups, controller, cookie.cgroupsPath));
  }

  async metrics(): Promise<TaskMetrics> {
    this.#mustRun('measure');
    const { host, cookie } = this.#options;
    return await readMetrics(host.cgroups, cookie.cgroupsPath, host.clock);
  }

  async delete(): Promise<void> {
    if (this.#init.ended === undefined && !this.#gone) {
      throw new SlipwayError(
        'FailedPrecondition',
        `container ${this.id} is running; stop it before deleting its task`,
      );
    }
    await this.#deleted;
  }

  get #driver() {
    return this.#options.host.driver(this.runtime);
  }

  #mustRun(verb: string): void {
    if (this.#init.ended === undefined) return;
    throw new SlipwayError('FailedPrecondition', `cannot ${verb} container ${this.id}: it is not running`);
  }

  async #setFrozen(frozen: boolean): Promise<void> {
    const { host, cookie } = this.#options;
    await setFrozen(host.cgroups, cookie.cgroupsPath, frozen, host.clock);
  }

  #freeHandle(): number {
    do {
      this.#nextHandle = this.#nextHandle >= 0xffff ? 1 : this.#nextHandle + 1;
    } while (this.#processes.has(this.#nextHandle));
    return this.#nextHandle;
  }

  #receive(frame: Frame): void {
    if (frame.type === 'M') {
      for (const listener of this.#oomListeners) listener();
      return;
    }
    if (frame.type === 'G') {
      this.#gone = true;
      return;
    }
    if (frame.type === 'T') {
      this.#grafts.shift()?.resolve(decodeStrings(frame.payload)[0] ?? '');
      return;
    }
    if (frame.type === 'Y') {
      this.#flushes.shift()?.resolve();
      return;
    }
    this.#processes.get(frame.handle)?.receive(frame);
  }

  /** The shim is gone: after its work, or because it was killed; then the container must not run on without it. */
  async #shimEnded(): Promise<void> {
    const { host, id, socketPath } = this.#options;
    if (!this.#gone) {
      await this.#driver.command(['delete', '--force', id]).catch(() => {});
      rmSync(socketPath, { force: true });
    }
    const exit = findExitRecord(this.#options) ?? {
      exitCode: 137,
      oomKilled: false,
      exitedAtNs: host.clock.nowNs(),
    };
    for (const child of [...this.#processes.values()]) {
      if (child.pid === 0) child.fail(new StartFailure(125, 'the container ended'));
      else child.end(child === this.#init ? exit : { ...exit, exitCode: 137, oomKilled: false });
    }
    for (const waiting of this.#grafts.splice(0)) waiting.resolve('it ended');
    for (const waiting of this.#flushes.splice(0)) waiting.resolve();
  }
}

/** How a container ended, as its shim recorded it: in memory with a daemon at hand, on disk without. */
export function findExitRecord({
  bundle,
  exitFolder,
}: Pick<SandboxOptions, 'bundle' | 'exitFolder'>): ExitStatus | undefined {
  for (const folder of new Set([bundle, exitFolder ?? bundle])) {
    try {
      const record = JSON.parse(readFileSync(exitPath(folder), 'utf8')) as Record<string, unknown>;
      return {
        exitCode: Number(record.exitCode),
        oomKilled: record.oomKilled === true,
        exitedAtNs: BigInt(String(record.exitedAtNs)),
      };
    } catch {
      // There is none, or it is not whole.
    }
  }
  return undefined;
}

/** Where a shim records the end of its container. */
export const exitPath = (folder: HostPath): string => join(folder, 'exit.json');
