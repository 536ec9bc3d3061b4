import type { Connection } from './connection.ts';
import type { AccessKey, Account, Grant } from './types.ts';

/** `/slipway/accounts…`: who may use the daemon's TCP port. */
export class Accounts {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  list(): Promise<Account[]> {
    return this.#connection.json('GET', '/slipway/accounts');
  }

  add(account: {
    readonly name: string;
    readonly password: string;
    readonly isAdmin: boolean;
    readonly grants: readonly Grant[];
  }): Promise<Account> {
    return this.#connection.json('POST', '/slipway/accounts', { json: account });
  }

  /** Changes what is given; grants take the place of those that were. */
  update(
    name: string,
    changes: { readonly password?: string; readonly isAdmin?: boolean; readonly grants?: readonly Grant[] },
  ): Promise<Account> {
    return this.#connection.json('PUT', at(name), { json: changes });
  }

  remove(name: string): Promise<void> {
    return this.#connection.empty('DELETE', at(name));
  }

  /** Without their secrets, which are told once. */
  keys(name: string): Promise<Pick<AccessKey, 'accessKeyId'>[]> {
    return this.#connection.json('GET', `${at(name)}/keys`);
  }

  addKey(name: string): Promise<AccessKey> {
    return this.#connection.json('POST', `${at(name)}/keys`, { json: {} });
  }

  removeKey(name: string, accessKeyId: string): Promise<void> {
    return this.#connection.empty('DELETE', `${at(name)}/keys/${encodeURIComponent(accessKeyId)}`);
  }
}

const at = (name: string): string => `/slipway/accounts/${encodeURIComponent(name)}`;
