/** How many edits apart a name and what was meant may be, and one more. */
const TOO_FAR = 3;

/** The option that `word` was probably meant to be; undefined when none is near, or when `word` is one itself. */
export function suggest(word: string, options: Iterable<string>, caseSensitive = false): string | undefined {
  const fold = (text: string) => (caseSensitive ? text : text.toLowerCase());
  const wanted = fold(word);
  let best: string | undefined;
  let nearest = TOO_FAR;
  for (const option of options) {
    if (fold(option) === wanted) return undefined;
    // Far apart in length is far apart: a line that was taken for a word is not compared with everything.
    if (Math.abs(option.length - word.length) >= nearest) continue;
    const distance = editDistance(wanted, fold(option));
    if (distance < nearest) {
      nearest = distance;
      best = option;
    }
  }
  return best;
}

/** Levenshtein's distance: how many characters to insert, remove or replace. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
