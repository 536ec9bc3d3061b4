import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Health } from '../container.ts';
import { openContainerBench } from '../testing.ts';
import { healthPlan, nextHealth } from './health.ts';

const starting: Health = { status: 'starting', failingStreak: 0, log: [] };
const result = (exitCode: number) => ({ startNs: 0n, endNs: 1n, exitCode, output: '' });

describe('health checks', () => {
  it("have docker's defaults, a shell for CMD-SHELL, and can be turned off", () => {
    assert.equal(healthPlan(undefined, undefined), undefined);
    assert.equal(healthPlan({ Test: ['NONE'] } as never, undefined), undefined);
    assert.deepEqual(healthPlan({ Test: ['CMD-SHELL', 'a b'] } as never, undefined), {
      args: ['/bin/sh', '-c', 'a b'],
      intervalMs: 30_000,
      timeoutMs: 30_000,
      startPeriodMs: 0,
      startIntervalMs: 5_000,
      retries: 3,
    });
  });

  it('make a container unhealthy after as many failures in a row as told, not in the start period', () => {
    const options = { retries: 2, starting: false };
    assert.equal(nextHealth(starting, result(1), { ...options, starting: true }).failingStreak, 0);
    const once = nextHealth(starting, result(1), options);
    assert.equal(once.status, 'starting');
    const twice = nextHealth(once, result(1), options);
    assert.equal(twice.status, 'unhealthy');
    assert.deepEqual(nextHealth(twice, result(0), options).status, 'healthy');
  });

  it('keep five results', () => {
    let health = starting;
    for (let run = 0; run < 9; run++)
      health = nextHealth(health, result(run), { retries: 3, starting: false });
    assert.deepEqual(
      health.log.map(({ exitCode }) => exitCode),
      [4, 5, 6, 7, 8],
    );
  });

  it('run in the container and tell the world when its health changes', async () => {
    await using bench = await openContainerBench('health');
    const told = Promise.withResolvers<void>();
    using _listening = bench.context.events.listen(({ action }) => {
      if (action === 'health_status: healthy') told.resolve();
    });
    const container = await bench.start(['sleep', '1000'], {
      config: { Healthcheck: { Test: ['CMD', 'echo', 'fine'], Interval: 20e6 } as never },
    });
    await told.promise;
    assert.equal(container.health?.status, 'healthy');
    assert.equal(container.health?.log[0]?.output, 'fine\n');
  });
});
