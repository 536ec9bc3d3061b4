import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Container } from '../container.ts';
import { startContainer } from '../run/start.ts';
import { type ContainerBench, openContainerBench } from '../testing.ts';
import { removeContainer } from './remove.ts';
import { killContainer, restartContainer, stopContainer } from './stop.ts';

const ALWAYS = { RestartPolicy: { Name: 'always', MaximumRetryCount: 0 } } as const;
const FAILS_ONCE = ['sh', '-c', 'test -e /seen && exec sleep 600; touch /seen; exit 1'];

describe('a container that is being started at this moment', () => {
  let bench: ContainerBench;
  before(async () => {
    bench = await openContainerBench('restarting');
  });
  after(async () => await bench[Symbol.asyncDispose]());

  /** Holds the next start up where it asks for the container's layers. */
  function holdStart(): { readonly begun: Promise<void>; goOn(): void } {
    const { snapshots } = bench.context;
    const begun = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    snapshots.mounts = async (id) => {
      Reflect.deleteProperty(snapshots, 'mounts');
      begun.resolve();
      await held.promise;
      return await snapshots.mounts(id);
    };
    return { begun: begun.promise, goOn: held.resolve };
  }

  /** What is done by its restart policy has begun. */
  async function restarting(): Promise<{ readonly container: Container; goOn(): void }> {
    const container = await bench.create(FAILS_ONCE, { host: ALWAYS });
    await startContainer(bench.context, container);
    const { begun, goOn } = holdStart();
    await begun;
    assert.equal(container.state.status, 'restarting');
    return { container, goOn };
  }

  it('is not restarted when it is killed while it waits for that, and minds no other signal', async () => {
    const container = await bench.create(['false'], { host: ALWAYS });
    await startContainer(bench.context, container);
    while (container.state.status !== 'restarting') await sleep(1);
    await killContainer(bench.context, container, 'SIGHUP');
    await killContainer(bench.context, container, 'SIGKILL');
    assert.equal(container.state.status, 'exited');
    await assert.rejects(killContainer(bench.context, container, 'SIGKILL'), { code: 'Conflict' });
  });

  it('is removed by force', async () => {
    const { container, goOn } = await restarting();
    const removed = removeContainer(bench.context, container, { force: true, removeVolumes: true });
    goOn();
    await removed;
    assert.equal(bench.context.registry.findById(container.definition.id), undefined);
  });

  it('is removed by force also when it is its first start', async () => {
    const container = await bench.create(['sleep', '600']);
    const { begun, goOn } = holdStart();
    const started = startContainer(bench.context, container);
    await begun;
    const removed = removeContainer(bench.context, container, { force: true, removeVolumes: true });
    goOn();
    await Promise.all([started, removed]);
    assert.equal(bench.context.registry.findById(container.definition.id), undefined);
  });

  it('is stopped for good', async () => {
    const { container, goOn } = await restarting();
    const stopped = stopContainer(bench.context, container, { timeoutSeconds: 0 });
    goOn();
    await stopped;
    // When its lock can be had, the start has come to its end.
    (await bench.context.locks.acquire(container.definition.id))[Symbol.dispose]();
    assert.deepEqual([container.state.status, container.task], ['exited', undefined]);
  });

  it('is killed for good', async () => {
    const { container, goOn } = await restarting();
    const killed = killContainer(bench.context, container, 'SIGKILL');
    goOn();
    await killed;
    (await bench.context.locks.acquire(container.definition.id))[Symbol.dispose]();
    assert.deepEqual([container.state.status, container.task], ['exited', undefined]);
  });

  it('is restarted', async () => {
    const { container, goOn } = await restarting();
    const restarted = restartContainer(bench.context, container, { timeoutSeconds: 0 });
    goOn();
    await restarted;
    assert.equal(container.state.status, 'running');
  });
});
