import { SlipwayError } from '@slipway/base';
import {
  detachKeysOf,
  type HijackedConnection,
  type SessionEnd,
  serveSession,
  writeOutput,
} from '@slipway/http';
import type { Task } from '@slipway/runtime';
import type { Container } from '../container.ts';
import { type ContainerContext, publish } from '../context.ts';
import { isRunning } from '../state.ts';
import { openLogs } from './logs.ts';

export interface AttachOptions {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Stay for what comes. */
  readonly stream: boolean;
  /** What was written before comes first. */
  readonly logs: boolean;
  /** As Docker writes them; undefined: `ctrl-p,ctrl-q`. */
  readonly detachKeys: string | undefined;
}

/** A client's place at a container's streams. It takes nothing until it is served. */
export interface AttachSession {
  /** Output travels raw rather than in frames. */
  readonly tty: boolean;
  /** Subscribes at once, then serves until the container or the client has done. */
  serve(connection: HijackedConnection): Promise<SessionEnd>;
}

/**
 * Attaches to a container that runs, or is about to be started.
 * @throws FailedPrecondition for one that is paused, restarting or being removed, in Docker's words; InvalidArgument for
 * detach keys that no keyboard has.
 */
export function attachContainer(
  context: ContainerContext,
  container: Container,
  options: AttachOptions,
): AttachSession {
  const detachKeys = detachKeysOf(options.detachKeys);
  if (options.stream) requireAttachable(container);
  const tty = container.definition.config.Tty === true;
  return {
    tty,
    serve: async (connection) => {
      const wantsOutput = options.stdout || options.stderr;
      const output = options.stream && wantsOutput ? container.output.subscribe() : undefined;
      publish(context, container, 'attach');
      const over = Promise.race([container.nextExit.promise, container.removed.promise]);
      const starting = options.stream && options.stdin ? taskOf(context, container, over) : undefined;
      if (options.logs && wantsOutput) await replayLogs(context, container, options, tty, connection);
      if (!options.stream) return 'ended';
      const end = await serveSession(connection, {
        output,
        stdout: options.stdout,
        stderr: options.stderr,
        tty,
        stdin:
          starting === undefined || container.definition.config.OpenStdin !== true
            ? undefined
            : { process: starting, detachKeys, closeAtEnd: container.definition.config.StdinOnce === true },
        over,
      });
      if (end === 'detached') publish(context, container, 'detach');
      // Who was attached to the end finds the container ended.
      if (end === 'ended') await over;
      return end;
    },
  };
}

/**
 * Tells the container's terminal how large the client's is.
 * @throws FailedPrecondition when the container does not run or has no terminal.
 */
export async function resizeContainer(
  container: Container,
  size: { readonly rows: number; readonly columns: number },
): Promise<void> {
  if (!isRunning(container.state) || container.task === undefined) {
    throw new SlipwayError('FailedPrecondition', `container ${container.definition.id} is not running`);
  }
  await container.task.resize(size);
}

function requireAttachable({ state }: Container): void {
  switch (state.status) {
    // `start -a` attaches to one that has ended, just before it is started again.
    case 'created':
    case 'exited':
    case 'running':
      return;
    case 'paused':
      throw new SlipwayError(
        'FailedPrecondition',
        'You cannot attach to a paused container, unpause it first',
      );
    case 'restarting':
      throw new SlipwayError(
        'FailedPrecondition',
        'You cannot attach to a restarting container, wait until it is running',
      );
    case 'removing':
      throw new SlipwayError('FailedPrecondition', 'You cannot attach to a container that is being removed');
  }
}

/** The container's task, now or when it has been started; undefined when it ends or goes before. */
function taskOf(
  context: ContainerContext,
  container: Container,
  over: Promise<unknown>,
): Promise<Task | undefined> {
  if (container.task !== undefined) return Promise.resolve(container.task);
  const { promise, resolve } = Promise.withResolvers<Task | undefined>();
  const listening = context.events.listen((event) => {
    if (event.type === 'container' && event.action === 'start' && event.id === container.definition.id) {
      resolve(container.task);
    }
  });
  void over.then(() => resolve(undefined));
  void promise.then(() => listening[Symbol.dispose]());
  return promise;
}

async function replayLogs(
  context: ContainerContext,
  container: Container,
  { stdout, stderr }: AttachOptions,
  tty: boolean,
  connection: HijackedConnection,
): Promise<void> {
  const entries = await openLogs(
    context,
    container,
    { stdout, stderr, follow: false },
    { signal: connection.signal },
  );
  await writeOutput(connection, entries, { stdout, stderr, tty });
}
