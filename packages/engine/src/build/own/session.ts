import type { Socket } from 'node:net';
import {
  type ChannelRequest,
  encodeSessionMessage,
  SessionDecoder,
  type SessionMessage,
} from '@slipway/api/build-session';
import { type HostPath, SlipwayError } from '@slipway/base';
import type { BuildSession } from '@slipway/build';
import type { Credentials } from '@slipway/distribution/client';
import type { HijackedConnection } from '@slipway/http';
import { listenForAgent } from '../agent-socket.ts';
import { FileReceiver } from '../buildkit/file-receiver.ts';
import { sessionCredentials } from '../session-credentials.ts';
import { parseEntries, toFileStat } from './entries.ts';

/** What our own client says of itself when it opens a session. */
export interface OwnSessionTraits {
  /** Names its context's folder, so that the next build finds what this one brought; undefined: it has none. */
  readonly contextKey: string | undefined;
  /** The ssh agents that it can reach. */
  readonly sshIds: readonly string[];
}

/** Takes what the client says in a channel; a rejection ends the session. */
type Listener = (message: SessionMessage) => void;

/** The client's side of builds of `slipway build`, as long as its connection lives. */
export class OwnSession {
  readonly #traits: OwnSessionTraits;
  readonly #connection: HijackedConnection;
  readonly #listeners = new Map<
    number,
    { readonly listen: Listener; readonly fail: (error: Error) => void }
  >();
  #nextChannel = 1;
  #gone = false;

  constructor(traits: OwnSessionTraits, connection: HijackedConnection) {
    this.#traits = traits;
    this.#connection = connection;
  }

  /** Hands out what the client says, until it goes. */
  async serve(): Promise<void> {
    const decoder = new SessionDecoder();
    try {
      for await (const chunk of this.#connection.input) {
        for (const message of decoder.push(chunk)) this.#listeners.get(message.channel)?.listen(message);
      }
    } finally {
      this.#gone = true;
      for (const { fail } of [...this.#listeners.values()])
        fail(new SlipwayError('Canceled', 'the client went'));
    }
  }

  /** As the solver wants it. */
  toBuildSession(
    credentials: (domain: string) => Credentials | undefined,
    secrets: ReadonlyMap<string, Buffer>,
  ): BuildSession {
    return {
      sharedKey: this.#traits.contextKey,
      syncLocal: ({ excludes }, folder, call) => this.#syncContext(excludes, folder, call),
      secret: async (id) => secrets.get(id),
      sshAgent: (id) => this.sshAgent(id),
      credentials: sessionCredentials(credentials),
    };
  }

  /** @see BuildSession.sshAgent */
  async sshAgent(id: string): Promise<(AsyncDisposable & { readonly path: HostPath }) | undefined> {
    if (!this.#traits.sshIds.includes(id)) return undefined;
    return await listenForAgent((socket) => this.#forwardAgent(id, socket));
  }

  async #syncContext(
    excludes: readonly string[],
    folder: HostPath,
    { signal, onProgress }: Parameters<BuildSession['syncLocal']>[2],
  ): Promise<void> {
    using receiver = new FileReceiver(folder);
    const { promise: done, resolve, reject } = Promise.withResolvers<void>();
    let isTold = false;
    let received = 0;
    const channel = this.#open({ what: 'context', excludes }, reject, (message) => {
      if (message.kind === 'entries') {
        const entries = parseEntries(message.entries);
        isTold ||= entries.length === 0;
        const indexes = entries.flatMap((entry) => receiver.take(toFileStat(entry)) ?? []);
        if (indexes.length > 0) this.#send({ kind: 'want', channel: channel.id, indexes });
      } else if (message.kind === 'file') {
        receiver.write(message.index, message.bytes);
        received += message.bytes.byteLength;
        onProgress?.(received);
      }
      if (isTold && receiver.waiting === 0) resolve();
    });
    using _channel = channel;
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      signal.throwIfAborted();
      await done;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
    receiver.finish();
  }

  async #forwardAgent(id: string, socket: Socket): Promise<void> {
    const { promise: over, resolve, reject } = Promise.withResolvers<void>();
    using channel = this.#open({ what: 'ssh', id }, reject, (message) => {
      if (message.kind === 'data') socket.write(Buffer.from(message.bytes));
      if (message.kind === 'end') {
        socket.end();
        resolve();
      }
    });
    const sending = (async () => {
      for await (const bytes of socket as AsyncIterable<Uint8Array>) {
        await this.#send({ kind: 'data', channel: channel.id, bytes });
      }
      await this.#send({ kind: 'end', channel: channel.id });
    })();
    sending.catch(reject);
    await over;
    await sending;
  }

  /** Until disposed. What the listener throws, the client's failure and its going are told to `fail`. */
  #open(
    request: ChannelRequest,
    fail: (error: unknown) => void,
    listen: Listener,
  ): Disposable & { id: number } {
    const id = this.#nextChannel++;
    const guarded: Listener = (message) => {
      try {
        if (message.kind === 'fail') throw new SlipwayError('InvalidArgument', message.message);
        listen(message);
      } catch (error) {
        fail(error);
      }
    };
    if (this.#gone) fail(new SlipwayError('Canceled', 'the client went'));
    this.#listeners.set(id, { listen: guarded, fail });
    this.#send({ kind: 'open', channel: id, request });
    return {
      id,
      [Symbol.dispose]: () => {
        this.#listeners.delete(id);
        this.#send({ kind: 'end', channel: id });
      },
    };
  }

  #send(message: SessionMessage): Promise<void> {
    return this.#connection.write(encodeSessionMessage(message));
  }
}
