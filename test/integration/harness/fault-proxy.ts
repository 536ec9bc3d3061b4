import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ProxiedRequest {
  readonly method: string;
  readonly path: string;
}

/** What goes wrong on the way to the registry behind. */
export type ProxyFault =
  /** The connection ends when so many bytes of the request's body have come. */
  | { readonly cutAfterBytes: number }
  /** The registry gets all, and its answer gets lost. */
  | 'lose the answer'
  | {
      readonly status: number;
      readonly headers?: Record<string, string | number>;
      readonly body?: string;
    };

/** A proxy before a registry that does wrong what it is told to. */
export class FaultProxy implements AsyncDisposable {
  readonly requests: ProxiedRequest[] = [];
  fault: (request: ProxiedRequest) => ProxyFault | undefined = () => undefined;
  readonly #behind: string;
  readonly #server = createServer((incoming, response) => {
    response.on('error', () => {});
    incoming.on('error', () => {});
    this.#answer(incoming, response);
  });

  private constructor(behind: string) {
    this.#behind = behind;
  }

  /** One before `HOST:PORT`. */
  static async start(behind: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(behind);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(incoming: IncomingMessage, response: ServerResponse): void {
    const { method = '', url: path = '', headers } = incoming;
    this.requests.push({ method, path });
    const fault = this.fault({ method, path });
    if (fault !== undefined && fault !== 'lose the answer' && 'status' in fault) {
      incoming.resume();
      incoming.once('end', () => response.writeHead(fault.status, fault.headers).end(fault.body));
      return;
    }
    const [host = '', port = ''] = this.#behind.split(':');
    // The Host header goes as it came, so that the registry's Location leads here again.
    const outgoing = request({ host, port, method, path, headers, agent: false }, (answer) => {
      if (fault === 'lose the answer') {
        answer.resume();
        response.destroy();
      } else {
        response.writeHead(answer.statusCode ?? 0, answer.headers);
        answer.pipe(response);
      }
    });
    outgoing.on('error', () => response.destroy());
    let receivedBytes = 0;
    incoming.on('data', (chunk: Buffer) => {
      receivedBytes += chunk.length;
      if (fault === undefined || fault === 'lose the answer' || receivedBytes < fault.cutAfterBytes) return;
      incoming.destroy();
      outgoing.destroy();
    });
    if (fault !== undefined && fault !== 'lose the answer' && fault.cutAfterBytes === 0) {
      incoming.destroy();
      outgoing.destroy();
    } else {
      incoming.pipe(outgoing);
    }
  }
}
