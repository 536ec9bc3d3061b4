import { execFile } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { SlipwayError } from '@slipway/base';

/** A runtime as it is configured; as dockerd's `runtimes`. */
export interface RuntimeConfig {
  readonly path: string;
  readonly args?: readonly string[];
}

const run = promisify(execFile);

export interface FoundRuntime {
  readonly name: string;
  readonly path: string;
  readonly args: readonly string[];
  readonly version: string;
  /** `NAME=value`, what it is run with; see `withoutSystemd`. */
  readonly env: readonly string[];
}

const KNOWN = ['crun', 'runc', 'runsc'];
const FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/**
 * The runtimes that are configured or installed, with their versions. Versions are kept in `cachePath` by the binary's
 * path and time, so that a start of the daemon does not run each of them.
 * @throws InvalidArgument when a configured one is not there
 */
export async function discoverRuntimes(
  configured: Readonly<Record<string, RuntimeConfig>>,
  { cachePath, withoutSystemd }: { readonly cachePath: string; readonly withoutSystemd?: string | undefined },
): Promise<FoundRuntime[]> {
  const cache = readCache(cachePath);
  const wanted = new Map<string, RuntimeConfig>(Object.entries(configured));
  for (const name of KNOWN) {
    const path = wanted.has(name) ? undefined : findProgram(name);
    if (path !== undefined) wanted.set(name, { path });
  }
  const found = await Promise.all(
    [...wanted].map(async ([name, { path: given, args = [] }]) => {
      const path = given.includes('/') ? given : findProgram(given);
      const stamp = path === undefined ? undefined : fileStamp(path);
      if (path === undefined || stamp === undefined) {
        throw new SlipwayError(
          'InvalidArgument',
          `the runtime ${name} is configured as ${given}, which is not there`,
        );
      }
      const version = cache.get(stamp) ?? (await readVersion(path));
      cache.set(stamp, version);
      const isPlainCrun = version.startsWith('crun') && args.length === 0;
      const env = isPlainCrun && withoutSystemd !== undefined ? await leanEnv(path, withoutSystemd) : [];
      return { name, path, args, version, env };
    }),
  );
  writeFileSync(cachePath, JSON.stringify([...cache]));
  return found;
}

/** Names a file and its content, as far as its time tells. Undefined when it is not there. */
export function fileStamp(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? undefined : `${path} ${stat.size} ${stat.mtimeMs}`;
}

/** `crun version 1.8.1`: the first line of what it says. */
async function readVersion(path: string): Promise<string> {
  try {
    return (await run(path, ['--version'])).stdout.split('\n')[0]?.trim() ?? '';
  } catch (cause) {
    throw new SlipwayError('FailedPrecondition', `${path} --version failed; is it an OCI runtime?`, {
      cause,
    });
  }
}

/**
 * Lets crun start with a stand-in for libsystemd, which a crun that manages cgroups itself has no use for; nothing where its
 * version wants more than the stand-in has, which the dynamic linker tells.
 */
async function leanEnv(path: string, library: string): Promise<string[]> {
  // Not LD_LIBRARY_PATH: the linker would look for each of crun's libraries in a dozen places.
  const LD_PRELOAD = library;
  try {
    const { stderr } = await run(path, ['--version'], { env: { LD_PRELOAD, LD_BIND_NOW: '1' } });
    return stderr === '' ? [`LD_PRELOAD=${library}`] : [];
  } catch {
    return [];
  }
}

function findProgram(name: string): string | undefined {
  return FOLDERS.map((folder) => join(folder, name)).find((path) => fileStamp(path) !== undefined);
}

function readCache(path: string): Map<string, string> {
  try {
    return new Map(JSON.parse(readFileSync(path, 'utf8')) as [string, string][]);
  } catch {
    return new Map();
  }
}
