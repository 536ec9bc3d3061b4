import { DEFAULT_DETACH_KEYS, DetachScanner, encodeFrame, parseDetachKeys } from '@slipway/api/docker';
import { type AsyncQueue, aborted } from '@slipway/base';
import type { HijackedConnection } from './reply.ts';

/** A piece of a process's output. With a terminal all of it is `stdout`. */
export interface OutputPiece {
  readonly stream: 'stdout' | 'stderr';
  readonly bytes: Uint8Array;
}

/** Where a client's input goes. */
export interface InputSink {
  /** Resolves when there is room again. */
  writeStdin(bytes: Uint8Array): Promise<void>;
  closeStdin(): Promise<void>;
}

/** What a client wants of a process's standard streams. */
export interface SessionOptions {
  /** The output, subscribed already; ends when the process has ended. Undefined: none is wanted. */
  readonly output: AsyncQueue<OutputPiece> | undefined;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** With a terminal output travels raw, else in Docker's frames. */
  readonly tty: boolean;
  /** Undefined: the client's input is not read. */
  readonly stdin: SessionInput | undefined;
  /** Settles when the process has ended; what ends a session without output. */
  readonly over: Promise<unknown>;
}

export interface SessionInput {
  /** The process, as soon as it runs; undefined when it never will. */
  readonly process: Promise<InputSink | undefined>;
  /** Looked for when there is a terminal. */
  readonly detachKeys: Uint8Array;
  /** The client's end of input is the process's; otherwise it ends the session. */
  readonly closeAtEnd: boolean;
}

/** `ended`: the process has; `detached`: the client typed the detach keys; `gone`: it went away or ended its input. */
export type SessionEnd = 'ended' | 'detached' | 'gone';

/** The keys as bytes; Docker's own when none are named. @throws InvalidArgument */
export const detachKeysOf = (keys: string | undefined): Uint8Array =>
  parseDetachKeys(keys || DEFAULT_DETACH_KEYS);

/** Moves bytes between a client and a process until either has done. Every byte of output is delivered before `ended`. */
export async function serveSession(
  connection: HijackedConnection,
  options: SessionOptions,
): Promise<SessionEnd> {
  const ends: Promise<SessionEnd>[] = [
    aborted(connection.signal).then((): SessionEnd => 'gone'),
    options.output === undefined
      ? options.over.then((): SessionEnd => 'ended')
      : writeOutput(connection, options.output, options).then((): SessionEnd => 'ended'),
  ];
  if (options.stdin !== undefined) ends.push(readInput(connection, options.stdin, options.tty));
  try {
    return await Promise.race(ends);
  } finally {
    await options.output?.return();
  }
}

/** Writes what is wanted of the output, framed unless there is a terminal. */
export async function writeOutput(
  connection: Pick<HijackedConnection, 'write'>,
  output: AsyncIterable<OutputPiece>,
  { stdout, stderr, tty }: { readonly stdout: boolean; readonly stderr: boolean; readonly tty: boolean },
): Promise<void> {
  for await (const { stream, bytes } of output) {
    if (stream === 'stdout' ? !stdout : !stderr) continue;
    await connection.write(tty ? bytes : encodeFrame(stream, bytes));
  }
}

/** Settles only with an end of the session: the end of the client's input may leave output to be waited for. */
async function readInput(
  connection: HijackedConnection,
  { process: starting, detachKeys, closeAtEnd }: SessionInput,
  tty: boolean,
): Promise<SessionEnd> {
  const forever = new Promise<SessionEnd>(() => {});
  const process = await starting;
  if (process === undefined) return forever;
  const scanner = new DetachScanner(tty ? detachKeys : new Uint8Array());
  for await (const chunk of connection.input) {
    const { bytes, detached } = scanner.push(chunk);
    if (bytes.byteLength > 0) await process.writeStdin(bytes);
    if (detached) return 'detached';
  }
  const held = scanner.flush();
  if (held.byteLength > 0) await process.writeStdin(held);
  if (!closeAtEnd || tty) return 'gone';
  await process.closeStdin();
  return forever;
}
