/**
 * One JSON value as a line. Docker ends its lines with CRLF in progress streams and with LF elsewhere; readers
 * take both, so Slipway writes LF.
 */
export const jsonLine = (value: unknown): string => `${JSON.stringify(value)}\n`;

/** A stream of JSON values as one line each, the form of Docker's progress, event and stats streams. */
export async function* jsonLines(values: AsyncIterable<unknown>): AsyncGenerator<string> {
  for await (const value of values) yield jsonLine(value);
}

/**
 * The values of a stream of JSON lines, however it was cut into chunks. Blank lines are skipped.
 * @param parse reads one line, for values that JSON.parse would change.
 * @throws SyntaxError for a line that is not JSON.
 */
export async function* parseJsonLines(
  chunks: AsyncIterable<Uint8Array | string>,
  parse: (line: string) => unknown = JSON.parse,
): AsyncGenerator<unknown, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    rest += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
    for (let end = rest.indexOf('\n'); end !== -1; end = rest.indexOf('\n')) {
      const line = rest.slice(0, end).trim();
      rest = rest.slice(end + 1);
      if (line !== '') yield parse(line);
    }
  }
  rest += decoder.decode();
  if (rest.trim() !== '') yield parse(rest);
}
