import { computeDigest, type Digest, formatPlatform } from '@slipway/oci';
import { hashSelection } from '../files/hash.ts';
import type { Selection } from '../files/select.ts';
import { Tree } from '../files/tree.ts';
import type { Vertex } from '../graph.ts';
import type { Input, LayersInput } from '../input.ts';
import { openInput } from '../operations/inputs.ts';
import { isCommit } from '../sources/git.ts';
import { canonicalJson, vertexDefinition } from '../vertex-digest.ts';
import { asBase, isFolder } from './as-base.ts';
import type { SolverContext } from './context.ts';

/**
 * The key that a vertex has by what is written, down to the images and the files of sources that it comes from, whatever the
 * steps between came to: nothing need be made or fetched to look it up. Undefined when something below it is to be made again,
 * or takes files that are not there.
 * @param hashesOf what the files that a step takes of its folders hash to
 */
export async function definitionKey(
  vertex: Vertex,
  hashesOf: (step: Vertex, input: number) => Promise<readonly string[] | undefined>,
  known: Map<Vertex, Promise<Digest | undefined>>,
): Promise<Digest | undefined> {
  let key = known.get(vertex);
  if (key === undefined) {
    key = computeDefinitionKey(vertex, hashesOf, known);
    known.set(vertex, key);
  }
  return await key;
}

async function computeDefinitionKey(
  vertex: Vertex,
  hashesOf: Parameters<typeof definitionKey>[1],
  known: Map<Vertex, Promise<Digest | undefined>>,
): Promise<Digest | undefined> {
  const own = (value: unknown) => computeDigest(canonicalJson({ by: 'definition', value }));
  if (vertex.operation.kind === 'scratch') return own('scratch');
  if (vertex.operation.kind === 'image') return own(imageIdentity(vertex));
  if (isPinned(vertex)) return own(vertex.operation);
  if (vertex.ignoreCache) return undefined;
  const inputs = await Promise.all(
    vertex.inputs.map((input, at) => {
      if (at === 0) return definitionKey(asBase(input), hashesOf, known);
      if (isFolder(input) && !isPinned(input)) return hashesOf(vertex, at);
      return definitionKey(input, hashesOf, known);
    }),
  );
  return inputs.includes(undefined) ? undefined : own({ definition: vertexDefinition(vertex), inputs });
}

/** Whether it is written what a download will be. */
const isPinned = ({ operation }: Vertex): boolean =>
  (operation.kind === 'http' && operation.checksum !== undefined) ||
  (operation.kind === 'git' && operation.ref !== undefined && isCommit(operation.ref));

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
  vertex: Vertex,
  inputs: readonly Input[],
  hashOf: (input: Input, selection: Selection) => Promise<string>,
): Promise<Digest> {
  const base = inputs[0]?.kind === 'layers' ? inputs[0].identity : undefined;
  const taken: string[] = [];
  if (vertex.operation.kind === 'merge') taken.push((inputs[1] as LayersInput).identity);
  for (const { input, selection } of selectionsOf(vertex)) {
    taken.push(await hashOf(inputs[input] as Input, selection));
  }
  return computeDigest(canonicalJson({ by: 'content', definition: vertexDefinition(vertex), base, taken }));
}

/** Which files a step takes of which of its inputs. */
export function selectionsOf({
  operation,
}: Vertex): { readonly input: number; readonly selection: Selection }[] {
  if (operation.kind === 'files') {
    return operation.actions.flatMap((action) => {
      if (action.kind !== 'copy' || typeof action.from !== 'number') return [];
      const { from: input, source, excludes, contentsOnly, parents, allowNothing } = action;
      return [{ input, selection: { source, excludes, contentsOnly, parents, allowNothing } }];
    });
  }
  if (operation.kind !== 'run') return [];
  return operation.mounts.flatMap((mount) => {
    if ((mount.type !== 'bind' && mount.type !== 'cache') || mount.input === undefined) return [];
    return [{ input: mount.input, selection: wholeOf(mount.source) }];
  });
}

const wholeOf = (source: string): Selection => ({
  source,
  excludes: [],
  contentsOnly: true,
  parents: false,
  allowNothing: true,
});

/** What the files of a selection hash to. Of file systems it is remembered. @throws NotFound when it selects nothing */
export async function selectionHash(
  context: SolverContext,
  input: Input,
  selection: Selection,
  signal: AbortSignal,
): Promise<string> {
  const { hashes, records } = context;
  if (input.kind === 'folder') {
    using tree = new Tree(input.path);
    return await hashSelection(tree, selection, { hashes, withOwners: false, signal });
  }
  const { source, excludes, contentsOnly, parents } = selection;
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
