/**
 * Runs the same command lines against Slipway and, where they are installed, dockerd and podman, in turns, and prints
 * medians, ratios and what must be reached. See `script/bench --help`.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { mustRun } from '../test/integration/harness/command.ts';
import { type Engine, startEngines } from './engines.ts';
import type { Figure } from './figure.ts';
import { loadFigures } from './figures/load.ts';
import { memoryFigures } from './figures/memory.ts';
import { startFigures } from './figures/starts.ts';
import { forgetPeaks, peakBytes, processTree } from './processes.ts';
import { formatTable, type Row, toJson } from './report.ts';

const HELP = `Usage: script/bench [OPTIONS]

Measures Slipway beside dockerd and podman, where they are installed, in one run and in turns.

  --quick        fewer rounds: about a minute and a half
  --only NAME    one figure (may be repeated): NAMES
  --json         print the results as JSON
  --help         print this

The results are also kept in bench/results.
`;

const figures: readonly Figure[] = [...memoryFigures, ...startFigures, ...loadFigures];
const checkout = join(import.meta.dirname, '..');
const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (options.help) process.stdout.write(HELP.replace('NAMES', figures.map(({ name }) => name).join(', ')));
else await main();

async function main(): Promise<void> {
  const unknown = options.only.filter((name) => !figures.some((figure) => figure.name === name));
  if (unknown.length > 0) throw new Error(`no such figure: ${unknown.join(', ')}; see script/bench --help`);
  const wanted = figures.filter(({ name }) => options.only.length === 0 || options.only.includes(name));
  const root = await mkdtemp(join(tmpdir(), 'slipway-bench-'));
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => rm(root, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, async () => {
      await cleanUp[Symbol.asyncDispose]();
      process.exit(1);
    });
  }
  const engines = await startEngines(root, say);
  for (const engine of engines) cleanUp.use(engine);
  const names = engines.map(({ name, version }) => `${name} ${version}`).join(', ');
  say(`${names}; load of the machine ${loadavg()[0]?.toFixed(1)}`);
  const working = await giveBusybox(engines, root);

  const rows: Row[] = [];
  for (const figure of wanted) rows.push(await measure(figure, working));
  const results = toJson(rows, working);
  await keep(results);
  process.stdout.write(options.json ? `${results}\n` : formatTable(rows, working));
}

/** Every engine gets the same image; one that cannot run it is left out. */
async function giveBusybox(engines: readonly Engine[], root: string): Promise<Engine[]> {
  const [slipway, ...others] = engines;
  if (slipway === undefined) return [];
  const archive = join(root, 'busybox.tar');
  await mustRun([join(checkout, 'script/slipway'), 'image', 'bootstrap', 'busybox'], { env: slipway.env });
  await slipway.docker('save', '-o', archive, 'busybox:latest');
  const working = [slipway];
  for (const engine of others) {
    try {
      await engine.docker('load', '-i', archive);
      await engine.docker('run', '--rm', 'busybox:latest', 'true');
      working.push(engine);
    } catch (error) {
      say(
        `${engine.name} cannot run a container here: left out (${String(error).trim().split('\n').at(-1)})`,
      );
    }
  }
  return working;
}

async function measure(figure: Figure, engines: readonly Engine[]): Promise<Row> {
  say(figure.title.trim());
  for (const { daemonPid } of engines) forgetPeaks(processTree(daemonPid));
  const samples = await figure.measure(engines, { rounds: options.quick ? 5 : 20, checkout });
  const peaks = new Map(engines.map(({ name, daemonPid }) => [name, peakBytes(processTree(daemonPid))]));
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
