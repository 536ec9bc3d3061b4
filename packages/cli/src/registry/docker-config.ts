import { mkdir, open, readFile, realpath, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { isErrno, SlipwayError } from '@slipway/base/errors';
import type { Context } from '../command.ts';

/** One registry's login in the file; empty where a program keeps it. */
export interface AuthEntry {
  /** base64 of `name:password`. */
  readonly auth?: string;
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

/**
 * What docker's `config.json` has of logins. The file's other settings are kept as they are.
 * @see https://docs.docker.com/reference/cli/docker/#docker-cli-configuration-file-configjson-properties
 */
export interface DockerConfig {
  readonly auths?: Readonly<Record<string, AuthEntry>>;
  /** The program that keeps a registry's login: NAME of `docker-credential-NAME`. */
  readonly credHelpers?: Readonly<Record<string, string>>;
  /** The same for all others. */
  readonly credsStore?: string;
}

/** `config.json` in `SLIPWAY_CONFIG`, `DOCKER_CONFIG` or `~/.docker`: what docker has logged in to works here too. */
export function configPath(env: Context['env']): string {
  const folder = env['SLIPWAY_CONFIG'] || env['DOCKER_CONFIG'] || join(env['HOME'] || homedir(), '.docker');
  return join(folder, 'config.json');
}

/** An empty configuration when there is no file. @throws InvalidArgument for a file that is not JSON */
export async function readConfig(path: string): Promise<DockerConfig> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return {};
    throw error;
  }
  if (text.trim() === '') return {};
  const value = parseJson(text);
  if (value instanceof Object && !Array.isArray(value)) return value as DockerConfig;
  throw new SlipwayError(
    'InvalidArgument',
    `cannot read the logins in ${path}: it is not a JSON object; correct the file or move it away`,
  );
}

/** Undefined for what is not JSON: the parser's message would show a piece of the file, which holds passwords. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Writes the file whole or not at all, for its owner alone. A symbolic link stays one. */
export async function writeConfig(path: string, config: DockerConfig): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const target = await realpath(path).catch(() => path);
  const partial = join(dirname(target), `.${basename(target)}.slipway-${process.pid}`);
  try {
    const file = await open(partial, 'wx', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(config, null, '\t')}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, target);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}
