import { Tree } from '../files/tree.ts';
import type { Input } from '../input.ts';
import type { SolverContext } from '../solve/context.ts';
import { openView } from './rootfs.ts';

/** An input's files, to read. */
export async function openInput(
  context: SolverContext,
  input: Input,
  signal: AbortSignal,
): Promise<AsyncDisposable & { readonly tree: Tree }> {
  if (input.kind === 'layers') return await openView(context, await input.layers(signal), signal);
  const tree = new Tree(input.path);
  return { tree, [Symbol.asyncDispose]: async () => tree[Symbol.dispose]() };
}
