/** What the tests of this package share: a real runtime on a busybox root file system in a temporary folder. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { type HostPath, hostPath, silentLogger, systemClock } from '@slipway/base';
import { openRuntime } from './runtime.ts';
import { buildSpec } from './spec/build-spec.ts';
import { minimalOptions } from './spec/minimal.ts';
import type { SpecOptions } from './spec/options.ts';
import type { AttachSink, ExitStatus, Runtime, Sandbox, StartOptions, Task } from './task.ts';

const SHIM = join(import.meta.dirname, '../../../native/shim');
export const SHIM_PATH = join(SHIM, 'build/slipway-shim');

export interface Bench {
  readonly root: string;
  readonly runtime: Runtime;
  bundle(id: string): HostPath;
  open(id: string): Promise<Sandbox>;
  start(id: string, args: readonly string[], given?: GivenOptions): Promise<Task>;
  /** Runs to the end and gives the output; asserts nothing. */
  run(
    id: string,
    args: readonly string[],
    given?: GivenOptions,
  ): Promise<ExitStatus & { stdout: string; stderr: string }>;
  close(): Promise<void>;
}

export interface GivenOptions {
  readonly spec?: Partial<SpecOptions>;
  readonly stdin?: boolean;
  readonly log?: Partial<NonNullable<StartOptions['log']>>;
  readonly attach?: readonly AttachSink[];
  readonly runtime?: string;
}

/** Collects what a process writes. */
export class Collector implements AttachSink {
  readonly chunks = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  ended = false;

  write({ stream, bytes }: { stream: 'stdout' | 'stderr'; bytes: Uint8Array }): void {
    this.chunks[stream].push(bytes);
  }

  end(): void {
    this.ended = true;
  }

  get stdout(): string {
    return Buffer.concat(this.chunks.stdout).toString();
  }

  get stderr(): string {
    return Buffer.concat(this.chunks.stderr).toString();
  }
}

export async function openBench(name: string, reopen?: string): Promise<Bench> {
  execFileSync(join(SHIM, 'build.sh'));
  const root = reopen ?? mkdtempSync(`/tmp/slipway-runtime-${name}-`);
  if (reopen === undefined) makeBusybox(join(root, 'layer'));
  const runtime = await openRuntime({
    runRoot: hostPath(join(root, 'run')),
    shimPath: SHIM_PATH,
    runtimes: {},
    quickenCgroups: false,
    clock: systemClock,
    logger: silentLogger,
  });
  const bundle = (id: string) => hostPath(join(root, id));
  const open = async (id: string) => {
    const [upper, work] = [join(bundle(id), 'upper'), join(bundle(id), 'work')];
    for (const folder of [upper, work]) mkdirSync(folder, { recursive: true });
    return await runtime.open(
      { id, bundle: bundle(id), rootfs: { lower: [join(root, 'layer')], upper, work } },
      {},
    );
  };
  const start = async (id: string, args: readonly string[], given: GivenOptions = {}) => {
    const sandbox = await open(id);
    const spec = buildSpec(
      minimalOptions({
        id,
        rootfsPath: sandbox.rootfs,
        args,
        cgroupsPath: `/${cgroupParent(root)}/${id}`,
        ...given.spec,
      }),
    );
    return await sandbox.start({
      spec,
      runtime: given.runtime ?? runtime.defaultName,
      stdin: given.stdin ?? false,
      log: { path: hostPath(join(bundle(id), 'log')), maxSizeBytes: undefined, maxFiles: 1, ...given.log },
      attach: given.attach ?? [],
    });
  };
  return {
    root,
    runtime,
    bundle,
    open,
    start,
    async run(id, args, given) {
      const output = new Collector();
      const task = await start(id, args, { ...given, attach: [output] });
      const exit = await task.exited;
      await task.delete();
      return { ...exit, stdout: output.stdout, stderr: output.stderr };
    },
    async close() {
      await runtime.sweep(new Set());
      await runtime[Symbol.asyncDispose]();
      // A shim's mounts go with its exit, shortly after it hung up.
      for (let tries = 0; tries < 100 && isSomethingLeft(root); tries++) await systemClock.sleep(20);
      assertNothingLeft(root);
      removeTestCgroups(root);
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** No mount, socket, runtime state or process of this folder is left. */
export function assertNothingLeft(root: string): void {
  assert.deepEqual(grep('/proc/self/mountinfo', root), [], 'mounts are left in the host namespace');
  assert.deepEqual(readdirSync(join(root, 'run/s')), [], 'shim sockets are left');
  for (const name of readdirSync(join(root, 'run/r'))) {
    const left = readdirSync(join(root, 'run/r', name)).filter((entry) => !entry.startsWith('.'));
    assert.deepEqual(left, [], `state of ${name} is left`);
  }
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    let mounts: string[] = [];
    try {
      if (!readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('slipway-shim')) continue;
      mounts = grep(`/proc/${pid}/mountinfo`, root);
    } catch {
      continue;
    }
    assert.deepEqual(mounts, [], `shim ${pid} is left`);
  }
}

export function isSomethingLeft(root: string): boolean {
  try {
    assertNothingLeft(root);
    return false;
  } catch {
    return true;
  }
}

/** Of a bench's containers, which others that are open at the same time have no part in. */
const cgroupParent = (root: string): string => `slipway-test-${basename(root)}`;

/** The containers' own are gone; what they were made in is ours to remove. It throws when something is left in it. */
function removeTestCgroups(root: string): void {
  for (const controller of ['', ...readdirSync('/sys/fs/cgroup')]) {
    const folder = join('/sys/fs/cgroup', controller, cgroupParent(root));
    if (existsSync(folder)) rmdirSync(folder);
  }
}

function grep(file: string, word: string): string[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.includes(word));
}

function makeBusybox(layer: string): void {
  for (const folder of ['bin', 'etc', 'tmp', 'proc', 'sys', 'dev'])
    mkdirSync(join(layer, folder), { recursive: true });
  copyFileSync('/bin/busybox', join(layer, 'bin/busybox'));
  const applets = execFileSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).trim().split('\n');
  for (const applet of applets) if (applet !== 'busybox') symlinkSync('busybox', join(layer, 'bin', applet));
}
