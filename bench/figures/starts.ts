import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun, sleep } from '../../test/integration/harness/command.ts';
import { peers } from '../../test/integration/harness/peers.ts';
import type { Engine } from '../engines.ts';
import type { Figure } from '../figure.ts';
import { inTurns, summarize } from '../samples.ts';

const IMAGE = 'busybox:latest';
const AT_A_TIME = 8;
const SECONDS = 4;

/** `docker run --rm`, from the command line to the end of the client. */
const dockerRun = (network: 'bridge' | 'none' | 'host', goal?: number): Figure<Engine> => ({
  name: `run-${network}`,
  title: `docker run --rm, ${network}`,
  unit: 'ms',
  ...(goal === undefined ? {} : { goal: { timesPeerAtMost: goal } }),
  measure: (engines, { rounds }) =>
    inTurns(engines, rounds, (engine) => engine.docker('run', '--rm', '--network', network, IMAGE, 'true')),
});

/** The engine alone, without a client's own start: one container's life over one kept connection. */
const apiLife: Figure<Engine> = {
  name: 'api',
  title: 'API: create, start, wait, remove',
  unit: 'ms',
  goal: { atMost: 30 },
  measure: (engines, { rounds }) =>
    inTurns(engines, rounds * 2, async (engine) => {
      const startedAtMs = performance.now();
      await liveOnce(engine);
      return performance.now() - startedAtMs;
    }),
};

/** Where the time of `api` goes. */
const apiStep = (step: keyof LifeDurations, title: string): Figure<Engine> => ({
  name: `api-${step}`,
  title: `  of it: ${title}`,
  unit: 'ms',
  measure: (engines, { rounds }) =>
    inTurns(engines, rounds, async (engine) => (await liveOnce(engine))[step]),
});

interface LifeDurations {
  readonly create: number;
  readonly start: number;
  readonly wait: number;
  readonly remove: number;
}

async function liveOnce(engine: Engine): Promise<LifeDurations> {
  const marks = [performance.now()];
  const mark = () => marks.push(performance.now());
  const { Id } = (await engine.api('POST', '/containers/create', { Image: IMAGE, Cmd: ['true'] })) as {
    Id: string;
  };
  mark();
  await engine.api('POST', `/containers/${Id}/start`);
  mark();
  await engine.api('POST', `/containers/${Id}/wait`);
  mark();
  await engine.api('DELETE', `/containers/${Id}`);
  mark();
  const step = (index: number): number => (marks[index + 1] as number) - (marks[index] as number);
  return { create: step(0), start: step(1), wait: step(2), remove: step(3) };
}

/** How many containers live and are gone in a second, when eight clients run one after the other. */
const dockerRunsASecond: Figure<Engine> = {
  name: 'starts',
  title: 'starts a second, 8 docker run at a time',
  unit: '/s',
  goal: { timesPeerAtLeast: 8 },
  measure: (engines, { rounds }) =>
    inTurns(engines, Math.max(3, rounds / 5), async (engine) => {
      // Shells, because starting a process from Node would cost as much of the two cores as a container does.
      const client = 'n=0; while [ ! -e "$1" ]; do "$2" run --rm $3 true || exit; n=$((n+1)); done; echo $n';
      const stop = join(engine.root, 'stop');
      await rm(stop, { force: true });
      const startedAtMs = performance.now();
      const clients = Array.from({ length: AT_A_TIME }, () =>
        mustRun(['sh', '-c', client, 'sh', stop, peers.docker as string, IMAGE], {
          env: engine.env,
          timeoutMs: 60_000,
        }),
      );
      await sleep(SECONDS * 1000);
      await writeFile(stop, '');
      const counts = await Promise.all(clients);
      const count = counts.reduce((sum, { stdout }) => sum + Number(stdout), 0);
      return count / ((performance.now() - startedAtMs) / 1000);
    }),
};

const livesASecond: Figure<Engine> = {
  name: 'api-starts',
  title: 'the same over the API',
  unit: '/s',
  measure: (engines, { rounds }) =>
    inTurns(engines, Math.max(3, rounds / 5), async (engine) => {
      const startedAtMs = performance.now();
      const endsAtMs = startedAtMs + SECONDS * 1000;
      let count = 0;
      const client = async (): Promise<void> => {
        while (performance.now() < endsAtMs) {
          await liveOnce(engine);
          count += 1;
        }
      };
      await Promise.all(Array.from({ length: AT_A_TIME }, client));
      return count / ((performance.now() - startedAtMs) / 1000);
    }),
};

/** A program in a container that runs already. */
const execTrue: Figure<Engine> = {
  name: 'exec',
  title: 'docker exec true',
  unit: 'ms',
  goal: { timesPeerAtMost: 1 / 2 },
  measure: async (engines, { rounds }) => {
    for (const engine of engines) await engine.docker('run', '-d', '--name', 'exec', IMAGE, 'sleep', '3600');
    try {
      return await inTurns(engines, rounds, (engine) => engine.docker('exec', 'exec', 'true'));
    } finally {
      for (const engine of engines) await engine.docker('rm', '-f', 'exec');
    }
  },
};

/** `slipway version`, and beside it what docker's own client takes for the same with each engine. */
const version: Figure<Engine> = {
  name: 'version',
  title: 'slipway version (others: docker version)',
  unit: 'ms',
  goal: { atMost: 60 },
  measure: (engines, { rounds, checkout }) =>
    inTurns(engines, rounds, async (engine) => {
      if (engine.name !== 'slipway') return await engine.docker('version');
      return (await mustRun([`${checkout}/script/slipway`, 'version'], { env: engine.env })).durationMs;
    }),
};

/** What nobody can be quicker than: the client alone. */
const clientAlone: Figure<Engine> = {
  name: 'client',
  title: 'docker CLI alone (docker --version)',
  unit: 'ms',
  measure: async (engines, { rounds }) => {
    const [first] = engines;
    if (first === undefined) return new Map();
    const values: number[] = [];
    for (let round = 0; round < rounds; round++) values.push(await first.docker('--version'));
    return new Map([['slipway', summarize(values)]]);
  },
};

export const startFigures: readonly Figure<Engine>[] = [
  dockerRun('bridge', 1 / 5),
  dockerRun('none'),
  dockerRun('host'),
  clientAlone,
  apiLife,
  apiStep('create', 'create'),
  apiStep('start', 'start'),
  apiStep('wait', 'wait'),
  apiStep('remove', 'remove'),
  dockerRunsASecond,
  livesASecond,
  execTrue,
  version,
];
