import type { Doorkeeper, RegistryAction, Visitor } from '@slipway/distribution/server';

/** Leave to do something with the repositories whose names fit; `*` stands for any characters. */
export interface Grant {
  readonly repositories: string;
  readonly actions: readonly RegistryAction[];
}

/** Somebody who may use the TCP door. */
export interface Account {
  readonly name: string;
  readonly isAdmin: boolean;
  readonly grants: readonly Grant[];
  /** Without one it cannot log in, and signs with its access keys alone. */
  readonly hasPassword: boolean;
  readonly createdAtMs: number;
}

/** What the AWS tools sign with. */
export interface AccessKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly account: string;
  readonly createdAtMs: number;
}

/**
 * Who may use the TCP door. While no account has a password, whoever reaches the port (this machine alone) is an
 * administrator of the registry, as with any registry that was given no users.
 */
export interface Accounts extends Doorkeeper {
  list(): readonly Account[];
  /** @throws AlreadyExists, InvalidArgument for a bad name or a short password */
  add(account: {
    name: string;
    password: string;
    isAdmin?: boolean;
    grants?: readonly Grant[];
  }): Promise<Account>;
  /** Changes what is given. @throws NotFound */
  update(
    name: string,
    changes: { password?: string; isAdmin?: boolean; grants?: readonly Grant[] },
  ): Promise<Account>;
  /** With its access keys; its tokens are worth nothing from now on. @throws NotFound */
  remove(name: string): void;
  /** A bearer token for what of `scopes` the visitor may do. `expiresInSeconds` from now. */
  issueToken(
    visitor: Visitor,
    scopes: readonly { readonly repository: string; readonly actions: readonly RegistryAction[] }[],
    options?: { readonly expiresInSeconds?: number },
  ): Promise<{ readonly token: string; readonly expiresInSeconds: number; readonly issuedAtMs: number }>;
  /**
   * Of `root` when no account is named, which is made if need be: an administrator without a password.
   * @throws NotFound
   */
  addAccessKey(account?: string): AccessKey;
  findAccessKey(accessKeyId: string): AccessKey | undefined;
  /** Of `root` when no account is named. @throws NotFound */
  listAccessKeys(account?: string): readonly Omit<AccessKey, 'secretAccessKey'>[];
  /** @throws NotFound */
  removeAccessKey(accessKeyId: string): void;
  /** The account as a visitor, with all that it may do. @throws NotFound */
  visitor(name: string): Visitor;
  /** Whether any account has a password; while none has, the registry lets everybody in. */
  readonly isGuarded: boolean;
}
