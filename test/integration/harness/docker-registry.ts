import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, mustRun } from './command.ts';
import { findFreePort } from './engine.ts';
import { peers } from './peers.ts';

export interface DockerRegistryOptions {
  /** Name and password of the one who is let in; everybody unless said otherwise. */
  readonly login?: { readonly name: string; readonly password: string };
  /** The registry that it is a pull-through cache of. */
  readonly upstream?: string;
}

/** Debian's docker-registry, with its storage below `root`. It ends, and its folder goes, when it is disposed. */
export interface DockerRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT`, as image names begin. */
  readonly host: string;
  readonly url: string;
  readonly root: string;
  readonly log: string;
}

/** Starts docker-registry with an empty storage, and returns when it answers. */
export async function startDockerRegistry(options: DockerRegistryOptions = {}): Promise<DockerRegistry> {
  if (peers.dockerRegistry === undefined) {
    throw new Error('docker-registry is missing; script/peers brings it');
  }
  const root = await mkdtemp(join(tmpdir(), 'slt-registry-'));
  const host = `127.0.0.1:${await findFreePort()}`;
  const config = join(root, 'config.yml');
  // YAML holds JSON.
  await writeFile(config, JSON.stringify(await configuration(root, host, options)));
  const logPath = join(root, 'registry.log');
  const log = openSync(logPath, 'a');
  const child = spawn(peers.dockerRegistry, ['serve', config], { stdio: ['ignore', log, log] });
  closeSync(log);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const readLog = () => readFileSync(logPath, 'utf8');
  const registry: DockerRegistry = {
    host,
    url: `http://${host}`,
    root,
    get log() {
      return readLog();
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
      await rm(root, { recursive: true, force: true });
    },
  };
  try {
    await eventually('docker-registry answers', async () => {
      if (child.exitCode !== null)
        throw new Error(`docker-registry ended with ${child.exitCode}:\n${readLog()}`);
      const answer = await fetch(`http://${host}/v2/`).catch(() => undefined);
      await answer?.body?.cancel();
      return answer !== undefined;
    });
    return registry;
  } catch (error) {
    await registry[Symbol.asyncDispose]();
    throw error;
  }
}

async function configuration(root: string, host: string, { login, upstream }: DockerRegistryOptions) {
  const storage = join(root, 'storage');
  await mkdir(storage);
  return {
    version: 0.1,
    log: { level: 'info', accesslog: { disabled: false } },
    storage: {
      filesystem: { rootdirectory: storage },
      cache: { blobdescriptor: 'inmemory' },
      delete: { enabled: true },
    },
    http: { addr: host },
    ...(upstream === undefined ? {} : { proxy: { remoteurl: upstream } }),
    ...(login === undefined
      ? {}
      : { auth: { htpasswd: { realm: 'slipway-test', path: await passwordFile(root, login) } } }),
  };
}

/** An htpasswd file; bcrypt, of which docker-registry takes no other, by Python's crypt. */
async function passwordFile(root: string, login: { name: string; password: string }): Promise<string> {
  const script =
    'import crypt,sys; print(crypt.crypt(sys.argv[1], crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)))';
  const { text } = await mustRun(['python3', '-W', 'ignore', '-c', script, login.password]);
  const path = join(root, 'htpasswd');
  await writeFile(path, `${login.name}:${text}\n`);
  return path;
}
