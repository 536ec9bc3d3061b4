import type { Range } from './instructions.ts';

const RULE = '-'.repeat(20);

/**
 * The lines of `range` with those around, numbered, as docker prints them below a failed build: two lines of context around
 * one line, one around several.
 */
export function formatExcerpt(text: string, range: Range, name = 'Dockerfile'): string {
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''));
  const first = Math.min(range.start.line, lines.length);
  const last = Math.max(first, Math.min(range.end.line, lines.length));
  const context = first === last ? 2 : 1;
  const from = Math.max(1, first - context);
  const shown = lines.slice(from - 1, last + context).map((line, index) => {
    const number = from + index;
    const mark = number >= first && number <= last ? '>>>' : '   ';
    return ` ${String(number).padStart(3)} | ${mark} ${line}`;
  });
  return [`${name}:${first}`, RULE, ...shown, RULE].join('\n');
}
