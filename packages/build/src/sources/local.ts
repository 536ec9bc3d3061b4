import { type Folders, folderId, type HeldFolder } from '../cache/folders.ts';
import type { Operation } from '../graph.ts';
import type { BuildSession } from '../solver.ts';

type LocalOperation = Extract<Operation, { kind: 'local' }>;

/**
 * Brings the client's files of a source here: into the folder that its last build filled, unless another build reads that one
 * now, or the client keeps none; then into one that goes with the build.
 */
export async function openLocal(
  { name, excludes, followPaths }: LocalOperation,
  { folders, session }: { readonly folders: Folders; readonly session: BuildSession },
  call: { readonly signal: AbortSignal; readonly onProgress: (bytes: number) => void },
): Promise<HeldFolder> {
  const id = folderId('local', session.sharedKey, name);
  await using undo = new AsyncDisposableStack();
  const folder = undo.use(
    session.sharedKey === undefined || folders.isHeld(id)
      ? folders.temporary()
      : folders.hold({ id, type: 'source.local', description: `local source for ${name}` }),
  );
  await session.syncLocal({ name, excludes, followPaths }, folder.path, call);
  undo.move();
  return folder;
}
