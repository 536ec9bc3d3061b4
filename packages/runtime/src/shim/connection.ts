import { connect, type Socket } from 'node:net';
import { SlipwayError } from '@slipway/base';
import { decodeStrings, encodeFrame, type Frame, FrameDecoder, type FrameType } from './protocol.ts';

/** What a shim says when one connects. */
export interface Hello {
  /** `sandbox`, `starting`, `running`, or why the root file system could not be mounted. */
  readonly state: string;
  readonly shimPid: number;
  /** Of the container's first process; 0 before it started. */
  readonly pid: number;
  readonly startedAtNs: bigint;
  /** The text given with `begin`. */
  readonly cookie: string;
  /** The first process handle that no earlier daemon used. */
  readonly nextHandle: number;
}

/** Frames to and from one shim. */
export class ShimConnection implements Disposable {
  readonly hello: Hello;
  readonly #socket: Socket;
  #onFrame: ((frame: Frame) => void | Promise<void>) | undefined;
  readonly #early: Frame[] = [];
  /** Resolves when the connection is closed, by either side. */
  readonly closed: Promise<void>;
  #paused = 0;

  private constructor(socket: Socket, hello: Hello) {
    this.#socket = socket;
    this.hello = hello;
    const closed = Promise.withResolvers<void>();
    socket.on('close', () => closed.resolve());
    this.closed = closed.promise;
  }

  /**
   * Connects and waits for the shim's hello.
   * @throws the socket's own error (`ENOENT`, `ECONNREFUSED`) when there is no shim, Internal when it ends without a hello
   */
  static open(path: string): Promise<ShimConnection> {
    const { promise, resolve, reject } = Promise.withResolvers<ShimConnection>();
    const socket = connect({ path });
    const decoder = new FrameDecoder();
    let connection: ShimConnection | undefined;
    socket.on('error', reject);
    socket.on('close', () =>
      reject(new SlipwayError('Internal', `the shim at ${path} ended before it answered`)),
    );
    socket.on('data', (chunk: Buffer) => {
      for (const frame of decoder.push(chunk)) {
        if (connection === undefined) {
          connection = new ShimConnection(socket, parseHello(frame));
          resolve(connection);
        } else {
          connection.#receive(frame);
        }
      }
    });
    return promise;
  }

  /** Whoever takes the frames; a promise that it answers stops reading until it resolves. */
  listen(onFrame: (frame: Frame) => void | Promise<void>): void {
    this.#onFrame = onFrame;
    for (const frame of this.#early.splice(0)) this.#receive(frame);
  }

  send(type: FrameType, handle: number, payload: Uint8Array = new Uint8Array(), stream = 0): void {
    this.#socket.write(encodeFrame(type, handle, payload, stream));
  }

  /** Hangs up: a shim in the sandbox state undoes everything and ends, another runs on. */
  [Symbol.dispose](): void {
    this.#socket.end();
    this.#socket.resume();
  }

  #receive(frame: Frame): void {
    if (this.#onFrame === undefined) {
      this.#early.push(frame);
      return;
    }
    const slow = this.#onFrame(frame);
    if (slow === undefined) return;
    this.#paused += 1;
    this.#socket.pause();
    const resume = () => {
      this.#paused -= 1;
      if (this.#paused === 0) this.#socket.resume();
    };
    slow.then(resume, resume);
  }
}

function parseHello(frame: Frame): Hello {
  const [state = '', shimPid = '0', pid = '0', startedAtNs = '0', cookie = ''] = decodeStrings(frame.payload);
  return {
    state,
    shimPid: Number(shimPid),
    pid: Number(pid),
    startedAtNs: BigInt(startedAtNs),
    cookie,
    nextHandle: frame.handle,
  };
}
