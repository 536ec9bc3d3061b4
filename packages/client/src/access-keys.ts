import type { Connection } from './connection.ts';
import type { AccessKeyMetadata, NewAccessKey } from './types.ts';

/** `/slipway/access-keys`: what the tools of AWS sign with, in IAM's words. Without a user they are those of `root`. */
export class AccessKeys {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  list(user?: string): Promise<AccessKeyMetadata[]> {
    return this.#connection.json('GET', '/slipway/access-keys', { query: { user } });
  }

  /** Its secret is told once. */
  create(user?: string): Promise<NewAccessKey> {
    return this.#connection.json('POST', '/slipway/access-keys', { query: { user } });
  }

  remove(accessKeyId: string, user?: string): Promise<void> {
    const path = `/slipway/access-keys/${encodeURIComponent(accessKeyId)}`;
    return this.#connection.empty('DELETE', path, { query: { user } });
  }
}
