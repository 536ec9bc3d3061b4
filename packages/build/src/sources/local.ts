import { type Folders, folderId, type HeldFolder } from '../cache/folders.ts';
import type { Operation } from '../graph.ts';
import type { BuildSession } from '../solver.ts';

type LocalOperation = Extract<Operation, { kind: 'local' }>;

/**
 * Brings the client's files of a source here: into the folder that its last build filled, or, while another build reads that
 * one, into a copy of it that goes with the build. A client that keeps nothing has a new one each time.
 */
export async function openLocal(
  { name, excludes, followPaths }: LocalOperation,
  { folders, session }: { readonly folders: Folders; readonly session: BuildSession },
  call: { readonly signal: AbortSignal; readonly onProgress: (bytes: number) => void },
): Promise<HeldFolder> {
  const id = folderId('local', session.sharedKey, name);
  await using undo = new AsyncDisposableStack();
  const folder = undo.use(await open());
  await session.syncLocal({ name, excludes, followPaths }, folder.path, call);
  undo.move();
  return folder;

  async function open(): Promise<HeldFolder> {
    if (session.sharedKey === undefined) return folders.temporary();
    const use = { id, type: 'source.local' as const, description: `local source for ${name}` };
    if (!folders.isHeld(id)) return folders.hold(use);
    // Nothing takes it away while its files are linked.
    await using _held = folders.hold(use);
    return await folders.linked(id, call.signal);
  }
}
