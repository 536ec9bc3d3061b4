import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type HostPath, isSlipwayError } from '@slipway/base';
import type { BuildSession } from '@slipway/build';
import { listenForAgent } from '../agent-socket.ts';
import { receiveFiles } from './file-sync.ts';
import { SessionConnection } from './session-connection.ts';

/** What a client told of itself with `POST /session`. */
export interface SessionHeaders {
  readonly id: string;
  /** Names the folder that is built; the same for each build of it on one machine. */
  readonly sharedKey: string | undefined;
}

/** Logins are asked for where no signal is at hand; the end of the session ends the question. */
const NEVER = new AbortController().signal;
/** Docker Hub's name among logins. */
const HUB_HOST = 'registry-1.docker.io';

/** A client of a build, reached through its session. @see https://github.com/moby/buildkit/tree/master/session */
export class ClientSession implements BuildSession {
  readonly #headers: SessionHeaders;
  readonly connection: SessionConnection;

  constructor(headers: SessionHeaders, connection: SessionConnection) {
    this.#headers = headers;
    this.connection = connection;
  }

  get id(): string {
    return this.#headers.id;
  }

  get sharedKey(): string | undefined {
    return this.#headers.sharedKey;
  }

  async syncLocal(
    source: Parameters<BuildSession['syncLocal']>[0],
    folder: HostPath,
    call: Parameters<BuildSession['syncLocal']>[2],
  ): Promise<void> {
    await receiveFiles(this.connection, source, folder, call);
  }

  async secret(id: string, { signal }: { signal: AbortSignal }): Promise<Buffer | undefined> {
    const method = 'moby.buildkit.secrets.v1.Secrets/GetSecret';
    const types = [['GetSecretRequest', { ID: id }], 'GetSecretResponse'] as const;
    const response = await this.#ask(method, types, signal);
    return response?.data;
  }

  async credentials(domain: string): ReturnType<BuildSession['credentials']> {
    const request = { Host: domain === 'docker.io' ? HUB_HOST : domain };
    const types = [['CredentialsRequest', request], 'CredentialsResponse'] as const;
    const found = await this.#ask('moby.filesync.v1.Auth/Credentials', types, NEVER);
    if (found === undefined || found.Secret === '') return undefined;
    return found.Username === ''
      ? { username: '', password: '', identityToken: found.Secret }
      : { username: found.Username, password: found.Secret };
  }

  /** What the client has at its standard input. @see https://github.com/moby/buildkit/tree/master/session/upload */
  async *upload(id: string, { signal }: { signal: AbortSignal }): AsyncGenerator<Uint8Array> {
    const metadata = { urlhost: 'buildkit-session', urlpath: `/${id}` };
    const types = ['BytesMessage', 'BytesMessage'] as const;
    using call = this.connection.open('moby.upload.v1.Upload/Pull', types, metadata, { signal });
    for await (const { data } of call.messages) yield data;
    await call.done;
  }

  async sshAgent(
    id: string,
    { signal }: { signal: AbortSignal },
  ): Promise<(AsyncDisposable & { path: HostPath }) | undefined> {
    const types = [['CheckAgentRequest', { ID: id }], 'Empty'] as const;
    if ((await this.#ask('moby.sshforward.v1.SSH/CheckAgent', types, signal)) === undefined) return undefined;
    return await listenForAgent((socket) => this.#forwardAgent(id, socket, signal));
  }

  /** Undefined where the client does not know the thing or the method. */
  async #ask(
    method: string,
    types: readonly [readonly [string, object], string],
    signal: AbortSignal,
    // biome-ignore lint/suspicious/noExplicitAny: as messageType
  ): Promise<any> {
    try {
      return await this.connection.unary(method, ...types, { signal });
    } catch (error) {
      if (isSlipwayError(error, 'NotFound', 'NotImplemented')) return undefined;
      throw error;
    }
  }

  async #forwardAgent(id: string, socket: Socket, signal: AbortSignal): Promise<void> {
    const method = 'moby.sshforward.v1.SSH/ForwardAgent';
    using call = this.connection.open(
      method,
      ['BytesMessage', 'BytesMessage'],
      { 'buildkit.ssh.id': id },
      { signal },
    );
    const sending = (async () => {
      for await (const data of socket) await call.send({ data });
      call.endSending();
    })();
    sending.catch(() => {});
    for await (const { data } of call.messages) socket.write(data);
    socket.end();
    await sending;
  }
}

/** A client's session over the connection that it gave away. */
export const openSession = (headers: SessionHeaders, socket: Duplex): ClientSession =>
  new ClientSession(headers, new SessionConnection(socket));
