import { isSlipwayError } from '@slipway/base/errors';
import type { RegistryLogin } from '@slipway/client';
import { boolean, text } from '../args/flags.ts';
import { type Context, defineCommand, ExitError } from '../command.ts';
import { CredentialStore } from '../registry/credential-store.ts';
import { addressOfHost, hostOfAddress } from '../registry/name.ts';
import { prompt, readPassword } from '../stdio/prompt.ts';

export default defineCommand({
  summary: 'Sign in to a registry',
  description:
    'Tries the login and keeps it where docker does: in config.json of $DOCKER_CONFIG or ~/.docker, or with the\ndocker-credential program that this file names. Without a host: Docker Hub.',
  arguments: { usage: '[HOST]', min: 0, max: 1 },
  flags: {
    username: text('Name', { short: 'u' }),
    password: text('Password, which others on this machine can see as you give it', { short: 'p' }),
    'password-stdin': boolean('The password comes on standard input'),
  },
  examples: [
    ['login localhost:5000', 'asks for name and password'],
    ['login -u ada --password-stdin registry.example.com < password.txt', 'from a file'],
  ],
  async run(context, { flags, args, given }) {
    const { stdout, stderr } = context;
    const host = hostOfAddress(args[0] ?? '');
    const store = new CredentialStore(context.env);
    if (given.has('password')) {
      if (flags['password-stdin'])
        throw new ExitError(1, '--password and --password-stdin exclude each other');
      stderr.write('WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n');
    }
    const kept = given.size === 0 ? await store.find(host) : undefined;
    if (kept !== undefined && (await tryKept(context, host, kept))) return;
    const login = await askForLogin(context, host, flags);
    const { Status, IdentityToken } = await context.client.system.login(login);
    const place = await store.save(
      host,
      IdentityToken ? { ...login, password: '', identitytoken: IdentityToken } : login,
    );
    if (place === 'file') stderr.write(`WARNING! The login is kept unencrypted in ${store.path}\n`);
    stdout.write(`${Status}\n`);
  },
});

/** @returns whether the registry takes the login that is kept; when not, another is asked for. */
async function tryKept(context: Context, host: string, login: RegistryLogin): Promise<boolean> {
  context.stdout.write(`Trying the login that is kept for ${host}${of(login)}\n`);
  try {
    const { Status } = await context.client.system.login(login);
    context.stdout.write(`${Status}\n`);
    return true;
  } catch (error) {
    if (!isSlipwayError(error, 'Unauthenticated') || !context.stdin.isTTY) throw error;
    context.stderr.write(`${error.message}\n`);
    return false;
  }
}

const of = ({ username }: RegistryLogin): string => (username === undefined ? '' : ` of ${username}`);

interface LoginFlags {
  readonly username: string;
  readonly password: string;
  readonly 'password-stdin': boolean;
}

async function askForLogin(
  context: Context,
  host: string,
  { username, password, 'password-stdin': fromStdin }: LoginFlags,
): Promise<RegistryLogin> {
  const serveraddress = addressOfHost(host);
  if (fromStdin) {
    if (username === '') throw new ExitError(1, 'Must provide --username with --password-stdin');
    return { username, password: refuseEmpty(await readPassword(context), 'password'), serveraddress };
  }
  if ((username === '' || password === '') && !context.stdin.isTTY) {
    throw new ExitError(1, 'cannot ask for a login without a terminal: give --username and --password-stdin');
  }
  const name = username || refuseEmpty((await prompt(context, 'Username: ')).trim(), 'username');
  const secret = password || refuseEmpty(await prompt(context, 'Password: ', { secret: true }), 'password');
  return { username: name, password: secret, serveraddress };
}

function refuseEmpty(value: string, what: string): string {
  if (value === '') throw new ExitError(1, `the ${what} is empty`);
  return value;
}
