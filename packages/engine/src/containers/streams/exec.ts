import { encodeFrame } from '@slipway/api/docker';
import { errorMessage, newId, SlipwayError } from '@slipway/base';
import { detachKeysOf, type HijackedConnection, serveSession } from '@slipway/http';
import type { AttachSink, ExitStatus } from '@slipway/runtime';
import type { Container, Exec, ExecConfig } from '../container.ts';
import { type ContainerContext, publish } from '../context.ts';
import { OutputHub } from '../run/output-hub.ts';
import { execProcess } from './exec-process.ts';

/** How long an exec can still be asked for after it has ended. */
const KEEP_ENDED_MS = 5 * 60 * 1000;
const EXIT_NOT_EXECUTABLE = 126;
const EXIT_NOT_FOUND = 127;

/**
 * Notes a command to run in a running container; nothing runs before `startExec`.
 * @throws FailedPrecondition when the container does not run or is paused; InvalidArgument without a command.
 */
export function createExec(context: ContainerContext, container: Container, config: ExecConfig): Exec {
  requireRunning(container);
  if (config.args.length === 0) throw new SlipwayError('InvalidArgument', 'No exec command specified');
  detachKeysOf(config.detachKeys);
  const exec: Exec = {
    id: newId(context.random),
    containerId: container.definition.id,
    config,
    process: undefined,
    exitCode: undefined,
    running: false,
  };
  container.execs.set(exec.id, exec);
  context.registry.addExec(container, exec.id);
  publish(context, container, `exec_create: ${config.args.join(' ')}`, { execID: exec.id });
  return exec;
}

/** @throws NotFound `No such exec instance: …` */
export function getExec(
  context: ContainerContext,
  id: string,
): { readonly container: Container; readonly exec: Exec } {
  const container = context.registry.findByExec(id);
  const exec = container?.execs.get(id);
  if (container === undefined || exec === undefined) {
    throw new SlipwayError('NotFound', `No such exec instance: ${id}`);
  }
  return { container, exec };
}

/** What may be said only at the start: the size of the client's terminal. */
export interface ExecStartOptions {
  readonly consoleSize: { readonly rows: number; readonly columns: number } | undefined;
}

/** Runs it with nobody attached; resolves when it runs. @throws like `launchExec` */
export async function startExecDetached(
  context: ContainerContext,
  container: Container,
  exec: Exec,
  options: ExecStartOptions,
): Promise<void> {
  requireStartable(container, exec);
  await launchExec(context, container, exec, { ...options, stdin: false, attach: [] });
}

/**
 * Runs it with a client at its streams. As Docker has it, a command that cannot be started is told of in the stream and
 * by the exit code that inspect shows (126, 127), since the client is attached by then.
 * @throws FailedPrecondition, before anything is served, when it was started before or its container does not run.
 */
export function startExecAttached(
  context: ContainerContext,
  container: Container,
  exec: Exec,
  options: ExecStartOptions,
): { readonly tty: boolean; serve(connection: HijackedConnection): Promise<void> } {
  requireStartable(container, exec);
  exec.running = true;
  return {
    tty: exec.config.tty,
    serve: (connection) => serveExec(context, container, exec, options, connection),
  };
}

async function serveExec(
  context: ContainerContext,
  container: Container,
  exec: Exec,
  options: ExecStartOptions,
  connection: HijackedConnection,
): Promise<void> {
  const { tty, attachStdin, attachStdout, attachStderr } = exec.config;
  const hub = new OutputHub();
  const output = attachStdout || attachStderr ? hub.subscribe() : undefined;
  let ended: Promise<ExitStatus>;
  try {
    ({ ended } = await launchExec(context, container, exec, {
      ...options,
      stdin: attachStdin,
      attach: [hub],
    }));
  } catch (error) {
    const text = Buffer.from(`${errorMessage(error)}\r\n`);
    await connection.write(tty ? text : encodeFrame('stdout', text));
    return;
  }
  const end = await serveSession(connection, {
    output,
    stdout: attachStdout,
    stderr: attachStderr,
    tty,
    stdin: attachStdin
      ? {
          process: Promise.resolve(exec.process),
          detachKeys: detachKeysOf(exec.config.detachKeys),
          closeAtEnd: true,
        }
      : undefined,
    over: ended,
  });
  if (end === 'detached') publish(context, container, 'exec_detach', { execID: exec.id });
  // The client asks for the exit code as soon as the stream has ended.
  if (end === 'ended') await ended;
}

export interface LaunchOptions extends ExecStartOptions {
  readonly stdin: boolean;
  readonly attach: readonly AttachSink[];
}

/**
 * Runs the command. `ended` resolves when it has ended and its exit code is noted.
 * @throws NotFound or InvalidArgument in Docker's words when the program is not there or cannot be executed, or the user
 * is unknown; FailedPrecondition when the container has ended meanwhile.
 */
