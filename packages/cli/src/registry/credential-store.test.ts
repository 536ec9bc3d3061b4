import assert from 'node:assert/strict';
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isSlipwayError } from '@slipway/base/errors';
import { CredentialStore } from './credential-store.ts';

interface Home extends AsyncDisposable {
  readonly path: string;
  readonly store: CredentialStore;
  read(): Promise<{ auths: Record<string, unknown> } & Record<string, unknown>>;
}

/** A home folder with a `config.json`, and with `docker-credential-box` in PATH, which keeps logins in files. */
async function home(config?: unknown): Promise<Home> {
  const root = await mkdtemp(join(tmpdir(), 'slipway-logins-'));
  const path = join(root, '.docker/config.json');
  if (config !== undefined) {
    await mkdir(join(root, '.docker'));
    await writeFile(path, typeof config === 'string' ? config : JSON.stringify(config));
  }
  const program = join(root, 'docker-credential-box');
  await writeFile(program, BOX);
  await chmod(program, 0o755);
  const env = { HOME: root, BOX: join(root, 'box'), PATH: `${root}:${process.env['PATH']}` };
  return {
    path,
    store: new CredentialStore(env),
    read: async () => JSON.parse(await readFile(path, 'utf8')),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true }),
  };
}

/** The programs' protocol: the address, or a login as JSON, on standard input. */
const BOX = `#!/bin/sh
mkdir -p "$BOX"
input=$(cat)
case $1 in
  store) url=$(printf %s "$input" | sed 's/.*"ServerURL":"\\([^"]*\\)".*/\\1/'); printf %s "$input" >"$BOX/$(printf %s "$url" | tr / _)" ;;
  get) cat "$BOX/$(printf %s "$input" | tr / _)" 2>/dev/null || { echo 'credentials not found in native keychain'; exit 1; } ;;
  erase) rm "$BOX/$(printf %s "$input" | tr / _)" 2>/dev/null || { echo 'credentials not found in native keychain'; exit 1; } ;;
esac
`;

const ADA = { username: 'ada', password: 'pass:wörd', serveraddress: 'localhost:5000' };

test('a login that is kept is found again, and the file is its owner’s alone', async () => {
  await using folder = await home();
  assert.equal(await folder.store.find('localhost:5000'), undefined);
  assert.equal(await folder.store.save('localhost:5000', ADA), 'file');
  assert.deepEqual(await folder.store.find('localhost:5000'), ADA);
  assert.equal(await folder.store.find('localhost:5001'), undefined);
  assert.equal((await stat(folder.path)).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(join(folder.path, '..')), ['config.json']);
});

test('what docker has logged in to is found, under every address that it has written', async () => {
  const auth = Buffer.from('ada:secret').toString('base64');
  await using folder = await home({
    auths: {
      'https://index.docker.io/v1/': { auth },
      'https://old.example.com/v1/': { auth },
      'token.example.com': { auth: Buffer.from('ada:').toString('base64'), identitytoken: 'tok' },
      'empty.example.com': {},
    },
  });
  const { store } = folder;
  const login = { username: 'ada', password: 'secret' };
  assert.deepEqual(await store.find('docker.io'), { ...login, serveraddress: 'https://index.docker.io/v1/' });
  assert.deepEqual(await store.find('old.example.com'), { ...login, serveraddress: 'old.example.com' });
  assert.equal((await store.find('token.example.com'))?.identitytoken, 'tok');
  assert.equal(await store.find('empty.example.com'), undefined);
});

test('keeping and forgetting a login changes nothing else of the file', async () => {
  const auth = Buffer.from('bob:other').toString('base64');
  const others = { psFormat: 'table {{.ID}}', credHelpers: { 'ghcr.io': 'box' } };
  await using folder = await home({
    ...others,
    auths: { 'quay.io': { auth }, 'http://localhost:5000/': { auth } },
  });
  await folder.store.save('localhost:5000', ADA);
  const { auths, ...rest } = await folder.read();
  assert.deepEqual(rest, others);
  assert.deepEqual(Object.keys(auths), ['quay.io', 'localhost:5000']);
  assert.equal(await folder.store.erase('localhost:5000'), true);
  assert.deepEqual(await folder.read(), { ...others, auths: { 'quay.io': { auth } } });
  assert.equal(await folder.store.erase('localhost:5000'), false);
});

test('a program that the configuration names keeps the login, and the file only that there is one', async () => {
  await using folder = await home({ credsStore: 'box' });
  assert.equal(await folder.store.save('localhost:5000', ADA), 'program');
  assert.deepEqual((await folder.read()).auths, { 'localhost:5000': {} });
  assert.deepEqual(await folder.store.find('localhost:5000'), ADA);
  await folder.store.save('docker.io', {
    identitytoken: 'tok',
    serveraddress: 'https://index.docker.io/v1/',
  });
  assert.deepEqual(await folder.store.find('docker.io'), {
    identitytoken: 'tok',
    serveraddress: 'https://index.docker.io/v1/',
  });
  assert.equal(await folder.store.erase('localhost:5000'), true);
  assert.equal(await folder.store.find('localhost:5000'), undefined);
  assert.deepEqual(Object.keys((await folder.read()).auths), ['https://index.docker.io/v1/']);
});

test('a registry’s own program comes before the one for all', async () => {
  await using folder = await home({ credsStore: 'missing', credHelpers: { 'localhost:5000': 'box' } });
  assert.equal(await folder.store.save('localhost:5000', ADA), 'program');
  await assert.rejects(
    folder.store.find('ghcr.io'),
    (error) => isSlipwayError(error, 'FailedPrecondition') && /docker-credential-missing/.test(error.message),
  );
});

test('a file that cannot be read is named, without a piece of it, and left as it is', async () => {
  await using folder = await home('{"auths": {"quay.io": {"auth": "c2VjcmV0"');
  await assert.rejects(
    folder.store.save('localhost:5000', ADA),
    (error) =>
      isSlipwayError(error, 'InvalidArgument') &&
      error.message.includes(folder.path) &&
      !error.message.includes('c2Vj'),
  );
  assert.match(await readFile(folder.path, 'utf8'), /c2VjcmV0/);
});

test('a configuration that is a symbolic link stays one', async () => {
  await using folder = await home({});
  const real = join(folder.path, '../real.json');
  await writeFile(real, '{}');
  await rm(folder.path);
  await symlink('real.json', folder.path);
  await folder.store.save('localhost:5000', ADA);
  assert.ok((await lstat(folder.path)).isSymbolicLink());
  assert.deepEqual(Object.keys(JSON.parse(await readFile(real, 'utf8')).auths), ['localhost:5000']);
});
