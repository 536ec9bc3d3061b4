import { isSlipwayError } from '@slipway/base/errors';
import type { RegistryLogin } from '@slipway/client';
import type { Context } from '../command.ts';
import { type AuthEntry, configPath, type DockerConfig, readConfig, writeConfig } from './docker-config.ts';
import { addressOfHost, hostOfAddress, registryOf } from './name.ts';

/** The name under which the credential programs keep an identity token. */
const TOKEN_NAME = '<token>';

/** The login at the registry of an image's name, for a request's header. */
export const loginForImage = (context: Context, name: string): Promise<RegistryLogin | undefined> =>
  findOrWarn(context, new CredentialStore(context.env), registryOf(name));

/** The logins at the registries of several images' names, by the registries' addresses. */
export async function loginsForImages(
  context: Context,
  names: readonly string[],
): Promise<Record<string, RegistryLogin>> {
  const store = new CredentialStore(context.env);
  const logins: Record<string, RegistryLogin> = {};
  for (const host of new Set(names.map(registryOf))) {
    const login = await findOrWarn(context, store, host);
    if (login !== undefined) logins[login.serveraddress] = login;
  }
  return logins;
}

/** A configuration that names a missing program must not keep anybody from public images. */
async function findOrWarn({ stderr }: Context, store: CredentialStore, host: string) {
  try {
    return await store.find(host);
  } catch (error) {
    if (!isSlipwayError(error, 'FailedPrecondition')) throw error;
    stderr.write(`WARNING: going on without a login: ${error.message}\n`);
    return undefined;
  }
}

/** Where logins are kept, the same as docker's: its configuration file, and the programs that this names. */
export class CredentialStore {
  readonly path: string;
  readonly #env: Context['env'];

  constructor(env: Context['env']) {
    this.#env = env;
    this.path = configPath(env);
  }

  /** The login kept for a registry. @throws SlipwayError when file or program cannot be read */
  async find(host: string): Promise<RegistryLogin | undefined> {
    const config = await readConfig(this.path);
    const serveraddress = addressOfHost(host);
    const program = await this.#program(config, host);
    const inFile = loginIn(config, host);
    if (program === undefined) return inFile;
    // The file keeps what was put there before there was a program.
    const kept = await program.get(serveraddress);
    if (kept === undefined) return inFile;
    return kept.Username === TOKEN_NAME
      ? { identitytoken: kept.Secret, serveraddress }
      : { username: kept.Username, password: kept.Secret, serveraddress };
  }

  /** Keeps a login. @returns where: whether a program has it, or the file, where anybody who reads the file does. */
  async save(host: string, login: RegistryLogin): Promise<'program' | 'file'> {
    const config = await readConfig(this.path);
    const program = await this.#program(config, host);
    const { username = '', password = '', identitytoken, serveraddress } = login;
    if (program === undefined) {
      const auth = Buffer.from(`${username}:${password}`).toString('base64');
      await this.#replace(config, host, { auth, ...(identitytoken ? { identitytoken } : {}) });
      return 'file';
    }
    const secret = identitytoken
      ? { Username: TOKEN_NAME, Secret: identitytoken }
      : { Username: username, Secret: password };
    await program.store(serveraddress, secret);
    await this.#replace(config, host, {});
    return 'program';
  }

  /** @returns whether there was one */
  async erase(host: string): Promise<boolean> {
    const config = await readConfig(this.path);
    const program = await this.#program(config, host);
    const known =
      entriesOf(config, host).length > 0 || (await program?.get(addressOfHost(host))) !== undefined;
    await program?.erase(addressOfHost(host));
    if (entriesOf(config, host).length > 0) await this.#replace(config, host, undefined);
    return known;
  }

  /** One entry instead of all that name the registry. */
  async #replace(config: DockerConfig, host: string, entry: AuthEntry | undefined): Promise<void> {
    const others = Object.entries(config.auths ?? {}).filter(([address]) => hostOfAddress(address) !== host);
    const auths = Object.fromEntries(
      entry === undefined ? others : [...others, [addressOfHost(host), entry] as const],
    );
    await writeConfig(this.path, { ...config, auths });
  }

  async #program(config: DockerConfig, host: string) {
    const helpers = Object.entries(config.credHelpers ?? {});
    const name = helpers.find(([address]) => hostOfAddress(address) === host)?.[1] ?? config.credsStore;
    if (name === undefined || name === '') return undefined;
    const { CredentialProgram } = await import('./credential-program.ts');
    return new CredentialProgram(name, this.#env);
  }
}

/** docker has written addresses in several ways: the one it writes now comes first. */
const entriesOf = ({ auths = {} }: DockerConfig, host: string): AuthEntry[] =>
  Object.entries(auths)
    .filter(([address]) => hostOfAddress(address) === host)
    .sort(([a], [b]) => Number(b === addressOfHost(host)) - Number(a === addressOfHost(host)))
    .map(([, entry]) => entry);

function loginIn(config: DockerConfig, host: string): RegistryLogin | undefined {
  for (const entry of entriesOf(config, host)) {
    const { identitytoken, registrytoken } = entry;
    const [username, password] = namedIn(entry);
    if (!username && !identitytoken && !registrytoken) continue;
    return {
      ...(username === '' ? {} : { username, password }),
      ...(identitytoken ? { identitytoken } : {}),
      ...(registrytoken ? { registrytoken } : {}),
      serveraddress: addressOfHost(host),
    };
  }
  return undefined;
}

function namedIn({ auth = '', username, password }: AuthEntry): readonly [name: string, password: string] {
  if (username) return [username, password ?? ''];
  const pair = Buffer.from(auth, 'base64').toString();
  const colon = pair.indexOf(':');
  // docker ends a password that it decodes at zero bytes, which old versions padded with.
  return colon === -1 ? ['', ''] : [pair.slice(0, colon), pair.slice(colon + 1).replace(/\0+$/, '')];
}
