import { type Clock, type Logger, type Random, SlipwayError } from '@slipway/base';
import type { RegistryAction, Visitor } from '@slipway/distribution/server';
import type { Database } from '@slipway/store';
import type { AccessKey, Account, Accounts, Grant } from './accounts.ts';
import { checkGrants, checkName, checkPassword } from './check.ts';
import { parseAuthorization } from './credentials.ts';
import { hashPassword, PasswordCheck } from './passwords.ts';
import { type AccountRecord, AccountRecords } from './records.ts';
import { SERVICE, type TokenClaims, Tokens } from './tokens.ts';
import { accountVisitor, anonymousVisitor, HOUSEHOLDER, type KnownVisitor, restricted } from './visitor.ts';

export interface AccountsOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly settings: {
    /** Whether somebody without credentials may pull, once there are accounts. */
    readonly anonymousPull: boolean;
  };
}

const TOKEN_SECONDS = 300;
const REFRESH_SECONDS = 365 * 24 * 3600;
/** The user name with which AWS's tools bring a token as the password. */
const TOKEN_USER = 'AWS';
/** Whose access keys they are when nobody is named, as in an account of AWS. */
const ROOT = 'root';

/** Opens the accounts that the database holds. */
export function openAccounts(options: AccountsOptions): AccountService {
  return new AccountService(options);
}

/** @see Accounts */
export class AccountService implements Accounts {
  readonly #records: AccountRecords;
  readonly #accounts: Map<string, AccountRecord>;
  /** Those that sign: every request names its own. */
  readonly #keys = new Map<string, AccessKey>();
  readonly #passwords: PasswordCheck;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #stranger: KnownVisitor;
  #tokens: Tokens | undefined;

  constructor({ database, clock, random, logger, settings }: AccountsOptions) {
    this.#records = new AccountRecords(database);
    this.#accounts = new Map(this.#records.load().map((account) => [account.name, account]));
    this.#passwords = new PasswordCheck(clock);
    this.#clock = clock;
    this.#random = random;
    this.#logger = logger;
    this.#stranger = anonymousVisitor(settings.anonymousPull);
  }

  get isGuarded(): boolean {
    return this.#accounts.values().some(({ passwordHash }) => passwordHash !== undefined);
  }

  list(): readonly Account[] {
    return [...this.#accounts.values()].map(shown).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async add(account: Parameters<Accounts['add']>[0]): Promise<Account> {
    const { name, password, isAdmin = false, grants = [] } = account;
    checkName(name);
    checkPassword(password);
    checkGrants(grants);
    this.#requireFree(name);
    const passwordHash = await hashPassword(password);
    this.#requireFree(name);
    const createdAtMs = this.#clock.nowMs();
    return this.#save({ name, isAdmin, grants, createdAtMs, passwordHash, generation: this.#random.hex(8) });
  }

  async update(name: string, changes: Parameters<Accounts['update']>[1]): Promise<Account> {
    const { password, isAdmin, grants } = changes;
    this.#get(name);
    if (grants !== undefined) checkGrants(grants);
    if (password !== undefined) checkPassword(password);
    const secret =
      password === undefined
        ? {}
        : { passwordHash: await hashPassword(password), generation: this.#random.hex(8) };
    const account = this.#get(name);
    return this.#save({
      ...account,
      ...secret,
      isAdmin: isAdmin ?? account.isAdmin,
      grants: grants ?? account.grants,
    });
  }

  remove(name: string): void {
    this.#get(name);
    this.#records.delete(name);
    this.#accounts.delete(name);
    this.#keys.clear();
  }

  async admit(headers: Readonly<Record<string, string | undefined>>): Promise<KnownVisitor> {
    if (!this.isGuarded) return HOUSEHOLDER;
    const credentials = parseAuthorization(headers['authorization']);
    switch (credentials.kind) {
      case 'none':
        return this.#stranger;
      case 'bearer':
        return await this.#tokenVisitor(credentials.token, 'access');
      case 'basic':
        return await this.logIn(credentials.name, credentials.password);
    }
  }

  /** The visitor whose password this is. @throws Unauthenticated */
  async logIn(name: string, password: string): Promise<KnownVisitor> {
    if (!this.isGuarded) return HOUSEHOLDER;
    if (name === TOKEN_USER) return await this.#tokenVisitor(password, 'access');
    const account = this.#accounts.get(name);
    const isRight = await this.#passwords.isRight(password, account?.passwordHash);
    // It may have been removed, or given another password, meanwhile.
    const now = this.#accounts.get(name);
    if (!isRight || now === undefined || now.generation !== account?.generation) {
      if (account !== undefined) this.#logger.warn({ account: name }, 'login refused: wrong password');
      throw unauthenticated('unknown user name or wrong password');
    }
    return accountVisitor(now);
  }

  challenge({ host, repository, actions = ['pull'] }: Parameters<Accounts['challenge']>[0]): string {
    const scope = repository === undefined ? '' : `,scope="repository:${repository}:${actions.join(',')}"`;
    return `Bearer realm="http://${safeHost(host)}/token",service="${SERVICE}"${scope}`;
  }