export async function launchExec(
  context: ContainerContext,
  container: Container,
  exec: Exec,
  options: LaunchOptions,
): Promise<{ readonly ended: Promise<ExitStatus> }> {
  exec.running = true;
  const { task } = container;
  try {
    if (task === undefined) throw notRunning(container);
    const process = await execProcess(container, task, exec.config, options.consoleSize);
    publish(context, container, `exec_start: ${exec.config.args.join(' ')}`, { execID: exec.id });
    exec.process = await task.exec({
      execId: exec.id,
      process,
      stdin: options.stdin,
      attach: options.attach,
    });
  } catch (error) {
    for (const sink of options.attach) sink.end();
    const failure = startFailure(exec, error);
    endExec(context, container, exec, failure.exitCode);
    throw failure.error;
  }
  const ended = exec.process.exited.then((status) => {
    endExec(context, container, exec, status.exitCode);
    return status;
  });
  return { ended };
}

/** What `GET /exec/{id}/json` shows. @see Docker Engine API v1.51, ExecInspect */
export function inspectExec({ id, containerId, config, running, exitCode, process }: Exec): object {
  const [entrypoint = '', ...args] = config.args;
  return {
    ID: id,
    Running: running,
    ExitCode: exitCode ?? null,
    ProcessConfig: {
      tty: config.tty,
      entrypoint,
      arguments: args,
      privileged: config.privileged,
      ...(config.user === undefined ? {} : { user: config.user }),
    },
    OpenStdin: config.attachStdin,
    OpenStderr: config.attachStderr,
    OpenStdout: config.attachStdout,
    CanRemove: false,
    ContainerID: containerId,
    DetachKeys: Buffer.from(config.detachKeys === undefined ? [] : detachKeysOf(config.detachKeys)).toString(
      'base64',
    ),
    Pid: process?.pid ?? 0,
  };
}

/** @throws FailedPrecondition when it does not run or has no terminal. */
export async function resizeExec(
  exec: Exec,
  size: { readonly rows: number; readonly columns: number },
): Promise<void> {
  if (!exec.running || exec.process === undefined) {
    throw new SlipwayError('FailedPrecondition', `exec ${exec.id} is not running and cannot be resized`);
  }
  await exec.process.resize(size);
}

function endExec(context: ContainerContext, container: Container, exec: Exec, exitCode: number): void {
  exec.running = false;
  exec.exitCode = exitCode;
  publish(context, container, 'exec_die', { execID: exec.id, exitCode: String(exitCode) });
  context.clock.timer(KEEP_ENDED_MS, () => {
    container.execs.delete(exec.id);
    context.registry.removeExec(exec.id);
  });
}

function startFailure(exec: Exec, error: unknown): { readonly exitCode: number; readonly error: unknown } {
  if (!(error instanceof SlipwayError)) return { exitCode: EXIT_NOT_EXECUTABLE, error };
  const program = JSON.stringify(exec.config.args[0]);
  const words = (why: string) =>
    `OCI runtime exec failed: exec failed: unable to start container process: exec: ${program}: ${why}: unknown`;
  switch (error.reason) {
    case 'EXEC_NOT_FOUND': {
      const why = exec.config.args[0]?.includes('/')
        ? `stat ${exec.config.args[0]}: no such file or directory`
        : 'executable file not found in $PATH';
      return {
        exitCode: EXIT_NOT_FOUND,
        error: new SlipwayError('InvalidArgument', words(why), { cause: error, reason: error.reason }),
      };
    }
    case 'EXEC_NOT_EXECUTABLE':
      return {
        exitCode: EXIT_NOT_EXECUTABLE,
        error: new SlipwayError('InvalidArgument', words('permission denied'), {
          cause: error,
          reason: error.reason,
        }),
      };
    default:
      return { exitCode: EXIT_NOT_EXECUTABLE, error };
  }
}

function requireStartable(container: Container, exec: Exec): void {
  if (exec.running) {
    throw new SlipwayError('FailedPrecondition', `Error: Exec command ${exec.id} is already running`);
  }
  if (exec.exitCode !== undefined) {
    throw new SlipwayError('FailedPrecondition', `Error: Exec command ${exec.id} has already run`);
  }
  requireRunning(container);
}

/** @throws FailedPrecondition in Docker's words */
export function requireRunning(container: Container): void {
  const { id } = container.definition;
  switch (container.state.status) {
    case 'running':
      return;
    case 'paused':
      throw new SlipwayError(
        'FailedPrecondition',
        `container ${id} is paused, unpause the container before exec`,
      );
    case 'restarting':
      throw new SlipwayError(
        'FailedPrecondition',
        `container ${id} is restarting, wait until the container is running`,
      );
    default:
      throw notRunning(container);
  }
}

const notRunning = (container: Container) =>
  new SlipwayError('FailedPrecondition', `container ${container.definition.id} is not running`);
