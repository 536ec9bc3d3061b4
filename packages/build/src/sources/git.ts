import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage, type HostPath, hostPath, isErrno, SlipwayError } from '@slipway/base';
import { type Folders, folderId, type HeldFolder } from '../cache/folders.ts';
import { cleanPath, fromLatin1, Tree, toLatin1 } from '../files/tree.ts';
import type { Operation } from '../graph.ts';
import type { BuildSession } from '../solver.ts';
import { withoutSecrets } from './http.ts';

type GitOperation = Extract<Operation, { kind: 'git' }>;

/** A commit's files. */
export interface Checkout {
  readonly folder: HeldFolder;
  /** The repository's root, or the subdirectory that was asked for. */
  readonly path: HostPath;
  readonly commit: string;
}

interface GitCall {
  readonly session: BuildSession;
  readonly signal: AbortSignal;
}

const COMMIT = /^[0-9a-f]{40}$/;

/** Whether a ref names a commit once and for all. */
export const isCommit = (ref: string): boolean => COMMIT.test(ref);
const MAX_OUTPUT_BYTES = 64 << 20;

/**
 * Checks a commit out, submodules too, or finds the checkout of before.
 * @throws Unavailable in git's words; NotFound for a ref or subdirectory that is not there; DataLoss for another commit than
 * the checksum says; NotImplemented without git
 */
export async function openGit(operation: GitOperation, folders: Folders, call: GitCall): Promise<Checkout> {
  for (const given of [operation.url, operation.ref ?? '']) {
    // git would take it for an option.
    if (given.startsWith('-')) throw new SlipwayError('InvalidArgument', `"${given}" is no git URL or ref`);
  }
  await using undo = new AsyncDisposableStack();
  const git = await openCommand(operation, call, undo);
  const { url, checksum, keepGitDir, subdirectory } = operation;
  const resolved = await resolveCommit(git, operation);
  const idOf = (commit: string) => folderId('git', url, commit, keepGitDir);
  const describe = (commit: string) => ({
    id: idOf(commit),
    type: 'regular' as const,
    description: `git checkout of ${withoutSecrets(url)} at ${commit}`,
  });
  let commit = resolved;
  let folder: HeldFolder;
  if (commit !== undefined && folders.has(idOf(commit))) {
    folder = undo.use(folders.hold(describe(commit)));
  } else {
    const fetched = undo.use(folders.temporary());
    commit = await checkOut(git, operation, resolved, fetched.path);
    folder = undo.use(folders.hold(describe(commit), folders.has(idOf(commit)) ? undefined : fetched.path));
  }
  if (checksum !== undefined && !commit.startsWith(checksum)) {
    throw new SlipwayError('DataLoss', `expected checksum to match ${checksum}, got ${commit}`);
  }
  const path = within(folder.path, subdirectory);
  const held = undo.move();
  return { folder: { ...folder, [Symbol.asyncDispose]: () => held.disposeAsync() }, path, commit };
}

type Git = (args: readonly string[], cwd?: HostPath) => Promise<string>;

/** The commit that the ref names now; undefined for an abbreviated one, which only the repository can tell. */
async function resolveCommit(git: Git, { url, ref }: GitOperation): Promise<string | undefined> {
  if (ref !== undefined && isCommit(ref)) return ref;
  const lines = (await git(['ls-remote', '--', url, ...(ref === undefined ? ['HEAD'] : [ref, `${ref}^{}`])]))
    .split('\n')
    .map((line) => line.split('\t') as [string, string]);
  const names =
    ref === undefined
      ? ['HEAD']
      : [`refs/heads/${ref}`, `refs/tags/${ref}^{}`, `refs/tags/${ref}`, `${ref}^{}`, ref];
  for (const name of names) {
    const found = lines.find(([, candidate]) => candidate === name);
    if (found !== undefined) return found[0];
  }
  if (ref !== undefined && /^[0-9a-f]{4,39}$/.test(ref)) return undefined;
  throw new SlipwayError(
    'NotFound',
    `repository ${withoutSecrets(url)} does not contain ref ${ref ?? 'HEAD'}`,
  );
}

