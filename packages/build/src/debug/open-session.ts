import { existsSync } from 'node:fs';
import type { Task } from '@slipway/runtime';
import type { RunOperation } from '../graph.ts';
import type { Input } from '../input.ts';
import { reopenWorkspace } from '../operations/rootfs.ts';
import { prepareRun } from '../operations/run.ts';
import type { SolverContext } from '../solve/context.ts';
import type { BuildSession, DebugOptions, DebugSession } from '../solver.ts';

const SIGKILL = 9;

/**
 * Runs a command where a step failed: in its file system, as its user, with its variables, folder and mounts. What the client
 * of the build alone could give is there only when it is given again. Disposing ends it; the step is kept.
 * @throws NotFound for a step that is not kept, or a command that is not there; Conflict when somebody is in it
 */
export async function openDebugSession(
  context: SolverContext,
  id: string,
  options: DebugOptions,
): Promise<DebugSession> {
  const { args, terminal, stdin, secrets, attach, signal } = options;
  const { step, giveBack } = context.failedSteps.take(id);
  let exitCode: number | undefined;
  await using undo = new AsyncDisposableStack();
  undo.defer(() => giveBack(exitCode));
  const workspace = undo.use(await reopenWorkspace(context, step.snapshotKey, signal));
  const operation = debugOperation(step.operation, step.inputs, { args, terminal });
  const request = { operation, inputs: step.inputs, session: sessionOf(secrets), signal, terminal };
  const spec = await prepareRun(context, workspace, request, undo);
  const runtime = context.runtime.defaultName;
  const task = await workspace.start({ spec, runtime, stdin, log: undefined, attach: [attach] });
  undo.defer(() => end(task));
  const exited = task.exited.then((status) => {
    exitCode = status.exitCode;
    return status.exitCode;
  });
  const held = undo.move();
  return { process: task, exited, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

/** Until nothing of it is left. */
async function end(task: Task): Promise<void> {
  await task.signal(SIGKILL).catch(() => {});
  await task.exited;
  await task.delete();
}

function debugOperation(
  operation: RunOperation,
  inputs: readonly Input[],
  { args, terminal }: Pick<DebugOptions, 'args' | 'terminal'>,
): RunOperation {
  const isThere = (input: Input | undefined) => input?.kind !== 'folder' || existsSync(input.path);
  return {
    ...operation,
    args: args.length > 0 ? args : shellOf(operation),
    env: terminal ? [...operation.env, 'TERM=xterm'] : operation.env,
    mounts: operation.mounts
      // A client's files that were not kept went with the build.
      .filter((mount) => mount.type !== 'bind' || isThere(inputs[mount.input]))
      .map((mount) => ('required' in mount ? { ...mount, required: false } : mount)),
  };
}

/** The one that the step ran in. */
function shellOf({ args: [program = '/bin/sh', flag] }: RunOperation): string[] {
  return flag?.startsWith('-') && /\/(?:ba|da|a|z|k)?sh$/.test(program) ? [program] : ['/bin/sh'];
}

const sessionOf = (secrets: ReadonlyMap<string, Buffer>): BuildSession => ({
  syncLocal: async () => {},
  sharedKey: undefined,
  secret: async (id) => secrets.get(id),
  sshAgent: async () => undefined,
  credentials: async () => undefined,
});
