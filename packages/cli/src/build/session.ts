import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { encodeSessionMessage, SessionDecoder, type SessionMessage } from '@slipway/api/build-session';
import { isErrno, SlipwayError } from '@slipway/base/errors';
import type { Context } from '../command.ts';
import { walkContext } from './walk.ts';

/** What a build may ask of this process. */
export interface BuildOffer {
  /** Of the context; undefined: it has no files. */
  readonly folder: string | undefined;
  /** Sockets of ssh agents, by the names that steps know them by. */
  readonly agents: ReadonlyMap<string, string>;
}

/** Answers the daemon while it builds, until it is disposed. */
export interface OpenSession extends Disposable {
  readonly id: string;
}

const ENTRIES_PER_MESSAGE = 1_000;
const READ_BYTES = 1 << 20;

/** Opens a session with the daemon. @throws Unavailable when nothing listens */
export async function openSession(
  { client }: Pick<Context, 'client'>,
  offer: BuildOffer,
): Promise<OpenSession> {
  const id = randomBytes(16).toString('hex');
  const context = offer.folder === undefined ? undefined : contextKey(offer.folder);
  const { socket } = await client.builds.openSession(id, { context, ssh: [...offer.agents.keys()] });
  socket.on('error', () => {});
  const session = new Session(socket, offer);
  session.serve().catch(() => socket.destroy());
  return { id, [Symbol.dispose]: () => socket.destroy() };
}

/** Names this folder among those that all clients of the daemon build. */
const contextKey = (folder: string): string =>
  createHash('sha256')
    .update(JSON.stringify([hostname(), process.getuid?.(), realpathSync(folder)]))
    .digest('hex');

class Session {
  readonly #socket: Duplex;
  readonly #offer: BuildOffer;
  readonly #channels = new Map<number, (message: SessionMessage) => void>();
  /** One for all who wait until they may send. */
  #room: Promise<void> | undefined;

  constructor(socket: Duplex, offer: BuildOffer) {
    this.#socket = socket;
    this.#offer = offer;
  }

  async serve(): Promise<void> {
    const decoder = new SessionDecoder();
    for await (const chunk of this.#socket as AsyncIterable<Uint8Array>) {
      for (const message of decoder.push(chunk)) {
        if (message.kind === 'open') this.#open(message);
        else this.#channels.get(message.channel)?.(message);
      }
    }
  }

  #open({ channel, request }: Extract<SessionMessage, { kind: 'open' }>): void {
    const work =
      request.what === 'context'
        ? this.#sendContext(channel, request.excludes)
        : this.#reachAgent(channel, request.id);
    work.catch((error: unknown) =>
      this.#send({ kind: 'fail', channel, message: error instanceof Error ? error.message : String(error) }),
    );
  }

  /** Tells of all files, and sends those that are wanted, the one beside the other. */
  async #sendContext(channel: number, excludes: readonly string[]): Promise<void> {
    const { folder } = this.#offer;
    const paths: string[] = [];
    const wanted: number[] = [];
    let sending = Promise.resolve();
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => {});
    this.#channels.set(channel, (message) => {
      if (message.kind === 'end') this.#channels.delete(channel);
      if (message.kind !== 'want') return;
      wanted.push(...message.indexes);
      sending = sending.then(async () => {
        for (const index of wanted.splice(0)) {
          await this.#sendFile(channel, index, join(folder as string, paths[index] as string));
        }
      });
      sending.catch(failed.reject);
    });
    const tell = async () => {
      let entries = [];
      for (const entry of folder === undefined ? [] : walkContext(folder, excludes)) {
        paths.push(entry.path);
        entries.push(entry);
        if (entries.length < ENTRIES_PER_MESSAGE) continue;
        await this.#send({ kind: 'entries', channel, entries });
        entries = [];
      }
      if (entries.length > 0) await this.#send({ kind: 'entries', channel, entries });
      await this.#send({ kind: 'entries', channel, entries: [] });
    };
    await Promise.race([tell(), failed.promise]);
    // What is wanted is asked for until the daemon ends the channel; a file that cannot be read is told of by then.
    failed.promise.catch((error: Error) => this.#send({ kind: 'fail', channel, message: error.message }));
  }

  async #sendFile(channel: number, index: number, path: string): Promise<void> {
    const file = openSync(path, 'r');
    try {
      for (;;) {
        const bytes = Buffer.allocUnsafe(READ_BYTES);
        const length = readSync(file, bytes);
        if (length === 0) break;
        await this.#send({ kind: 'file', channel, index, bytes: bytes.subarray(0, length) });
      }
    } finally {
      closeSync(file);
    }
    await this.#send({ kind: 'file', channel, index, bytes: new Uint8Array() });
  }

  async #reachAgent(channel: number, id: string): Promise<void> {
    const path = this.#offer.agents.get(id);
    if (path === undefined) throw new SlipwayError('NotFound', `no ssh agent ${id} was given`);
    const agent: Socket = connect(path);
    this.#channels.set(channel, (message) => {
      if (message.kind === 'data') agent.write(message.bytes);
      if (message.kind !== 'end') return;
      this.#channels.delete(channel);
      agent.end();
    });
    for await (const bytes of agent as AsyncIterable<Uint8Array>)
      await this.#send({ kind: 'data', channel, bytes });
    await this.#send({ kind: 'end', channel });
  }

  /** Resolves when there is room for more. */
  async #send(message: SessionMessage): Promise<void> {
    if (this.#socket.write(encodeSessionMessage(message))) return;
    this.#room ??= this.#waitForRoom();
    await this.#room;
  }

  #waitForRoom(): Promise<void> {
    const socket = this.#socket;
    return new Promise<void>((resolve) => {
      const done = () => {
        socket.off('drain', done);
        socket.off('close', done);
        this.#room = undefined;
        resolve();
      };
      socket.on('drain', done);
      socket.on('close', done);
    });
  }
}

/**
 * `--ssh default`, `--ssh ID=SOCKET`: the agents that steps may reach.
 * @throws InvalidArgument for what is no socket
 */
export function readAgents(words: readonly string[], env: Context['env']): ReadonlyMap<string, string> {
  return new Map(
    words.map((word) => {
      const equals = word.indexOf('=');
      const id = equals === -1 ? word : word.slice(0, equals);
      const path = equals === -1 ? env['SSH_AUTH_SOCK'] : word.slice(equals + 1);
      if (path === undefined || path === '') {
        throw new SlipwayError(
          'InvalidArgument',
          `--ssh ${word}: SSH_AUTH_SOCK is not set; start ssh-agent, or write ${id}=SOCKET`,
        );
      }
      if (!isSocket(path)) {
        throw new SlipwayError(
          'InvalidArgument',
          `--ssh ${word}: ${path} is no agent's socket; add a key to an agent with ssh-add`,
        );
      }
      return [id, path] as const;
    }),
  );
}

function isSocket(path: string): boolean {
  try {
    return statSync(path).isSocket();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}
