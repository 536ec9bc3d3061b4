import type { CommandTree, Node, Noun } from './command.ts';

/** Other spellings that docker knows, below a noun. */
const ALIASES: Readonly<Record<string, string>> = { list: 'ls', remove: 'rm', ps: 'ls' };

/** A place in the tree of commands. */
export interface Found {
  /** The words that lead there. */
  readonly path: readonly string[];
  readonly node: Node;
  /** The words after them. */
  readonly rest: readonly string[];
}

/** The longest path of words that name a command, and the rest of the words. */
export function findCommand({ root }: CommandTree, words: readonly string[]): Found {
  let node: Node = root;
  let depth = 0;
  while ('commands' in node && depth < words.length) {
    const word = words[depth] as string;
    const below: Node | undefined =
      findBelow(node, word) ?? (node === root ? undefined : findAlias(node, word));
    if (below === undefined) break;
    node = below;
    depth++;
  }
  return { path: words.slice(0, depth), node, rest: words.slice(depth) };
}

const findBelow = ({ commands }: Noun, word: string): Node | undefined =>
  Object.hasOwn(commands, word) ? commands[word] : undefined;

const findAlias = (noun: Noun, word: string): Node | undefined => findBelow(noun, ALIASES[word] ?? word);
