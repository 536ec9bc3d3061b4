import type { Connection, Hijacked } from './connection.ts';
import type { ExecInspect } from './types.ts';

/** Processes that are started in running containers. */
export class Execs {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  create(containerId: string, config: object): Promise<{ readonly Id: string }> {
    return this.#connection.json('POST', `/containers/${encodeURIComponent(containerId)}/exec`, {
      json: config,
    });
  }

  /** Starts it with its streams attached. */
  start(id: string, options: { tty: boolean; consoleSize?: readonly [number, number] }): Promise<Hijacked> {
    return this.#connection.hijack('POST', `/exec/${id}/start`, {
      json: {
        Detach: false,
        Tty: options.tty,
        ...(options.consoleSize === undefined ? {} : { ConsoleSize: options.consoleSize }),
      },
    });
  }

  startDetached(id: string, options: { tty: boolean }): Promise<void> {
    return this.#connection.empty('POST', `/exec/${id}/start`, {
      json: { Detach: true, Tty: options.tty },
    });
  }

  /** `h` and `w` in character cells. */
  resize(id: string, size: { readonly h: number; readonly w: number }): Promise<void> {
    return this.#connection.empty('POST', `/exec/${id}/resize`, { query: size });
  }

  inspect(id: string): Promise<ExecInspect> {
    return this.#connection.json('GET', `/exec/${id}/json`);
  }
}
