import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun, sleep } from '../../test/integration/harness/command.ts';
import { peers } from '../../test/integration/harness/peers.ts';
import type { Figure, Goal, MeasureOptions } from '../figure.ts';
import { FUNCTIONS, type FunctionsContender, type Runtime } from '../functions.ts';
import { proportionalBytes } from '../processes.ts';
import { type Samples, summarize } from '../samples.ts';

type Measure = (contender: FunctionsContender, options: MeasureOptions) => Promise<readonly number[]>;

const WARM_RUNS = 200;
const LOAD_SECONDS = 4;
/** A whole processor: a smaller function that is called without a pause waits for its share, as it must. */
const WHOLE_CPU_MB = 1_769;
const BURST = 50;
/** Prepared runtimes are made again in this time. */
const RECOVER_MS = 600;

/** One measurement, of which both the median and the 99th percentile are told. */
function medianAndP99(
  figure: Pick<Figure, 'name' | 'title' | 'unit'>,
  goals: { readonly median?: Goal; readonly p99?: Goal },
  measure: Measure,
): Figure<FunctionsContender>[] {
  const taken = new WeakMap<FunctionsContender, readonly number[]>();
  const values = async (contender: FunctionsContender, options: MeasureOptions) => {
    const all = taken.get(contender) ?? (await measure(contender, options));
    taken.set(contender, all);
    return all;
  };
  return [
    { ...figure, ...goalOf(goals.median), measure: each(async (...args) => await values(...args)) },
    {
      ...figure,
      name: `${figure.name}-p99`,
      title: `${figure.title}, p99`,
      ...goalOf(goals.p99),
      measure: each(async (...args) => {
        const sorted = [...(await values(...args))].sort((a, b) => a - b);
        return [sorted[Math.ceil(sorted.length * 0.99) - 1] ?? NaN];
      }),
    },
  ];
}

const goalOf = (goal: Goal | undefined) => (goal === undefined ? {} : { goal });

const each =
  (measure: Measure): Figure<FunctionsContender>['measure'] =>
  async (contenders, options) => {
    const samples = new Map<string, Samples>();
    for (const contender of contenders) {
      samples.set(contender.name, summarize(await measure(contender, options)));
    }
    return samples;
  };

const invocationsOf = (name: string): string => `${FUNCTIONS}/${name}/invocations`;

/** From request to answer, no environment of the function alive: a new function each time. */
const cold = (runtime: Runtime, title: string, goals: { readonly median: Goal; readonly p99?: Goal }) => {
  const name = `cold-${runtime.split(/\d/)[0]}`;
  return medianAndP99({ name, title, unit: 'ms' }, goals, async (contender, { rounds }) => {
    const values: number[] = [];
    // The first brings the runtime itself.
    for (let round = -2; round < rounds; round++) {
      const functionName = `${name}-${round + 2}`;
      await contender.create(functionName, runtime);
      await sleep(RECOVER_MS);
      const beganMs = performance.now();
      await contender.client.call('POST', invocationsOf(functionName), {});
      if (round >= 0) values.push(performance.now() - beganMs);
      await contender.client.call('DELETE', `${FUNCTIONS}/${functionName}`);
    }
    return values;
  });
};

async function warm(
  contender: FunctionsContender,
  name: string,
  runtime: Runtime,
  fields: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const { client } = contender;
  await contender.create(name, runtime, fields);
  for (let run = 0; run < WARM_RUNS; run++) await client.call('POST', invocationsOf(name), {});
}

/** What one invocation takes beyond what its handler says that it took itself. */
const warmOverhead = medianAndP99(
  { name: 'warm', title: 'functions: warm at 1,769 MB, beyond the handler’s own', unit: 'ms' },
  { median: { atMost: 2 }, p99: { atMost: 6 } },
  async (contender, { rounds }) => {
    await warm(contender, 'warm', 'nodejs24.x', { MemorySize: WHOLE_CPU_MB });
    const { client } = contender;
    const values: number[] = [];
    const path = invocationsOf('warm');
    const headers = client.sign('POST', path, '{}');
    for (let run = 0; run < rounds * 100; run++) {
      const beganMs = performance.now();
      const { text } = await client.send('POST', path, headers, '{}');
      values.push(performance.now() - beganMs - (JSON.parse(text) as { ownMs: number }).ownMs);
    }
    return values;
  },
);

/** The same client and connection with nothing behind: what of a warm invocation is the client's and HTTP's. */
const clientShare = medianAndP99(
  { name: 'warm-client', title: 'functions: of that the client’s own (GET /v2/)', unit: 'ms' },
  {},
  async ({ client }, { rounds }) => {
    const values: number[] = [];
    for (let run = 0; run < rounds * 100; run++) {
      const beganMs = performance.now();
      await client.send('GET', '/v2/', {}, '');
      values.push(performance.now() - beganMs);
    }
    return values.slice(100);
  },
);

const throughput: Figure<FunctionsContender> = {
  name: 'throughput',
  title: 'functions: warm at 1,769 MB, one function, 8 clients',
  unit: '/s',
  goal: { atLeast: 1500 },
  measure: each(async (contender, { rounds }) => {
    await warm(contender, 'busy', 'nodejs24.x', { MemorySize: WHOLE_CPU_MB });
    const values: number[] = [];
    // The first brings the environments.
    for (let round = -1; round < Math.ceil(rounds / 5); round++) {
      const rate = await load(contender, invocationsOf('busy'), 8);
      if (round >= 0) values.push(rate);
    }
    return values;
  }),
};

