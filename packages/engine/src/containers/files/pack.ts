import { spawn } from 'node:child_process';
import { errorMessage, SlipwayError } from '@slipway/base';

/** tar's exit code when a file changed while it was read, which a running container's files may. */
const CHANGED = 1;

export interface PackOptions {
  /** In sed's words, what the names in the archive become. */
  readonly rename?: string;
  /** Nothing of what is mounted below. */
  readonly oneFileSystem?: boolean;
  /** Called when the archive is complete, or nobody wants more of it. */
  readonly release: () => Promise<void>;
}

/**
 * A tar of `name` in an open folder. GNU tar walks by descriptors and follows no
 * link, so a container that moves its files meanwhile cannot lead it out of its root.
 * @throws Internal when tar fails
 */
export async function* packFolder(
  folder: number,
  name: string,
  { rename, oneFileSystem, release }: PackOptions,
): AsyncGenerator<Uint8Array> {
  const args = [
    '--create',
    '--format=posix',
    '--numeric-owner',
    '--xattrs',
    '--xattrs-include=security.capability',
  ];
  // Leading slashes stay when a rename makes them.
  if (rename !== undefined) args.push('--absolute-names', `--transform=flags=rh;${rename}`);
  if (oneFileSystem) args.push('--one-file-system');
  args.push('--pax-option=delete=atime,delete=ctime', '--', name);
  try {
    const child = spawn('tar', args, {
      cwd: `/proc/${process.pid}/fd/${folder}`,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { LC_ALL: 'C', PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
    });
    const ended = Promise.withResolvers<number | null>();
    child.on('error', ended.reject);
    child.on('close', ended.resolve);
    ended.promise.catch(() => {});
    let words = '';
    child.stderr.on('data', (chunk: Buffer) => {
      words = (words + chunk.toString()).slice(-4096);
    });
    try {
      for await (const chunk of child.stdout) yield chunk as Uint8Array;
      const code = await ended.promise;
      if (code !== 0 && code !== CHANGED) throw new Error(words.trim() || `tar ended with ${code}`);
    } finally {
      child.kill('SIGKILL');
    }
  } catch (cause) {
    throw new SlipwayError('Internal', `cannot pack ${name}: ${errorMessage(cause)}`, { cause });
  } finally {
    await release();
  }
}
