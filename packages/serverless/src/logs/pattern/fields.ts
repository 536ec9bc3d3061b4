import { invalid } from '../names.ts';
import { type Comparison, type Matcher, parseTest } from './values.ts';

interface Field {
  readonly isRest: boolean;
  readonly test: (value: string) => boolean;
}

const FIELD = /^([\w.]+)\s*(?:(!=|<=|>=|=|<|>)\s*(.+))?$/s;

/**
 * `[ip, user, ..., status=4*, bytes>1000]`: a line in fields parted by blanks; what stands in quotes or brackets is one. `...`
 * takes as many as there are; `&&` and `||` join conditions on one field.
 */
export function parseFields(text: string): Matcher {
  if (!text.endsWith(']')) throw invalid(`'filterPattern' begins with [ and does not end with ]`);
  const inner = text.slice(1, -1).trim();
  const fields = inner === '' ? [] : splitOutside(inner, ',').map((part) => parseField(part.trim()));
  const rest = fields.findIndex(({ isRest }) => isRest);
  if (rest >= 0 && fields.findLastIndex(({ isRest }) => isRest) !== rest) {
    throw invalid(`'filterPattern' may have ... once`);
  }
  return (message) => {
    const values = splitLine(message);
    if (rest < 0) {
      return values.length === fields.length && fields.every(({ test }, index) => test(values[index] ?? ''));
    }
    const before = fields.slice(0, rest);
    const after = fields.slice(rest + 1);
    if (values.length < before.length + after.length) return false;
    const tail = values.slice(values.length - after.length);
    return (
      before.every(({ test }, index) => test(values[index] ?? '')) &&
      after.every(({ test }, index) => test(tail[index] ?? ''))
    );
  };
}

function parseField(text: string): Field {
  if (text === '...') return { isRest: true, test: () => true };
  const either = splitOutside(text, '||').map((part) => splitOutside(part, '&&').map(parseCondition));
  return { isRest: false, test: (value) => either.some((both) => both.every((test) => test(value))) };
}

function parseCondition(text: string): (value: string) => boolean {
  const [, name, comparison, operand] = FIELD.exec(text.trim()) ?? [];
  if (name === undefined) throw invalid(`'filterPattern' has a field that is not understood: ${text.trim()}`);
  if (comparison === undefined || operand === undefined) return () => true;
  return parseTest(comparison as Comparison, operand.trim());
}

/** A line's fields. */
const splitLine = (line: string): string[] =>
  [...line.matchAll(/"((?:[^"\\]|\\.)*)"|\[([^\]]*)\]|(\S+)/g)].map(
    ([, quoted, bracketed, plain]) => quoted ?? bracketed ?? plain ?? '',
  );

/** Parts of `text` between separators that stand outside of quotes and regular expressions. */
function splitOutside(text: string, separator: string): string[] {
  const parts: string[] = [''];
  const token = /"(?:[^"\\]|\\.)*"|%[^%]*%|\|\||&&|[\s\S]/g;
  for (const [word] of text.matchAll(token)) {
    if (word === separator) parts.push('');
    else parts[parts.length - 1] += word;
  }
  return parts;
}