/** What wrk, which signs once for all, gets answered. @throws when an answer was not 2xx */
async function load(
  { client, engine }: FunctionsContender,
  path: string,
  connections: number,
): Promise<number> {
  const headers = Object.entries(client.sign('POST', path, '{}'));
  const script = ['wrk.method = "POST"', "wrk.body = '{}'"].concat(
    headers.map(([name, value]) => `wrk.headers["${name}"] = "${value}"`),
  );
  const file = join(engine.root, 'wrk.lua');
  await writeFile(file, script.join('\n'));
  const url = `http://127.0.0.1:${client.port}${path}`;
  const pressure = ['-t', '1', '-c', `${connections}`, '-d', `${LOAD_SECONDS}s`, '-s', file];
  const { stdout } = await mustRun([peers.wrk ?? 'wrk', ...pressure, url], { timeoutMs: 60_000 });
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`${url}: ${stdout}`);
  return Number(/^Requests\/sec:\s+([\d.]+)/m.exec(stdout)?.[1]);
}

/** From the first request until as many environments as there are requests run, none of them there before. */
const burst: Figure<FunctionsContender> = {
  name: 'burst',
  title: `functions: from 0 to ${BURST} environments`,
  unit: 'ms',
  goal: { atMost: 2000 },
  measure: each(async (contender, { rounds }) => {
    const { client, engine } = contender;
    await warm(contender, 'burst', 'nodejs24.x');
    const values: number[] = [];
    for (let round = 0; round < Math.ceil(rounds / 5); round++) {
      await engine.api({ method: 'DELETE', path: '/slipway/functions/burst/environments' });
      await sleep(3_000);
      const beganAtMs = Date.now();
      const runs = await Promise.all(
        Array.from({ length: BURST }, () => client.call('POST', invocationsOf('burst'), { sleepMs: 8_000 })),
      );
      const said = runs.map(({ text }) => JSON.parse(text) as { at: number; born: number; ownMs: number });
      const began = said.map(({ at, ownMs }) => at - ownMs);
      const firstEnd = Math.min(...said.map(({ at }) => at));
      if (Math.max(...began) >= firstEnd)
        throw new Error('the environments did not all run at the same time');
      values.push(Math.max(...began) - beganAtMs);
    }
    return values;
  }),
};

/** Processes in the daemon's cgroups: those of environments and of prepared runtimes. */
function sandboxed({ cgroupParent }: FunctionsContender['engine']): number[] {
  const pids: number[] = [];
  const walk = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) walk(join(folder, entry.name));
      else if (entry.name === 'cgroup.procs') {
        pids.push(...readFileSync(join(folder, entry.name), 'utf8').split('\n').filter(Boolean).map(Number));
      }
    }
  };
  for (const root of ['/sys/fs/cgroup', '/sys/fs/cgroup/pids', '/sys/fs/cgroup/unified']) {
    try {
      walk(join(root, cgroupParent));
    } catch {
      // Cgroups of another version.
    }
  }
  return [...new Set(pids)];
}

/** What a frozen environment holds beyond a bare Node that waits: its sandbox, its shim, the runtime's client. */
const frozen: Figure<FunctionsContender> = {
  name: 'frozen',
  title: 'functions: a frozen environment, beyond a bare Node',
  unit: 'MB',
  goal: { atMost: 2 },
  measure: each(async (contender) => {
    const { client, engine } = contender;
    await engine.api({ method: 'DELETE', path: '/slipway/functions/burst/environments' });
    await sleep(3_000);
    const before = new Set(sandboxed(engine));
    await contender.create('frozen', 'nodejs24.x');
    const count = 10;
    await Promise.all(
      Array.from({ length: count }, () => client.call('POST', invocationsOf('frozen'), { sleepMs: 2_000 })),
    );
    await sleep(1_000);
    const own = sandboxed(engine).filter((pid) => !before.has(pid));
    const shims = [...new Set(own.map(shimOf))];
    const node = own.find((pid) => readlinkSync(`/proc/${pid}/exe`).endsWith('/node'));
    const bare = await bareNodeBytes(node ?? 0, count);
    return [((proportionalBytes(own) + proportionalBytes(shims)) / count - bare) / 1e6];
  }),
};

/** The parent of an environment's first process. */
const shimOf = (pid: number): number =>
  Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

/** What each of several of the same Node that only wait holds. Unit: bytes. */
async function bareNodeBytes(pid: number, count: number): Promise<number> {
  const node = `/proc/${pid}/exe`;
  const script = `for n in $(seq ${count}); do ${node} -e 'setInterval(() => {}, 1e9)' & echo $!; done; wait`;
  const shell = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  let said = '';
  shell.stdout.on('data', (chunk) => {
    said += String(chunk);
  });
  await sleep(2_000);
  const pids = said.split('\n').filter(Boolean).map(Number);
  try {
    return proportionalBytes(pids) / count;
  } finally {
    for (const one of pids) process.kill(one, 'SIGKILL');
  }
}

const idle: Figure<FunctionsContender> = {
  name: 'idle-function',
  title: 'functions: processes of a function that nobody uses',
  unit: '',
  goal: { atMost: 0 },
  measure: each(async (contender) => {
    const { client, engine } = contender;
    await contender.create('unused', 'nodejs24.x');
    await client.call('POST', invocationsOf('unused'), {});
    await sleep(20_000);
    const { json } = await engine.api({ path: '/slipway/functions/unused/environments' });
    const { busy, idle, starting } = json as { busy: number; idle: number; starting: number };
    return [busy + idle + starting];
  }),
};

export const functionFigures: readonly Figure<FunctionsContender>[] = [
  ...cold('nodejs24.x', 'functions: cold start, Node', { median: { atMost: 80 }, p99: { atMost: 200 } }),
  ...cold('python3.11', 'functions: cold start, Python', { median: { atMost: 60 } }),
  ...warmOverhead,
  ...clientShare,
  throughput,
  burst,
  frozen,
  idle,
];
