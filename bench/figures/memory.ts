import { sleep } from '../../test/integration/harness/command.ts';
import type { Engine } from '../engines.ts';
import type { Figure } from '../figure.ts';
import { parentOf, processTree, proportionalBytes, residentBytes } from '../processes.ts';
import { summarize } from '../samples.ts';

const MEGABYTE = 1_000_000;
const CONTAINERS = 10;
/** A daemon has put its work behind it by then. */
const SETTLE_MS = 12_000;

/** All daemons of the engine, with nothing to do. */
const idle: Figure<Engine> = {
  name: 'idle',
  title: 'daemons idle, resident',
  unit: 'MB',
  goal: { atMost: 90 },
  async measure(engines) {
    await sleep(SETTLE_MS);
    return new Map(
      engines.map(({ name, daemonPid }) => [
        name,
        summarize([residentBytes(processTree(daemonPid)) / MEGABYTE]),
      ]),
    );
  },
};

/** What each of ten running containers costs beyond its own processes: the shims, and what the daemons grew. */
const eachContainer: Figure<Engine> = {
  name: 'each',
  title: 'each running container, beyond its own',
  unit: 'MB',
  goal: { atMost: 1.5 },
  async measure(engines) {
    // What a daemon holds from its first containers on is not the eleventh's.
    for (const engine of engines) await runSleepers(engine);
    for (const engine of engines) await engine.docker('rm', '-f', ...names);
    await sleep(SETTLE_MS);
    const before = new Map(engines.map((engine) => [engine.name, daemonsBytes(engine)]));
    for (const engine of engines) await runSleepers(engine);
    await sleep(SETTLE_MS);
    const results = new Map();
    for (const engine of engines) {
      const shims = proportionalBytes(await shimsOf(engine));
      const grown = daemonsBytes(engine) - (before.get(engine.name) ?? 0);
      results.set(engine.name, summarize([(shims + grown) / CONTAINERS / MEGABYTE]));
    }
    for (const engine of engines) await engine.docker('rm', '-f', ...names);
    return results;
  },
};

const names = Array.from({ length: CONTAINERS }, (_, index) => `sleeper-${index}`);

const daemonsBytes = ({ daemonPid }: Engine): number => proportionalBytes(processTree(daemonPid));

async function runSleepers(engine: Engine): Promise<void> {
  for (const name of names)
    await engine.docker('run', '-d', '--name', name, 'busybox:latest', 'sleep', '3600');
}

async function shimsOf(engine: Engine): Promise<number[]> {
  const shims = new Set<number>();
  for (const name of names) {
    const container = (await engine.api('GET', `/containers/${name}/json`)) as { State: { Pid: number } };
    shims.add(parentOf(container.State.Pid));
  }
  return [...shims];
}

export const memoryFigures: readonly Figure<Engine>[] = [idle, eachContainer];
