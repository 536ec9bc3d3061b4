/**
 * Paragraphs of `Name: value` fields, as Debian and Python write them; a line that begins with a blank continues the field
 * before it. Names are in lower case; of a field that comes several times all values are kept.
 * @see https://www.debian.org/doc/debian-policy/ch-controlfields.html#syntax-of-control-files
 */
export function* parseFields(text: string): Generator<ReadonlyMap<string, readonly string[]>> {
  for (const paragraph of text.split(/\n[ \t\r]*\n/)) {
    const fields = new Map<string, string[]>();
    let values: string[] | undefined;
    for (const line of paragraph.split('\n')) {
      const colon = line.indexOf(':');
      if (/^[ \t]/.test(line)) values?.push(`${values.pop() ?? ''}\n${line.trim()}`);
      else if (colon > 0) {
        const name = line.slice(0, colon).toLowerCase();
        values = fields.get(name) ?? [];
        values.push(line.slice(colon + 1).trim());
        fields.set(name, values);
      }
    }
    if (fields.size > 0) yield fields;
  }
}

/** `KEY=value` lines, quoted as a shell would. @see https://www.freedesktop.org/software/systemd/man/os-release.html */
export function parseAssignments(text: string): ReadonlyMap<string, string> {
  const lines = text.matchAll(/^[ \t]*([A-Z][A-Z0-9_]*)=(?:"((?:[^"\\\n]|\\.)*)"|'([^'\n]*)'|(\S*))/gm);
  return new Map(
    [...lines].map(([, key = '', double, single, bare]) => [
      key,
      double?.replace(/\\(.)/g, '$1') ?? single ?? bare ?? '',
    ]),
  );
}
