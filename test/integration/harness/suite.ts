import { after, afterEach } from 'node:test';
import { Engine, type EngineOptions } from './engine.ts';
import { busyboxArchive } from './images.ts';
import { assertNoLeaks, readHoldings } from './leaks.ts';

/** Whether the test runs against dockerd, to prove the test: what only Slipway has is skipped then. */
export const onDockerd: boolean = process.env.SLIPWAY_TEST_ENGINE === 'dockerd';

/**
 * An engine for one test file, with `busybox:latest` loaded. When the file is done, everything is removed, and the
 * file fails if something of it is left on the host. The daemon's log is shown when a test failed.
 */
export async function useEngine(
  options: EngineOptions & {
    /** Gives back what the engine keeps ready by itself, before it is looked for what is left. */
    readonly settle?: (engine: Engine) => Promise<void>;
  } = {},
): Promise<Engine> {
  const engine = await Engine.start(options);
  let failed = false;
  afterEach((context) => {
    if ('passed' in context && context.passed === false) failed = true;
  });
  try {
    await engine.mustDocker('load', '-i', await busyboxArchive());
    // What the first container opens for good is no leak.
    await engine.mustDocker('run', '--rm', 'busybox', 'true');
  } catch (error) {
    process.stderr.write(`the daemon said:\n${engine.log.slice(-4_000)}\n`);
    await engine[Symbol.asyncDispose]();
    throw error;
  }
  const before = readHoldings(engine);
  after(async () => {
    try {
      if (engine.isRunning && !onDockerd) {
        await options.settle?.(engine);
        await assertNoLeaks(engine, before);
      }
    } catch (error) {
      failed = true;
      throw error;
    } finally {
      if (failed) process.stderr.write(`the daemon said:\n${engine.log.slice(-4_000)}\n`);
      await engine[Symbol.asyncDispose]();
    }
  });
  return engine;
}
