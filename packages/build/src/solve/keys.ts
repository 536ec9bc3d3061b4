import { computeDigest, type Digest, formatPlatform } from '@slipway/oci';
import { hashSelection } from '../files/hash.ts';
import type { Selection } from '../files/select.ts';
import { Tree } from '../files/tree.ts';
import type { BuildMount, Vertex } from '../graph.ts';
import type { Input, LayersInput } from '../input.ts';
import { openInput } from '../operations/inputs.ts';
import { isCommit } from '../sources/git.ts';
import { canonicalJson, vertexDefinition } from '../vertex-digest.ts';
import type { SolverContext } from './context.ts';

/**
 * The key that a vertex has by what is written alone, so that nothing need be opened to look it up; undefined when something
 * below it is known only by its content, or is to be made again.
 */
export function definitionKey(
  vertex: Vertex,
  known: Map<Vertex, Digest | undefined> = new Map(),
): Digest | undefined {
  if (known.has(vertex)) return known.get(vertex);
  const key = computeDefinitionKey(vertex, known);
  known.set(vertex, key);
  return key;
}

function computeDefinitionKey(vertex: Vertex, known: Map<Vertex, Digest | undefined>): Digest | undefined {
  const { operation } = vertex;
  const own = (value: unknown) => computeDigest(canonicalJson({ by: 'definition', value }));
  switch (operation.kind) {
    case 'scratch':
      return own('scratch');
    case 'image':
      return own(imageIdentity(vertex));
    case 'local':
      return undefined;
    case 'http':
      return operation.checksum === undefined ? undefined : own(operation);
    case 'git':
      return operation.ref !== undefined && isCommit(operation.ref) ? own(operation) : undefined;
    default: {
      if (vertex.ignoreCache) return undefined;
      const inputs = vertex.inputs.map((input) => definitionKey(input, known));
      return inputs.includes(undefined) ? undefined : own({ definition: vertexDefinition(vertex), inputs });
    }
  }
}

/** What an image's files are known by. */
export function imageIdentity({ operation, platform }: Vertex): string {
  return operation.kind === 'image' ? `image ${operation.manifest.digest} ${formatPlatform(platform)}` : '';
}

/**
 * The key that a step has by what its inputs came to: the layers that it stands on, and the content of just the files that
 * it takes from others.
 * @throws NotFound when it takes a file that is not there
 */
export async function contentKey(
  context: SolverContext,
  vertex: Vertex,
  inputs: readonly Input[],
  signal: AbortSignal,
): Promise<Digest> {
  const { operation } = vertex;
  const base = inputs[0]?.kind === 'layers' ? inputs[0].identity : undefined;
  const taken: string[] = [];
  if (operation.kind === 'files') {
    for (const action of operation.actions) {
      if (action.kind !== 'copy' || typeof action.from !== 'number') continue;
      taken.push(await selectionHash(context, inputs[action.from] as Input, action, signal));
    }
  } else if (operation.kind === 'merge') {
    taken.push((inputs[1] as LayersInput).identity);
  } else if (operation.kind === 'run') {
    for (const mount of operation.mounts) {
      const input = mountInput(mount, inputs);
      if (input !== undefined) taken.push(await selectionHash(context, input, wholeOf(input.source), signal));
    }
  }
  return computeDigest(canonicalJson({ by: 'content', definition: vertexDefinition(vertex), base, taken }));
}

type MountInput = Input & { readonly source: string };

function mountInput(mount: BuildMount, inputs: readonly Input[]): MountInput | undefined {
  if (mount.type !== 'bind' && mount.type !== 'cache') return undefined;
  const input = mount.input === undefined ? undefined : inputs[mount.input];
  return input === undefined ? undefined : { ...input, source: mount.source };
}

const wholeOf = (source: string): Selection => ({
  source,
  excludes: [],
  contentsOnly: true,
  parents: false,
  allowNothing: true,
});

async function selectionHash(
  context: SolverContext,
  input: Input,
  { source, excludes, contentsOnly, parents, allowNothing }: Selection,
  signal: AbortSignal,
): Promise<Digest | string> {
  const selection = { source, excludes, contentsOnly, parents, allowNothing };
  const { hashes, records } = context;
  if (input.kind === 'folder') {
    using tree = new Tree(input.path);
    return await hashSelection(tree, selection, { hashes, withOwners: false, signal });
  }
  const isWhole = /^[./]*$/.test(source) && excludes.length === 0 && contentsOnly && !parents;
  if (isWhole) return input.identity;
  const selectionKey = canonicalJson(selection);
  const known = records.findHash(input.identity, selectionKey);
  if (known !== undefined) return known;
  await using view = await openInput(context, input, signal);
  const hash = await hashSelection(view.tree, selection, { hashes, withOwners: true, signal });
  records.addHash(input.identity, selectionKey, hash);
  return hash;
}
