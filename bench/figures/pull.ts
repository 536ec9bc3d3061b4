import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mustRun } from '../../test/integration/harness/command.ts';
import type { Engine } from '../engines.ts';
import type { Figure } from '../figure.ts';
import { pullImage } from '../large-image.ts';
import { startDockerRegistry } from '../registries.ts';
import { inTurns, type Samples, summarize } from '../samples.ts';

const REPOSITORY = 'bench/layered';
const PULLS_AT_ONCE = 50;

/** `docker pull` of an image of 389 MB in 25,600 files, 91 MB gzip'd, from docker-registry over loopback. */
const pull: Figure<Engine> = {
  name: 'pull',
  title: 'docker pull, 389 MB, 25,600 files, 5 layers',
  unit: 'ms',
  goal: { timesPeerAtMost: 1 / 5 },
  measure: (engines, { rounds, checkout }) =>
    withSource(checkout, (reference) =>
      inTurns(engines, Math.ceil(rounds / 5), (engine) => pullOnce(engine, reference), { warmUp: false }),
    ),
};

/** How much longer the pull takes than unpacking its layers with gunzip and tar, one after the other. */
const pullBesideTar: Figure<Engine> = {
  name: 'pull-tar',
  title: '  of it: the time of gunzip | tar -x of its layers',
  unit: 'x',
  goal: { atMost: 2 },
  measure: (engines, { rounds, checkout }) =>
    withSource(checkout, async (reference) => {
      const layers = await compressedLayers(checkout);
      const values: number[] = [];
      for (let round = 0; round < Math.ceil(rounds / 5); round++) {
        const ours = await pullOnce(engines[0] as Engine, reference);
        values.push(ours / (await untar(layers)));
      }
      return new Map([['slipway', summarize(values)]]);
    }),
};

/** How much longer fifty pulls of one image take together than one alone. */
const manyPulls: Figure<Engine> = {
  name: 'pull-50',
  title: '  50 pulls of it at once, beside one',
  unit: 'x',
  goal: { atMost: 1.3 },
  measure: (engines, { rounds, checkout }) =>
    withSource(checkout, async (reference) => {
      const values: number[] = [];
      for (let round = 0; round < Math.ceil(rounds / 5); round++) {
        const one = await pullTogether(engines[0] as Engine, reference, 1);
        values.push((await pullTogether(engines[0] as Engine, reference, PULLS_AT_ONCE)) / one);
      }
      return new Map([['slipway', summarize(values)]]);
    }),
};

async function pullOnce(engine: Engine, reference: string): Promise<number> {
  const durationMs = await engine.docker('pull', '-q', reference);
  await engine.docker('rmi', reference);
  return durationMs;
}

async function pullTogether(engine: Engine, reference: string, count: number): Promise<number> {
  const startedAtMs = performance.now();
  const path = `/images/create?fromImage=${encodeURIComponent(reference)}`;
  const answers = await Promise.all(Array.from({ length: count }, () => engine.apiText('POST', path)));
  const durationMs = performance.now() - startedAtMs;
  const broken = answers.find((answer) => answer.includes('"error"'));
  if (broken !== undefined) throw new Error(`a pull failed: ${broken.trim().split('\n').at(-1)}`);
  await engine.docker('rmi', reference);
  return durationMs;
}

async function untar(layers: readonly string[]): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-bench-tar-'));
  try {
    const startedAtMs = performance.now();
    for (const layer of layers)
      await mustRun(['sh', '-c', 'gunzip -c "$1" | tar -x -C "$2"', 'sh', layer, folder]);
    return performance.now() - startedAtMs;
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function compressedLayers(checkout: string): Promise<readonly string[]> {
  const { layers } = await pullImage(checkout);
  for (const layer of layers) if (!existsSync(`${layer}.gz`)) await mustRun(['gzip', '-k', layer]);
  return layers.map((layer) => `${layer}.gz`);
}

/** Runs `measure` while docker-registry serves the image. Its storage is kept, so the image is pushed once. */
async function withSource(
  checkout: string,
  measure: (reference: string) => Promise<Map<string, Samples>>,
): Promise<Map<string, Samples>> {
  const { archive } = await pullImage(checkout);
  await using registry = await startDockerRegistry(join(checkout, '.cache/bench/pull-registry'));
  const reference = `127.0.0.1:${registry.port}/${REPOSITORY}:1`;
  const present = await fetch(`${registry.url}/v2/${REPOSITORY}/manifests/1`, { method: 'HEAD' });
  if (!present.ok) {
    const into = ['--dest-tls-verify=false', `docker-archive:${archive}`, `docker://${reference}`];
    await mustRun(['skopeo', 'copy', '-q', ...into], { timeoutMs: 120_000 });
  }
  return await measure(reference);
}

export const pullFigures: readonly Figure<Engine>[] = [pull, pullBesideTar, manyPulls];
