import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { type Logger, SlipwayError } from '@slipway/base';

interface Waiting {
  readonly resolve: (pid: number) => void;
  readonly reject: (error: unknown) => void;
}

const ANSWER_BYTES = 8;

/**
 * One small process, child of the daemon, that forks a detached shim for each request: a fork of it costs a tenth of a
 * spawn from Node, and none of the main thread's time. It is started when needed, and again when it was killed.
 */
export class ShimLauncher implements Disposable {
  readonly #shimPath: string;
  readonly #logger: Logger;
  readonly #waiting: Waiting[] = [];
  #child: ChildProcess | undefined;
  #rest: Buffer = Buffer.alloc(0);

  constructor(shimPath: string, logger: Logger) {
    this.#shimPath = shimPath;
    this.#logger = logger;
  }

  /**
   * Starts a shim for a request (`encodeStrings`; the first string is its socket); resolves with its pid once its socket
   * listens.
   * @throws Internal when it cannot be started
   */
  launch(request: Buffer): Promise<number> {
    const child = this.#running();
    const stdin = child.stdin as Socket;
    // Only an answer that is waited for keeps this process alive.
    (child.stdout as Socket).ref();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      const size = Buffer.allocUnsafe(4);
      size.writeUInt32LE(request.length);
      stdin.write(Buffer.concat([size, request]));
    });
  }

  /** Starts the process ahead of the first request. */
  warm(): void {
    this.#running();
  }

  [Symbol.dispose](): void {
    const child = this.#child;
    this.#child = undefined;
    child?.stdin?.end();
    child?.unref();
  }

  #running(): ChildProcess {
    if (this.#child !== undefined) return this.#child;
    const child = spawn(this.#shimPath, ['launch'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: {},
      cwd: '/',
    });
    this.#child = child;
    this.#rest = Buffer.alloc(0);
    const ended = (cause: unknown) => this.#ended(child, cause);
    child.on('error', ended);
    child.on('exit', (code, signal) => ended(new Error(`it ended with ${signal ?? code}`)));
    child.stdin?.on('error', () => {});
    child.stdout?.on('data', (chunk: Buffer) => this.#answer(chunk));
    child.unref();
    for (const stream of [child.stdin, child.stdout]) (stream as Socket | null)?.unref();
    return child;
  }

  #answer(chunk: Buffer): void {
    let bytes = Buffer.concat([this.#rest, chunk]);
    for (; bytes.length >= ANSWER_BYTES; bytes = bytes.subarray(ANSWER_BYTES)) {
      const [pid, errno] = [bytes.readInt32LE(0), bytes.readInt32LE(4)];
      const waiting = this.#waiting.shift();
      if (errno === 0) waiting?.resolve(pid);
      else waiting?.reject(new SlipwayError('Internal', `cannot start a shim: errno ${errno}`));
    }
    this.#rest = bytes;
    if (this.#waiting.length === 0) (this.#child?.stdout as Socket | undefined)?.unref();
  }

  #ended(child: ChildProcess, cause: unknown): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    this.#logger.warn({ cause: String(cause) }, 'the shim launcher ended; it is started again when needed');
    const error = new SlipwayError('Internal', `the shim launcher ${this.#shimPath} ended`, { cause });
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
  }
}
