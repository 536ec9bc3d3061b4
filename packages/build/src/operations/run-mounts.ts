import { chmodSync, chownSync, mkdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type HostPath, isErrno, SlipwayError } from '@slipway/base';
import type { SpecMount } from '@slipway/runtime';
import type { HeldFolder } from '../cache/folders.ts';
import { copyFiles } from '../files/copy.ts';
import { cleanPath, fromLatin1, Tree, toLatin1 } from '../files/tree.ts';
import type { BuildMount } from '../graph.ts';
import { type Input, type LayersInput, topChainId } from '../input.ts';
import type { SolverContext } from '../solve/context.ts';
import type { BuildSession } from '../solver.ts';
import { openInput } from './inputs.ts';

/** What the mounts of a RUN come to. */
export interface RunMounts {
  /** To be mounted first, wherever they go: others are parts of them. */
  readonly early: readonly SpecMount[];
  readonly mounts: readonly SpecMount[];
  /** `NAME=secret` */
  readonly env: readonly string[];
}

export interface MountRequest {
  readonly mounts: readonly BuildMount[];
  readonly inputs: readonly Input[];
  readonly session: BuildSession;
  /** The step's own folder, and where its root file system is mounted. */
  readonly bundle: HostPath;
  /** Takes back what the mounts took. */
  readonly undo: AsyncDisposableStack;
  readonly signal: AbortSignal;
}

type MountOf<T extends BuildMount['type']> = Extract<BuildMount, { type: T }>;

/** Where file systems are mounted of which only a part is wanted: in `/dev`, which is no part of the layer. */
const HIDDEN_MOUNTS = '/dev/.slipway-mounts';

/**
 * Makes ready what a RUN mounts.
 * @throws NotFound for a required secret or ssh agent that the client does not have, and a source that is not there
 */
export async function openMounts(context: SolverContext, request: MountRequest): Promise<RunMounts> {
  const early: SpecMount[] = [];
  const mounts: SpecMount[] = [];
  const env: string[] = [];
  for (const [index, mount] of inLockOrder(request.mounts)) {
    switch (mount.type) {
      case 'bind':
        await openBind(context, request, mount, index, { early, mounts });
        break;
      case 'cache':
        mounts.push(await openCache(context, request, mount));
        break;
      case 'tmpfs':
        mounts.push(tmpfs(mount));
        break;
      case 'secret': {
        const secret = await openSecret(context, request, mount, index);
        if (secret.mount !== undefined) mounts.push(secret.mount);
        if (secret.variable !== undefined) env.push(secret.variable);
        break;
      }
      case 'ssh': {
        const opened = await openSsh(request, mount);
        if (opened !== undefined) mounts.push(opened);
        break;
      }
    }
  }
  return { early, mounts, env };
}

/** Caches by their ids, so that two steps never each hold the one that the other waits for. */
function inLockOrder(mounts: readonly BuildMount[]): [number, BuildMount][] {
  const idOf = ([, mount]: [number, BuildMount]) => (mount.type === 'cache' ? mount.id : '');
  return [...mounts.entries()].sort((a, b) => (idOf(a) < idOf(b) ? -1 : idOf(a) > idOf(b) ? 1 : 0));
}

/** Files of an input. What is written to them goes with the step. */
async function openBind(
  context: SolverContext,
  request: MountRequest,
  mount: MountOf<'bind'>,
  index: number,
  into: { readonly early: SpecMount[]; readonly mounts: SpecMount[] },
): Promise<void> {
  const input = request.inputs[mount.input] as Input;
  const path = await resolveSource(context, input, mount.source, request.signal);
  if (input.kind === 'folder' && mount.readonly) {
    into.mounts.push(bind(join(input.path, path), mount.target, ['ro']));
    return;
  }
  const overlay = await overlayOf(context, request, input, index);
  if (path === '') {
    into.mounts.push({
      ...overlay,
      destination: mount.target,
      options: [...overlay.options, ...(mount.readonly ? ['ro'] : [])],
    });
    return;
  }
  const hidden = `${HIDDEN_MOUNTS}/${index}`;
  into.early.push({ ...overlay, destination: hidden });
  const source = join(request.bundle, 'rootfs', hidden, path);
  into.mounts.push(bind(source, mount.target, mount.readonly ? ['ro'] : []));
}

/** A source's path with all links followed. */
async function resolveSource(
  context: SolverContext,
  input: Input,
  source: string,
  signal: AbortSignal,
): Promise<string> {
  const clean = cleanPath(toLatin1(source));
  if (clean === '') return '';
  await using view = await openInput(context, input, signal);
  const path = view.tree.resolve(clean);
  if (path !== undefined) return fromLatin1(path);
  throw new SlipwayError('NotFound', `failed to compute cache key: "/${fromLatin1(clean)}": not found`, {
    reason: 'BUILD_SOURCE_NOT_FOUND',
  });
}

