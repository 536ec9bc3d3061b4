import { Flaw } from './error.ts';
import { type HeredocMark, heredocMarks } from './heredoc.ts';
import type { Escape, Heredoc, Range } from './instructions.ts';
import { parseJsonWords, takeFlags } from './words.ts';

/** An instruction's text: its lines joined, its here-documents read. */
export interface LogicalLine {
  readonly text: string;
  readonly heredocs: readonly Heredoc[];
  readonly comments: readonly string[];
  readonly range: Range;
  /** The last of its lines when empty ones stand between them. */
  readonly emptyContinuation: Range | undefined;
}

export interface SplitText {
  readonly directives: ReadonlyMap<string, string>;
  readonly escape: Escape;
  readonly lines: readonly LogicalLine[];
}

/** A flaw and the lines it is on, from 1. */
export class FlawInLines extends Flaw {
  readonly first: number;
  readonly last: number;

  constructor(message: string, first: number, last: number) {
    super(message);
    this.first = first;
    this.last = last;
  }
}

const DIRECTIVES = new Set(['syntax', 'escape', 'check']);

/**
 * Splits a Dockerfile into directives and the text of its instructions. `defaultEscape` is what holds without `# escape=`.
 * @throws {FlawInLines}
 */
export function splitLines(text: string, defaultEscape: Escape = '\\'): SplitText {
  const physical = text.replace(/^\uFEFF/, '').split('\n');
  if (physical.at(-1) === '') physical.pop();
  const { directives, escape: token, count } = readDirectives(physical, defaultEscape);
  const lines: LogicalLine[] = [];
  let comments: string[] = [];
  for (let at = count; at < physical.length; ) {
    const trimmed = (physical[at] as string).trim();
    if (trimmed === '' || trimmed.startsWith('#')) {
      const comment = trimmed.slice(1).trim();
      if (comment === '') comments = [];
      else comments.push(comment);
      at++;
      continue;
    }
    const joined = joinLines(physical, at, token);
    if (joined.text.trim() !== '') {
      const { heredocs, next } = readHeredocs(physical, joined.text, at, joined.next);
      lines.push({
        text: joined.text.trim(),
        heredocs,
        comments,
        range: rangeOf(physical, at, next - 1),
        emptyContinuation: joined.hasEmptyContinuation
          ? rangeOf(physical, joined.next - 1, joined.next - 1)
          : undefined,
      });
      at = next;
    } else at = joined.next;
    comments = [];
  }
  return { directives, escape: token, lines };
}

/** Columns leave out what stands before the instruction and the end of its last line. */
function rangeOf(physical: readonly string[], first: number, last: number): Range {
  const firstLine = physical[first] as string;
  return {
    start: { line: first + 1, column: firstLine.length - firstLine.trimStart().length + 1 },
    end: { line: last + 1, column: stripEnd(physical[last] as string, '\r').length + 1 },
  };
}

function readDirectives(physical: readonly string[], defaultEscape: Escape) {
  const directives = new Map<string, string>();
  let count = 0;
  for (; count < physical.length; count++) {
    const match = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(\S.*)$/.exec((physical[count] as string).trim());
    const name = match?.[1]?.toLowerCase() ?? '';
    if (!DIRECTIVES.has(name)) break;
    if (directives.has(name)) {
      throw new FlawInLines(`only one ${name} parser directive can be used`, count + 1, count + 1);
    }
    directives.set(name, match?.[2] as string);
  }
  const token = directives.get('escape') ?? defaultEscape;
  if (token !== '\\' && token !== '`') {
    const at = physical.findIndex((line) => /^\s*#\s*escape\s*=/i.test(line)) + 1;
    throw new FlawInLines(`invalid escape token '${token}' does not match \` or \\`, at, at);
  }
  return { directives, escape: token as Escape, count };
}

/** Without those characters at its end; a regular expression would be slow on long runs of them. */
function stripEnd(line: string, characters: string): string {
  let end = line.length;
  while (end > 0 && characters.includes(line[end - 1] as string)) end--;
  return line.slice(0, end);
}

function joinLines(physical: readonly string[], from: number, token: Escape) {
  const parts: string[] = [];
  let hasEmptyContinuation = false;
  let at = from;
  let goesOn = true;
  for (; goesOn && at < physical.length; at++) {
    const line = stripEnd(physical[at] as string, '\r');
    if (at > from && line.trimStart().startsWith('#')) continue;
    if (at > from && line.trim() === '') {
      hasEmptyContinuation = true;
      continue;
    }
    const body = stripEnd(line, ' \t');
    // The escape of an escape is a character, not a continuation.
    goesOn = body.endsWith(token) && body.at(-2) !== token;
    parts.push(goesOn ? body.slice(0, -1) : line);
  }
  return { text: parts.join(''), next: at, hasEmptyContinuation };
}

const TAKE_HEREDOCS = /^(?:onbuild\s+)?(?:run|copy|add)\s+/i;

function readHeredocs(physical: readonly string[], text: string, first: number, from: number) {
  const heredocs: Heredoc[] = [];
  const keyword = TAKE_HEREDOCS.exec(text.trimStart());
  let next = from;
  if (keyword === null || !text.includes('<<')) return { heredocs, next };
  const { rest } = takeFlags(text.trimStart().slice(keyword[0].length));
  if (isExecForm(rest)) return { heredocs, next };
  for (const mark of heredocMarks(text)) {
    const end = endOf(physical, next, mark);
    if (end === undefined) throw new FlawInLines('unterminated heredoc', first + 1, physical.length);
    const content = physical
      .slice(next, end)
      .map((line) => `${mark.chomp ? line.replace(/^\t+/, '') : line}\n`);
    heredocs.push({ name: mark.name, expand: mark.expand, content: content.join('') });
    next = end + 1;
  }
  return { heredocs, next };
}

function isExecForm(line: string): boolean {
  try {
    return parseJsonWords(line) !== undefined;
  } catch {
    // What is wrong with it is said when the instruction is read.
    return true;
  }
}

function endOf(physical: readonly string[], from: number, { name, chomp }: HeredocMark): number | undefined {
  for (let at = from; at < physical.length; at++) {
    const line = stripEnd(physical[at] as string, '\r');
    if ((chomp ? line.replace(/^\t+/, '') : line) === name) return at;
  }
  return undefined;
}
