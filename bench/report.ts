import { cpus, loadavg, release } from 'node:os';
import { type Contender, type Figure, type Goal, isReached } from './figure.ts';
import type { Samples } from './samples.ts';

export interface Row {
  readonly figure: Figure;
  readonly samples: ReadonlyMap<string, Samples>;
  /** The most that the daemons of each contender had resident meanwhile. Unit: bytes. */
  readonly peaks: ReadonlyMap<string, number>;
}

/** A Markdown table, so that it can be read here and pasted there. */
export function formatTable(rows: readonly Row[], contenders: readonly Contender[]): string {
  const others = contenders.slice(1);
  const header = [
    'figure',
    ...contenders.map(({ name }) => name),
    ...others.map(({ name }) => `times ${name}`),
    'must',
    '',
    'peak MB',
  ];
  const lines = rows.map(({ figure, samples, peaks }) => {
    const medians = mediansOf(samples);
    const ours = medians.get('slipway');
    const reached = isReached(figure.goal, againstPeer(medians, contenders));
    return [
      figure.title,
      ...contenders.map(({ name }) => formatValue(medians.get(name), figure.unit)),
      ...others.map(({ name }) => formatRatio(medians.get(name), ours, figure.unit)),
      formatGoal(figure.goal, figure.unit, others[0]?.name ?? 'the peer'),
      reached === undefined ? '' : reached ? 'reached' : 'NOT REACHED',
      contenders.map(({ name }) => Math.round((peaks.get(name) ?? 0) / 1e6)).join(' / '),
    ];
  });
  const table = [header, ...lines];
  const widths = header.map((_, column) => Math.max(3, ...table.map((line) => line[column]?.length ?? 0)));
  const format = (line: readonly string[]): string =>
    `| ${line.map((cell, column) => pad(cell, widths[column] ?? 0, column)).join(' | ')} |\n`;
  const rule = `|${widths.map((width, column) => '-'.repeat(width + 1) + (column === 0 ? '-' : ':')).join('|')}|\n`;
  return format(header) + rule + lines.map(format).join('');
}

export interface Table {
  readonly rows: readonly Row[];
  readonly contenders: readonly Contender[];
}

export function toJson(tables: readonly Table[]): string {
  return JSON.stringify(
    {
      at: new Date().toISOString(),
      machine: { cpu: cpus()[0]?.model, cores: cpus().length, kernel: release(), load: loadavg() },
      contenders: tables.flatMap(({ contenders }) =>
        contenders.map(({ name, version }) => ({ name, version })),
      ),
      figures: tables.flatMap(({ rows, contenders }) =>
        rows.map(({ figure: { name, title, unit, goal }, samples, peaks }) => ({
          name,
          title: title.trim(),
          unit,
          goal,
          reached: isReached(goal, againstPeer(mediansOf(samples), contenders)),
          samples: Object.fromEntries(samples),
          peakBytes: Object.fromEntries(peaks),
        })),
      ),
    },
    undefined,
    2,
  );
}

function againstPeer(medians: ReadonlyMap<string, number>, [first, second]: readonly Contender[]) {
  return { ours: medians.get(first?.name ?? ''), peers: medians.get(second?.name ?? '') };
}

function mediansOf(samples: ReadonlyMap<string, Samples>): Map<string, number> {
  return new Map([...samples].map(([name, { median }]) => [name, median]));
}

function formatValue(value: number | undefined, unit: Figure['unit']): string {
  if (value === undefined) return '–';
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${unit}`;
}

/** How many times better Slipway is: of times and memory less is better, of a rate more. */
function formatRatio(theirs: number | undefined, ours: number | undefined, unit: Figure['unit']): string {
  if (theirs === undefined || ours === undefined) return '';
  return (unit === '/s' || unit === 'MB/s' ? ours / theirs : theirs / ours).toFixed(2);
}

function formatGoal(goal: Goal | undefined, unit: Figure['unit'], peer: string): string {
  if (goal === undefined) return '';
  if ('atMost' in goal) return `≤ ${goal.atMost} ${unit}`;
  if ('atLeast' in goal) return `≥ ${goal.atLeast} ${unit}`;
  if ('timesPeerAtLeast' in goal) return `≥ ${goal.timesPeerAtLeast} × ${peer}`;
  const { timesPeerAtMost: times } = goal;
  return times < 1 ? `≤ 1/${Math.round(1 / times)} ${peer}` : `≤ ${times} × ${peer}`;
}

function pad(cell: string, width: number, column: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}
