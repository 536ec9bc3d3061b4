import type { HostPath } from '@slipway/base';
import type { Digest } from '@slipway/oci';
import type { Layers } from '../cache/records.ts';
import { Tree } from '../files/tree.ts';
import type { SolverContext } from '../solve/context.ts';
import { openView } from './rootfs.ts';

/** What a vertex came to, as those that take it as an input see it. */
export type Input =
  | {
      readonly kind: 'layers';
      /** Two with the same have the same files. */
      readonly identity: string;
      /** Brings them here when they are not. */
      layers(signal: AbortSignal): Promise<Layers>;
      /** The steps that made its upper layers, bottom to top; those below them are an image's. */
      readonly madeBy: readonly Digest[];
      /** The cache's record of it. */
      readonly recordId: string | undefined;
    }
  | { readonly kind: 'folder'; readonly path: HostPath };

export type LayersInput = Extract<Input, { kind: 'layers' }>;

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
