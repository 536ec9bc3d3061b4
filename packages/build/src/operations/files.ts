import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { HostPath } from '@slipway/base';
import { lookupUser } from '@slipway/runtime';
import { copyFiles } from '../files/copy.ts';
import { Destination, type Ids } from '../files/destination.ts';
import { cleanPath, Tree, toLatin1 } from '../files/tree.ts';
import type { FileAction, Owner } from '../graph.ts';
import type { Input } from '../input.ts';
import type { SolverContext } from '../solve/context.ts';
import { openInput } from './inputs.ts';
import type { Workspace } from './rootfs.ts';

type CopyAction = Extract<FileAction, { kind: 'copy' }>;

/**
 * Does COPY, ADD and WORKDIR in a workspace, one action after another.
 * @throws NotFound for a source that is not there; InvalidArgument for an unknown owner, and where a folder would become a file
 */
export async function performFileActions(
  context: SolverContext,
  { rootfs, bundle }: Workspace,
  actions: readonly FileAction[],
  inputs: readonly Input[],
  signal: AbortSignal,
): Promise<void> {
  await using views = new AsyncDisposableStack();
  const open = new Map<number, Tree>();
  const sourceOf = async (number: number): Promise<Tree> => {
    let tree = open.get(number);
    if (tree === undefined) {
      tree = views.use(await openInput(context, inputs[number] as Input, signal)).tree;
      open.set(number, tree);
    }
    return tree;
  };
  using root = new Tree(rootfs);
  for (const [index, action] of actions.entries()) {
    const owner = action.owner && (await findOwner(rootfs, action.owner));
    if (action.kind === 'mkdir') {
      makeFolder(root, action.path, owner, action.mode);
      continue;
    }
    const { from } = action;
    if (typeof from === 'number') {
      const isImage = inputs[from]?.kind === 'layers';
      await copyFrom(await sourceOf(from), root, action, { owner, isImage, signal });
    } else {
      const folder = join(bundle, `inline-${index}`);
      mkdirSync(folder);
      const name = basename(from.fileName);
      writeFileSync(join(folder, name), from.content, { mode: 0o644 });
      using tree = new Tree(folder);
      await copyFrom(
        tree,
        root,
        { ...action, source: literalPattern(name) },
        { owner, isImage: false, signal },
      );
    }
  }
}

async function copyFrom(
  source: Tree,
  into: Tree,
  action: CopyAction,
  {
    owner,
    isImage,
    signal,
  }: { readonly owner: Ids | undefined; readonly isImage: boolean; readonly signal: AbortSignal },
): Promise<void> {
  await copyFiles(source, into, {
    ...action,
    // Who owns the client's files on the client's machine means nothing in an image; an archive's own owners count.
    owner: owner ?? (isImage ? undefined : ROOT),
    archiveOwner: owner,
    keepsXattrs: isImage,
    signal,
  });
}

/** A name without wildcards. */
const literalPattern = (name: string): string => name.replace(/[*?[\\]/g, '\\$&');

const ROOT: Ids = { uid: 0, gid: 0 };

function makeFolder(root: Tree, path: string, owner: Ids | undefined, mode: number): void {
  const destination = new Destination(root);
  try {
    destination.makeFolders(cleanPath(toLatin1(path)), owner ?? ROOT, mode);
  } finally {
    destination.close();
  }
}

/** A user without a group has the group that the image gives it, or, by number, that of the same number. */
async function findOwner(rootfs: HostPath, { user, group }: Owner): Promise<Ids> {
  const named = group ?? (/^\d+$/.test(user) ? user : undefined);
  const { uid, gid } = await lookupUser(rootfs, named === undefined ? user : `${user}:${named}`, []);
  return { uid, gid };
}
