import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Engine } from '../engines.ts';
import type { Figure, MeasureOptions } from '../figure.ts';
import { inTurns, type Samples } from '../samples.ts';

const STEPS = 30;
const CONTEXT_FILES = 20_000;

/** No network: the peer has none. */
const build = (engine: Engine, context: string, ...options: readonly string[]): Promise<number> =>
  engine.docker('build', '-q', '--network', 'none', '-t', 'bench-build', ...options, context);

interface Project {
  readonly name: string;
  readonly title: string;
  readonly goal: NonNullable<Figure['goal']>;
  /** Writes the context. */
  readonly write: (folder: string) => Promise<void>;
  /** What changes before each round. */
  readonly change?: (folder: string, round: number) => Promise<void>;
}

/** The time of a build of a project that was built before. */
const rebuild = ({ name, title, goal, write, change }: Project): Figure<Engine> => ({
  name,
  title,
  unit: 'ms',
  goal,
  measure: (engines, { rounds }) =>
    inContext(async (folder) => {
      await write(folder);
      for (const engine of engines) await build(engine, folder);
      let round = 0;
      return await inTurns(engines, Math.ceil(rounds / 2), async (engine) => {
        await change?.(folder, round++);
        return await build(engine, folder);
      });
    }),
});

const writeSteps = async (folder: string): Promise<void> => {
  const steps = Array.from({ length: STEPS - 3 }, (_, step) => `RUN echo ${step} > /step-${step}`);
  await mkdir(join(folder, 'src'));
  await writeFile(join(folder, 'src/main.txt'), 'one');
  const copyAt = STEPS - 6;
  const lines = [
    'FROM busybox',
    'WORKDIR /app',
    ...steps.slice(0, copyAt),
    'COPY src /app/src',
    ...steps.slice(copyAt),
  ];
  await writeFile(join(folder, 'Dockerfile'), lines.join('\n'));
};

const noChange = rebuild({
  name: 'build-same',
  title: `docker build, ${STEPS} steps, nothing changed`,
  goal: { timesPeerAtMost: 1 / 3 },
  write: writeSteps,
});

const oneChange = rebuild({
  name: 'build-changed',
  title: `docker build, ${STEPS} steps, one source file changed`,
  goal: { timesPeerAtMost: 1 / 2 },
  write: writeSteps,
  change: (folder, round) => writeFile(join(folder, 'src/main.txt'), `${round} ${randomUUID()}`),
});

const stages = rebuild({
  name: 'build-stages',
  title: 'docker build, four stages of a second each, side by side',
  goal: { timesPeerAtMost: 1 },
  write: async () => {},
  async change(folder) {
    const names = ['a', 'b', 'c', 'd'];
    const lines = names.map(
      (name) => `FROM busybox AS ${name}\nRUN sleep 1; echo ${randomUUID()} > /${name}`,
    );
    const copies = names.map((name) => `COPY --from=${name} /${name} /`);
    await writeFile(join(folder, 'Dockerfile'), [...lines, 'FROM busybox', ...copies].join('\n'));
  },
});

const largeContext = rebuild({
  name: 'build-context',
  title: 'docker build, a context of 20,000 files, one changed',
  goal: { atMost: 1000 },
  async write(folder) {
    for (let index = 0; index < CONTEXT_FILES; index++) {
      const below = join(folder, `src/folder-${index % 200}`);
      if (index < 200) await mkdir(below, { recursive: true });
      await writeFile(join(below, `file-${index}`), `content of ${index}\n`.repeat(20));
    }
    await writeFile(join(folder, 'Dockerfile'), 'FROM busybox\nCOPY src/folder-0 /src\n');
  },
  change: (folder, round) => writeFile(join(folder, 'src/folder-1/file-1'), `${round} ${randomUUID()}`),
});

/** What one step that does nothing adds. */
const runTrue: Figure<Engine> = {
  name: 'build-run',
  title: '  each RUN true',
  unit: 'ms',
  goal: { atMost: 60 },
  measure: (engines, { rounds }: MeasureOptions): Promise<Map<string, Samples>> =>
    inContext((folder) =>
      inTurns(engines, Math.ceil(rounds / 2), async (engine) => {
        const steps = 10;
        const write = (count: number) =>
          writeFile(
            join(folder, 'Dockerfile'),
            ['FROM busybox', `ENV X=${randomUUID()}`, ...Array(count).fill('RUN true')].join('\n'),
          );
        await write(1);
        const one = await build(engine, folder);
        await write(1 + steps);
        return ((await build(engine, folder)) - one) / steps;
      }),
    ),
};

/** What docker and buildx take before they ask for anything: no engine can make a build faster than this. */
const clientAlone: Figure<Engine> = {
  name: 'build-client',
  title: '  of which the client alone (docker build --help)',
  unit: 'ms',
  measure: (engines, { rounds }) =>
    inTurns(engines, Math.ceil(rounds / 2), (engine) => engine.docker('build', '--help')),
};

async function inContext(
  measure: (folder: string) => Promise<Map<string, Samples>>,
): Promise<Map<string, Samples>> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-bench-context-'));
  try {
    await writeFile(join(folder, 'Dockerfile'), 'FROM busybox\n');
    return await measure(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

export const buildFigures: readonly Figure<Engine>[] = [
  noChange,
  clientAlone,
  oneChange,
  stages,
  largeContext,
  runTrue,
];
