/**
 * Runs the same command lines against Slipway and, where they are installed, other engines and registries, in turns, and prints
 * medians, ratios and what must be reached. See `script/bench --help`.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Contender, Figure, Group } from './figure.ts';
import { buildGroup } from './groups/build.ts';
import { engineGroup } from './groups/engines.ts';
import { functionsGroup } from './groups/functions.ts';
import { pullGroup } from './groups/pull.ts';
import { registryGroup } from './groups/registry.ts';
import { forgetPeaks, peakBytes, processTree } from './processes.ts';
import { formatTable, type Row, type Table, toJson } from './report.ts';

const HELP = `Usage: script/bench [OPTIONS]

Measures Slipway beside dockerd, podman and docker-registry, where they are installed, in one run and in turns.

  --quick        fewer rounds: about a minute and a half
  --only NAME    one figure, or a group of them (may be repeated): NAMES
  --json         print the results as JSON
  --help         print this

The results are also kept in bench/results.
`;

const groups: readonly Group[] = [
  engineGroup,
  pullGroup,
  registryGroup,
  buildGroup,
  functionsGroup,
] as readonly unknown[] as readonly Group[];
const checkout = join(import.meta.dirname, '..');
const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (options.help) process.stdout.write(HELP.replace('NAMES', namesOf(groups)));
else await main();

/** `registry (blobs-1, blobs-16), …` */
function namesOf(all: readonly Group[]): string {
  return all
    .map(({ name, figures }) => `${name} (${figures.map((figure) => figure.name).join(', ')})`)
    .join(', ');
}

async function main(): Promise<void> {
  const names = groups.flatMap(({ name, figures }) => [name, ...figures.map((figure) => figure.name)]);
  const unknown = options.only.filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new Error(`no such figure: ${unknown.join(', ')}; see script/bench --help`);
  const isAsked = (name: string): boolean => options.only.length === 0 || options.only.includes(name);
  const root = await mkdtemp(join(tmpdir(), 'slipway-bench-'));
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => rm(root, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, async () => {
      await cleanUp[Symbol.asyncDispose]();
      process.exit(1);
    });
  }
  const tables: Table[] = [];
  for (const group of groups) {
    const figures = group.figures.filter(({ name }) => isAsked(name) || isAsked(group.name));
    if (figures.length > 0) tables.push(await measureGroup({ ...group, figures }, root, cleanUp));
  }
  await keep(toJson(tables));
  process.stdout.write(
    options.json
      ? `${toJson(tables)}\n`
      : tables.map(({ rows, contenders }) => formatTable(rows, contenders)).join('\n'),
  );
}

async function measureGroup(group: Group, root: string, cleanUp: AsyncDisposableStack): Promise<Table> {
  await using stack = new AsyncDisposableStack();
  // Also on Ctrl-C; disposing twice is harmless.
  cleanUp.use(stack);
  const contenders = await group.start({ root, checkout, stack, say });
  const names = contenders.map(({ name, version }) => `${name} ${version}`).join(', ');
  say(`${names}; load of the machine ${loadavg()[0]?.toFixed(1)}`);
  const rows: Row[] = [];
  for (const figure of group.figures) rows.push(await measure(figure, contenders));
  return { rows, contenders };
}

async function measure(figure: Figure, contenders: readonly Contender[]): Promise<Row> {
  say(figure.title.trim());
  for (const { daemonPid } of contenders) forgetPeaks(processTree(daemonPid));
  const samples = await figure.measure(contenders, { rounds: options.quick ? 5 : 20, checkout });
  const peaks = new Map(contenders.map(({ name, daemonPid }) => [name, peakBytes(processTree(daemonPid))]));
  return { figure, samples, peaks };
}

async function keep(results: string): Promise<void> {
  const folder = join(import.meta.dirname, 'results');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `${new Date().toISOString().replaceAll(':', '-')}.json`), results);
}

function say(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}