  async issueToken(
    visitor: Visitor,
    scopes: readonly { readonly repository: string; readonly actions: readonly RegistryAction[] }[],
    { expiresInSeconds = TOKEN_SECONDS }: { readonly expiresInSeconds?: number } = {},
  ): ReturnType<Accounts['issueToken']> {
    const grants: Grant[] = scopes
      .map(({ repository, actions }) => ({
        repositories: repository,
        actions: actions.filter((action) => visitor.may(action, repository)),
      }))
      .filter(({ actions }) => actions.length > 0);
    const signed = await this.#signer().sign(this.#claims('access', visitor, grants), expiresInSeconds);
    return { ...signed, expiresInSeconds };
  }

  /**
   * What gets new tokens until the password changes; undefined for somebody without a name, and for whoever came with a
   * token, which would outgrow itself.
   */
  async issueRefreshToken(visitor: KnownVisitor): Promise<string | undefined> {
    if (visitor.name === undefined || visitor.isLimited) return undefined;
    return (await this.#signer().sign(this.#claims('refresh', visitor, []), REFRESH_SECONDS)).token;
  }

  /** Whose refresh token it is. @throws Unauthenticated */
  async refresh(token: string): Promise<KnownVisitor> {
    return this.isGuarded ? await this.#tokenVisitor(token, 'refresh') : HOUSEHOLDER;
  }

  addAccessKey(name: string = ROOT): AccessKey {
    const createdAtMs = this.#clock.nowMs();
    if (name === ROOT && !this.#accounts.has(ROOT)) {
      const generation = this.#random.hex(8);
      this.#save({ name, isAdmin: true, grants: [], createdAtMs, passwordHash: undefined, generation });
    }
    this.#get(name);
    const bytes = (count: number) => Buffer.from(this.#random.hex(count), 'hex');
    const key: AccessKey = {
      accessKeyId: `SLWY${this.#random.hex(8).toUpperCase()}`,
      secretAccessKey: bytes(30).toString('base64'),
      account: name,
      createdAtMs,
    };
    this.#records.insertKey(key);
    return key;
  }

  findAccessKey(accessKeyId: string): AccessKey | undefined {
    const known = this.#keys.get(accessKeyId);
    if (known !== undefined) return known;
    const key = this.#records.findKey(accessKeyId);
    if (key !== undefined) this.#keys.set(accessKeyId, key);
    return key;
  }

  listAccessKeys(name?: string): readonly Omit<AccessKey, 'secretAccessKey'>[] {
    if (name !== undefined) this.#get(name);
    return this.#records
      .listKeys(name ?? ROOT)
      .map(({ accessKeyId, account, createdAtMs }) => ({ accessKeyId, account, createdAtMs }));
  }

  removeAccessKey(accessKeyId: string): void {
    this.#keys.delete(accessKeyId);
    if (!this.#records.deleteKey(accessKeyId)) {
      throw new SlipwayError('NotFound', `there is no access key "${accessKeyId}"`);
    }
  }

  visitor(name: string): Visitor {
    return accountVisitor(this.#get(name));
  }

  async #tokenVisitor(token: string, use: TokenClaims['use']): Promise<KnownVisitor> {
    const claims = await this.#signer().verify(token);
    if (claims.use !== use)
      throw unauthenticated(`this is not ${use === 'access' ? 'an access' : 'a refresh'} token`);
    if (claims.account === undefined) return restricted(this.#stranger, claims.grants);
    const account = this.#accounts.get(claims.account);
    if (account === undefined || account.generation !== claims.generation) {
      throw unauthenticated('the token was withdrawn; log in again');
    }
    const visitor = accountVisitor(account);
    return use === 'refresh' ? visitor : restricted(visitor, claims.grants);
  }

  #claims(use: TokenClaims['use'], { name }: Visitor, grants: readonly Grant[]): TokenClaims {
    return {
      use,
      account: name,
      generation: name === undefined ? undefined : this.#get(name).generation,
      grants,
    };
  }

  #signer(): Tokens {
    this.#tokens ??= new Tokens({
      secret: this.#records.tokenSecret(() => this.#random.hex(32)),
      clock: this.#clock,
      random: this.#random,
    });
    return this.#tokens;
  }

  #save(account: AccountRecord): Account {
    this.#records.save(account);
    this.#accounts.set(account.name, account);
    return shown(account);
  }

  #get(name: string): AccountRecord {
    const account = this.#accounts.get(name);
    if (account === undefined) throw new SlipwayError('NotFound', `there is no account "${name}"`);
    return account;
  }

  #requireFree(name: string): void {
    if (!this.#accounts.has(name)) return;
    throw new SlipwayError(
      'AlreadyExists',
      `there is an account "${name}" already; change or remove it (slipway registry users update, rm)`,
    );
  }
}

/** Without its secrets. */
const shown = ({ name, isAdmin, grants, passwordHash, createdAtMs }: AccountRecord): Account => ({
  name,
  isAdmin,
  grants,
  hasPassword: passwordHash !== undefined,
  createdAtMs,
});

/** The client's own word for us; anything that is no host would break out of the header. */
const safeHost = (host: string): string => (/^[\w.:[\]-]{1,255}$/.test(host) ? host : '127.0.0.1');

const unauthenticated = (message: string) =>
  new SlipwayError('Unauthenticated', message, { reason: 'UNAUTHORIZED' });
