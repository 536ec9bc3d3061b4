import type { Readable } from 'node:stream';
import { DEFAULT_DETACH_KEYS, DetachScanner, parseDetachKeys } from '@slipway/api/docker/detach-keys';
import { FrameDecoder } from '@slipway/api/docker/framing';
import type { Hijacked } from '@slipway/client';
import type { Context } from '../command.ts';

export interface StreamOptions {
  readonly tty: boolean;
  /** Whether this process's standard input goes in. */
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Empty: docker's own. */
  readonly detachKeys: string;
}

/** Joins this process's streams to a container's until its output ends or the user detaches. */
export async function joinStreams(
  context: Context,
  { socket }: Hijacked,
  options: StreamOptions,
): Promise<'ended' | 'detached'> {
  const detached = Promise.withResolvers<'detached'>();
  const stopInput = options.stdin ? sendInput(context.stdin, socket, options, detached.resolve) : () => {};
  socket.on('error', () => {});
  try {
    const ended = copyOutput(socket, context, options).then(() => 'ended' as const);
    return await Promise.race([ended, detached.promise]);
  } finally {
    stopInput();
    socket.destroy();
  }
}

/** Standard input into the socket; its end closes the socket's writing half only. */
function sendInput(
  stdin: NodeJS.ReadStream,
  socket: Hijacked['socket'],
  { tty, detachKeys }: StreamOptions,
  detach: (how: 'detached') => void,
): () => void {
  const keys = tty ? parseDetachKeys(detachKeys || DEFAULT_DETACH_KEYS) : new Uint8Array();
  const scanner = new DetachScanner(keys);
  const onData = (chunk: Uint8Array) => {
    const { bytes, detached } = scanner.push(chunk);
    if (bytes.byteLength > 0 && !socket.write(bytes)) {
      stdin.pause();
      socket.once('drain', () => stdin.resume());
    }
    if (detached) detach('detached');
  };
  const onEnd = () => {
    socket.end(scanner.flush());
  };
  stdin.on('data', onData);
  stdin.on('end', onEnd);
  return () => {
    stdin.off('data', onData);
    stdin.off('end', onEnd);
    stdin.pause();
  };
}

/** Output as it came from a terminal, or told apart by its frames. Resolves when it ends. */
export async function copyOutput(
  source: Readable,
  context: Context,
  { tty, stdout = true, stderr = true }: { tty: boolean; stdout?: boolean; stderr?: boolean },
): Promise<void> {
  const decoder = new FrameDecoder();
  try {
    for await (const chunk of source as AsyncIterable<Uint8Array>) {
      if (tty) {
        await write(context.stdout, chunk);
        continue;
      }
      for (const frame of decoder.push(chunk)) {
        if (frame.stream === 'stderr' ? stderr : stdout) {
          await write(frame.stream === 'stderr' ? context.stderr : context.stdout, frame.bytes);
        }
      }
    }
  } catch (error) {
    // A connection that is reset has ended; what came before was written.
    if (!(error instanceof Error && 'code' in error && error.code === 'ECONNRESET')) throw error;
  }
}

function write(target: NodeJS.WriteStream, bytes: Uint8Array): Promise<void> | undefined {
  if (target.write(bytes)) return undefined;
  return new Promise((resolve) => target.once('drain', resolve));
}