async function overlayOf(
  context: SolverContext,
  { bundle, signal }: MountRequest,
  input: Input,
  index: number,
): Promise<Omit<SpecMount, 'destination'>> {
  const lower = input.kind === 'folder' ? [input.path] : await lowerOf(context, input, signal);
  const [upper, work] = [join(bundle, `mount-${index}`, 'fs'), join(bundle, `mount-${index}`, 'work')];
  for (const folder of [upper, work]) mkdirSync(folder, { recursive: true });
  const options = [`lowerdir=${lower.join(':')}`, `upperdir=${upper}`, `workdir=${work}`];
  return { type: 'overlay', source: 'overlay', options };
}

async function lowerOf(
  context: SolverContext,
  input: LayersInput,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const top = topChainId(await input.layers(signal));
  return top === undefined ? [context.emptyPath] : (await context.store.snapshots.mounts(top)).lower;
}

async function openCache(
  context: SolverContext,
  { inputs, undo, signal }: MountRequest,
  mount: MountOf<'cache'>,
): Promise<SpecMount> {
  const fill = async (folder: HeldFolder) => {
    if (mount.input === undefined) return;
    await using source = await openInput(context, inputs[mount.input] as Input, signal);
    using into = new Tree(folder.path);
    await copyFiles(source.tree, into, {
      source: mount.source,
      destination: '/',
      excludes: [],
      contentsOnly: true,
      parents: false,
      allowNothing: true,
      unpack: false,
      mode: undefined,
      owner: undefined,
      archiveOwner: undefined,
      keepsXattrs: true,
      signal,
    });
  };
  const folder = undo.use(await context.cacheMounts.hold(mount, fill, signal));
  return bind(folder.path, mount.target, mount.readonly ? ['ro'] : []);
}

function tmpfs({ target, sizeBytes, readonly }: MountOf<'tmpfs'>): SpecMount {
  const options = ['nosuid', 'nodev', ...(sizeBytes === undefined ? [] : [`size=${sizeBytes}`])];
  return {
    destination: target,
    type: 'tmpfs',
    source: 'tmpfs',
    options: readonly ? [...options, 'ro'] : options,
  };
}

async function openSecret(
  { secretRoot }: SolverContext,
  { session, bundle, undo, signal }: MountRequest,
  mount: MountOf<'secret'>,
  index: number,
): Promise<{ mount?: SpecMount; variable?: string }> {
  const bytes = await session.secret(mount.id, { signal });
  if (bytes === undefined) {
    if (!mount.required) return {};
    throw new SlipwayError(
      'NotFound',
      `secret ${mount.id}: not found; give it with --secret id=${mount.id},src=FILE`,
    );
  }
  const variable = mount.env === undefined ? {} : { variable: `${mount.env}=${bytes.toString()}` };
  if (mount.target === '') return variable;
  const path = join(secretRoot, `${basename(bundle)}-${index}`);
  undo.defer(() => removeSecret(secretRoot, path));
  mkdirSync(secretRoot, { recursive: true, mode: 0o700 });
  writeFileSync(path, bytes, { mode: 0o600, flag: 'wx' });
  chownSync(path, mount.uid, mount.gid);
  chmodSync(path, mount.mode);
  return { mount: bind(path, mount.target, ['ro', 'nosuid', 'nodev', 'noexec']), ...variable };
}

/** With the folder, when it was the last. */
function removeSecret(secretRoot: string, path: string): void {
  rmSync(path, { force: true });
  try {
    rmdirSync(secretRoot);
  } catch (error) {
    if (!isErrno(error, 'ENOTEMPTY', 'ENOENT')) throw error;
  }
}

async function openSsh(
  { session, undo, signal }: MountRequest,
  mount: MountOf<'ssh'>,
): Promise<SpecMount | undefined> {
  const agent = await session.sshAgent(mount.id, { signal });
  if (agent === undefined) {
    if (!mount.required) return undefined;
    throw new SlipwayError('NotFound', `ssh agent ${mount.id}: not found; give one with --ssh ${mount.id}`);
  }
  undo.use(agent);
  chownSync(agent.path, mount.uid, mount.gid);
  chmodSync(agent.path, mount.mode);
  return bind(agent.path, mount.target, ['nosuid', 'nodev', 'noexec']);
}

const bind = (source: string, destination: string, options: readonly string[]): SpecMount => ({
  destination,
  type: 'bind',
  source,
  options: ['rbind', 'rprivate', ...options],
});
