import type { CommandLine, Heredoc } from './instructions.ts';
import { splitWords } from './words.ts';

/** Where a here-document begins: what it is called and how it is to be read. */
export interface HeredocMark {
  readonly name: string;
  readonly expand: boolean;
  /** `<<-`: leading tabs go. */
  readonly chomp: boolean;
}

/** `<<EOF`, `<<-EOF`, `3<<"EOF"` as one word; undefined for any other word. */
export function parseHeredocMark(word: string): HeredocMark | undefined {
  const match = /^\d*<<(-?)([^<]*)$/.exec(word);
  if (match === null) return undefined;
  const { words, open } = splitWords(match[2] as string, '\\');
  if (words.length !== 1 || open) return undefined;
  const raw = words[0] as string;
  const name = raw.replace(/\\(.)|["']/g, '$1');
  return name === '' ? undefined : { name, expand: !/["']/.test(raw), chomp: match[1] === '-' };
}

/** The here-documents that a line announces, in their order. */
export function heredocMarks(line: string): HeredocMark[] {
  if (!line.includes('<<')) return [];
  const { words, open } = splitWords(line, '\\');
  if (open) return [];
  return words.flatMap((word) => parseHeredocMark(word) ?? []);
}

/**
 * The script of a RUN that is nothing but a here-document (`RUN <<EOF`): it is run itself, by the interpreter of its `#!` line
 * or else by the shell. Undefined for a line that uses here-documents.
 */
export function heredocScript(command: CommandLine): Heredoc | undefined {
  if (command.form !== 'shell' || command.heredocs.length !== 1) return undefined;
  return parseHeredocMark(command.line.trim()) === undefined ? undefined : command.heredocs[0];
}
