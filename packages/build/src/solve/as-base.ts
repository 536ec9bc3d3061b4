import type { Vertex } from '../graph.ts';

const copies = new WeakMap<Vertex, Vertex>();

export const isStep = ({ operation }: Vertex): boolean => ['files', 'run', 'merge'].includes(operation.kind);

/** Whether it comes to a folder, and not to layers. */
export const isFolder = ({ operation }: Vertex): boolean => ['local', 'http', 'git'].includes(operation.kind);

/** What others stand on has layers: a source that has none is copied into one. */
export function asBase(vertex: Vertex): Vertex {
  if (!isFolder(vertex)) return vertex;
  let copy = copies.get(vertex);
  if (copy === undefined) {
    copy = copyOf(vertex);
    copies.set(vertex, copy);
  }
  return copy;
}

const copyOf = (vertex: Vertex): Vertex => ({
  operation: {
    kind: 'files',
    actions: [
      {
        kind: 'copy',
        from: 1,
        source: '/',
        destination: '/',
        owner: undefined,
        mode: undefined,
        contentsOnly: true,
        unpack: false,
        parents: false,
        excludes: [],
        allowNothing: true,
      },
    ],
  },
  inputs: [{ ...vertex, operation: { kind: 'scratch' }, inputs: [], title: 'scratch' }, vertex],
  title: vertex.title,
  ignoreCache: false,
  platform: vertex.platform,
});