/** Fetches as little as the server allows; answers the commit. */
async function checkOut(
  git: Git,
  { url, ref, keepGitDir }: GitOperation,
  commit: string | undefined,
  folder: HostPath,
): Promise<string> {
  await git(['init', '--quiet', '--initial-branch=main'], folder);
  await git(['remote', 'add', 'origin', url], folder);
  const wanted = commit ?? ref ?? 'HEAD';
  try {
    await git(['fetch', '--quiet', '--depth=1', '--no-tags', 'origin', wanted], folder);
  } catch {
    // Some servers give only whole histories, or no commit that is not the tip of a branch.
    await git(['fetch', '--quiet', '--tags', 'origin', '+refs/heads/*:refs/remotes/origin/*'], folder);
  }
  await git(['-c', 'advice.detachedHead=false', 'checkout', '--quiet', wanted], folder);
  await git(['submodule', '--quiet', 'update', '--init', '--recursive', '--depth=1'], folder);
  const head = (await git(['rev-parse', 'HEAD'], folder)).trim();
  if (!keepGitDir) await rm(join(folder, '.git'), { recursive: true, force: true });
  return head;
}

/** @throws NotFound */
function within(folder: HostPath, subdirectory: string | undefined): HostPath {
  using tree = new Tree(folder);
  const path = tree.resolve(cleanPath(toLatin1(subdirectory ?? '')));
  if (path !== undefined) return hostPath(join(folder, fromLatin1(path)));
  throw new SlipwayError('NotFound', `the git repository has no folder ${subdirectory}`);
}

/** git as it runs for this client: with its ssh agent and token, asking nobody, and none of the host's configuration. */
async function openCommand(
  { url }: GitOperation,
  { session, signal }: GitCall,
  undo: AsyncDisposableStack,
): Promise<Git> {
  const isSsh = /^(?:ssh:\/\/|[^/]+@[^/:]+:)/.test(url);
  const agent = isSsh ? await session.sshAgent('default', { signal }) : undefined;
  if (agent !== undefined) undo.use(agent);
  const token = isSsh ? undefined : await session.secret('GIT_AUTH_TOKEN', { signal });
  const basic = (bytes: Buffer) =>
    Buffer.from(`x-access-token:${bytes.toString().trim()}`).toString('base64');
  const env: Record<string, string> = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/nonexistent',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: '/bin/false',
    // The folders belong to root, and no other program may be named as a transport.
    GIT_ALLOW_PROTOCOL: 'https:http:git:ssh',
    GIT_SSH_COMMAND:
      'ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=/dev/null',
    ...(agent === undefined ? {} : { SSH_AUTH_SOCK: agent.path }),
    // In the environment, which only root can read, and not among the arguments, which everybody can.
    ...(token === undefined
      ? {}
      : {
          GIT_CONFIG_COUNT: '1',
          GIT_CONFIG_KEY_0: `http.${new URL(url).origin}/.extraheader`,
          GIT_CONFIG_VALUE_0: `Authorization: basic ${basic(token)}`,
        }),
  };
  return (args, cwd) => runGit(args, { env, signal, cwd: cwd ?? '/' });
}

function runGit(
  args: readonly string[],
  options: { readonly env: Record<string, string>; readonly signal: AbortSignal; readonly cwd: string },
): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('git', [...args], { ...options, maxBuffer: MAX_OUTPUT_BYTES }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else if (options.signal.aborted) reject(options.signal.reason);
      else if (isErrno(error, 'ENOENT')) {
        reject(
          new SlipwayError('NotImplemented', 'this host has no git to fetch a repository with: install git', {
            cause: error,
          }),
        );
      } else {
        const words = withoutSecrets(stderr.trim()) || errorMessage(error);
        reject(new SlipwayError('Unavailable', `failed to fetch the git repository: ${words}`));
      }
    });
  });
}
