import { constants } from 'node:os';
import type { CreateContainerBody } from '@slipway/api/docker';
import { type HostPath, isSlipwayError, SlipwayError } from '@slipway/base';
import type {
  AttachSink,
  DiskMount,
  ExitStatus,
  GraftOptions,
  MemoryPeak,
  Process,
  SpecMount,
  Task,
  TaskLimits,
} from '@slipway/runtime';
import { attachedExec, type Container, type ExecConfig } from './container.ts';
import type { ContainerContext } from './context.ts';
import { createContainer } from './create/create.ts';
import { startContainer } from './run/start.ts';
import { isRunning, transition } from './state.ts';
import { createExec, launchExec } from './streams/exec.ts';
import { removeContainer } from './verbs/remove.ts';

const { SIGKILL } = constants.signals;

export interface SandboxRequest {
  readonly name: string;
  /** As docker's create. Labels tell whose it is; it is removed when its first process ends, whatever is said here. */
  readonly body: CreateContainerBody;
  /** Beside those of the body: what docker's API cannot say, as overlays. */
  readonly mounts: readonly SpecMount[];
  /** @see SandboxOptions.disks */
  readonly disks: readonly DiskMount[];
  /** Takes what the first process writes, from the first byte. */
  readonly output: AttachSink;
  /** Called when the network namespace is there, before the first process runs. */
  readonly onNetwork: (netnsPath: HostPath) => Promise<void>;
}

/**
 * A container that another slice runs something in: an ordinary one, seen by `docker ps` and entered by `docker exec`, but
 * driven without HTTP and gone with its first process. Disposing kills and removes it.
 */
export interface ContainerSandbox extends AsyncDisposable {
  readonly id: string;
  /** Of the first process, on the host. */
  readonly pid: number;
  /** Its network namespace. */
  readonly netnsPath: HostPath;
  /** Resolves when the first process has ended and its output was delivered. Never rejects. */
  readonly exited: Promise<ExitStatus>;
  /**
   * Gives one that was started ahead its name and further labels, as docker shows them from now on. Not written down: the
   * next daemon only wants to remove it.
   */
  identify(identity: { readonly name: string; readonly labels: Readonly<Record<string, string>> }): void;
  /** Kills every process; `exited` tells when they are gone. Nothing when they are. */
  kill(): Promise<void>;
  /** Stops every process until `thaw`, without the OCI runtime. Docker sees it as paused. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** @see Task.graft */
  graft(options: GraftOptions): Promise<void>;
  /** @see Task.flush */
  flush(): Promise<void>;
  /** @see Task.limit */
  limit(limits: TaskLimits): void;
  /** @see Task.memoryPeak */
  memoryPeak(): MemoryPeak;
  /** Runs another process in it, as `docker exec` does. */
  exec(
    config: Pick<ExecConfig, 'args' | 'env'>,
    output: AttachSink,
  ): Promise<Pick<Process, 'exited' | 'signal'>>;
}

/** Makes and starts one. @throws as `createContainer` and `startContainer`; nothing is left behind */
export async function openSandbox(
  context: ContainerContext,
  { name, body, mounts, disks, output, onNetwork }: SandboxRequest,
): Promise<ContainerSandbox> {
  let network: HostPath | undefined;
  let task: Task | undefined;
  const { container } = await createContainer(context, {
    name,
    platform: '',
    body: { ...body, HostConfig: { ...body.HostConfig, AutoRemove: true } },
    additions: {
      mounts,
      disks,
      onNetwork: async (netnsPath) => {
        network = netnsPath;
        await onNetwork(netnsPath);
      },
      onStart: (started) => {
        task = started;
      },
    },
  });
  container.output.pass(output);
  await startContainer(context, container);
  if (task === undefined || network === undefined) {
    throw new SlipwayError(
      'InvalidArgument',
      `container ${name} has no network of its own; use another mode`,
    );
  }
  return containerSandbox(context, container, task, network);
}

/** Kills and removes the containers with this label: what a daemon that was killed left of its sandboxes. */
export async function removeSandboxes(context: ContainerContext, label: string): Promise<number> {
  const left = context.registry
    .list()
    .filter(({ definition }) => definition.config.Labels?.[label] !== undefined);
  await Promise.all(left.map((container) => removeLeftOver(context, container)));
  return left.length;
}

async function removeLeftOver(context: ContainerContext, container: Container): Promise<void> {
  try {
    // That it was frozen is written down nowhere but in its cgroup, and a frozen process does not die.
    if (isRunning(container.state)) await container.task?.resume();
  } catch (error) {
    if (!isSlipwayError(error, 'NotFound', 'FailedPrecondition')) throw error;
  }
  await remove(context, container);
}

async function remove(context: ContainerContext, container: Container): Promise<void> {
  try {
    await removeContainer(context, container, { force: true, removeVolumes: true });
  } catch (error) {
    // Its end, or somebody else, removes it at this moment.
    if (!isSlipwayError(error, 'Conflict')) throw error;
    await container.removed.promise;
  }
}

function containerSandbox(
  context: ContainerContext,
  container: Container,
  task: Task,
  netnsPath: HostPath,
): ContainerSandbox {
  let removal: Promise<void> | undefined;
  let freezing: Promise<void> | undefined;
  const freeze = async () => {
    await task.pause();
    // Often, and of no meaning to the next daemon: it is not written down.
    if (container.state.status === 'running') {
      container.state = transition(container.state, { type: 'paused' });
    }
  };
  const thaw = async () => {
    if (container.state.status !== 'paused') return;
    await task.resume();
    container.state = transition(container.state, { type: 'resumed' });
  };
  return {
    id: container.definition.id,
    pid: task.pid,
    netnsPath,
    exited: task.exited,
    identify({ name, labels }) {
      const { definition } = container;
      definition.config.Labels = { ...definition.config.Labels, ...labels };
      if (context.registry.holderOf(name) === undefined) context.registry.rename(container, name);
    },
    async kill() {
      try {
        // What is about to be frozen would not die, and nobody would know to thaw it.
        await freezing;
        await task.signal(SIGKILL);
        // A frozen process does not die.
        await thaw();
      } catch (error) {
        if (!isSlipwayError(error, 'NotFound', 'FailedPrecondition')) throw error;
      }
    },
    async freeze() {
      if (removal !== undefined || !isRunning(container.state) || container.state.status === 'paused') return;
      freezing ??= freeze().finally(() => {
        freezing = undefined;
      });
      await freezing;
    },
    thaw,
    graft: (options) => task.graft(options),
    flush: () => task.flush(),
    limit: (limits) => task.limit(limits),
    memoryPeak: () => task.memoryPeak(),
    async exec({ args, env }, output) {
      const exec = createExec(context, container, attachedExec(args, env));
      await launchExec(context, container, exec, { consoleSize: undefined, stdin: false, attach: [output] });
      return exec.process as Process;
    },
    async [Symbol.asyncDispose]() {
      removal ??= (freezing ?? Promise.resolve()).catch(() => {}).then(() => remove(context, container));
      await removal;
    },
  };
}
