import { compileTemplate } from './template.ts';
import { FUNCTIONS, HEADER_FUNCTIONS } from './template-functions.ts';

/** One line's fields, each read only when the format names it. */
export type Fields = Readonly<Record<string, () => unknown>>;

export interface ListLayout {
  /** Headings by field. */
  readonly headings: Readonly<Record<string, string>>;
  /** The fields that a table shows when no format was given. */
  readonly columns: readonly string[];
}

/** What is printed for `rows`: docker's table, `json` lines, or a template for each, with or without headings. */
export function formatList(layout: ListLayout, rows: readonly Fields[], format: string): string {
  if (format === 'json') format = '{{json .}}';
  const isTable = format === '' || format === 'table' || format.startsWith('table ');
  let template = isTable ? format.slice('table '.length).trim() : format;
  if (isTable && template === '') template = layout.columns.map((name) => `{{.${name}}}`).join('\t');
  template = template.replaceAll('\\t', '\t').replaceAll('\\n', '\n');
  const render = compileTemplate(template, FUNCTIONS);
  const lines = rows.map((row) => render(withLabel(row)));
  if (!isTable) return lines.map((line) => `${line}\n`).join('');
  const heading = compileTemplate(
    template,
    HEADER_FUNCTIONS,
  )({
    ...layout.headings,
    Label: (name: unknown) => String(name),
  });
  return alignColumns([heading, ...lines]);
}

/** `.Label "name"` reads one of the labels that `.Labels` lists. */
function withLabel(row: Fields): Record<string, unknown> {
  // Sorted by name, as docker's `--format json` shows them.
  const values: Record<string, unknown> = Object.fromEntries(
    Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  const labelMap = row['labelMap'];
  delete values['labelMap'];
  if (labelMap !== undefined) {
    const labels = labelMap() as Readonly<Record<string, string>>;
    values['Label'] = (name: unknown) => labels[String(name)] ?? '';
  }
  return values;
}

const MIN_WIDTH = 10;
/** Docker gives the columns of `top` more room. */
export const TOP_MIN_WIDTH = 20;
const PADDING = 3;

/** Lines whose cells are apart by tabs, in columns, as Go's tabwriter lays them out for docker. */
export function alignColumns(lines: readonly string[], minWidth = MIN_WIDTH): string {
  const rows = lines.map((line) => line.split('\t'));
  const widths: number[] = [];
  for (const cells of rows) {
    cells.slice(0, -1).forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? minWidth, displayWidth(cell) + PADDING);
    });
  }
  return rows
    .map((cells) => {
      const last = cells.length - 1;
      return `${cells
        .map((cell, column) =>
          column === last ? cell : cell + ' '.repeat((widths[column] ?? 0) - displayWidth(cell)),
        )
        .join('')}\n`;
    })
    .join('');
}

const displayWidth = (text: string): number => [...text].length;

/** `a=1,b=2` */
export const formatLabels = (labels: Readonly<Record<string, string>> | null): string =>
  Object.entries(labels ?? {})
    .map(([name, value]) => `${name}=${value}`)
    .join(',');

/** `name=value` filters as the API takes them. @throws Error for one without a `=`. */
export function parseFilters(filters: readonly string[]): Record<string, string[]> {
  const parsed: Record<string, string[]> = {};
  for (const filter of filters) {
    const equals = filter.indexOf('=');
    if (equals === -1) throw new Error(`bad format of filter "${filter}" (expected name=value)`);
    const name = filter.slice(0, equals).trim().toLowerCase();
    parsed[name] = [...(parsed[name] ?? []), filter.slice(equals + 1).trim()];
  }
  return parsed;
}
