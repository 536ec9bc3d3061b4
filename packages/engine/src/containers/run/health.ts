import type { Healthcheck } from '@slipway/api/docker';
import { errorMessage } from '@slipway/base';
import type { OutputChunk } from '@slipway/runtime';
import { attachedExec, type Container, type Health } from '../container.ts';
import { type ContainerContext, publish } from '../context.ts';
import { createExec, launchExec } from '../streams/exec.ts';

const SECOND_NS = 1e9;
const KEPT_RESULTS = 5;
const KEPT_OUTPUT_BYTES = 4096;
const SIGKILL = 9;
/** Docker's exit code for a check that did not end in time, or could not be run. */
const EXIT_FAILED = -1;

/** A health check with Docker's defaults filled in. */
export interface HealthPlan {
  readonly args: readonly string[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Failures in this time from the start do not count. */
  readonly startPeriodMs: number;
  /** The interval while starting. */
  readonly startIntervalMs: number;
  /** Failures in a row that make it unhealthy. */
  readonly retries: number;
}

/** What to run and when; undefined when there is no health check, or it was turned off with `NONE`. */
export function healthPlan(
  check: Healthcheck | undefined,
  shell: readonly string[] | undefined,
): HealthPlan | undefined {
  const [kind, ...words] = check?.Test ?? [];
  if (check === undefined || kind === undefined || kind === 'NONE') return undefined;
  const ms = (ns: number | undefined, defaultNs: number) => (ns || defaultNs) / 1e6;
  return {
    args: kind === 'CMD-SHELL' ? [...(shell?.length ? shell : ['/bin/sh', '-c']), words.join(' ')] : words,
    intervalMs: ms(check.Interval, 30 * SECOND_NS),
    timeoutMs: ms(check.Timeout, 30 * SECOND_NS),
    startPeriodMs: ms(check.StartPeriod, 0),
    startIntervalMs: ms(check.StartInterval, 5 * SECOND_NS),
    retries: check.Retries || 3,
  };
}

/** How one run of the check went. */
export interface HealthResult {
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly exitCode: number;
  readonly output: string;
}

/** The health after one more result. A failure during the start period is noted but does not count. */
export function nextHealth(
  health: Health,
  result: HealthResult,
  { retries, starting }: { readonly retries: number; readonly starting: boolean },
): Health {
  const log = [...health.log, result].slice(-KEPT_RESULTS);
  if (result.exitCode === 0) return { status: 'healthy', failingStreak: 0, log };
  if (starting && health.status === 'starting') return { ...health, log };
  const failingStreak = health.failingStreak + 1;
  return { status: failingStreak >= retries ? 'unhealthy' : health.status, failingStreak, log };
}

/** Checks the container's health until disposed; undefined when it has no health check. */
export function startHealthChecks(context: ContainerContext, container: Container): Disposable | undefined {
  const { Healthcheck: check, Shell } = container.definition.config;
  const plan = healthPlan(check, Shell);
  container.health = plan === undefined ? undefined : { status: 'starting', failingStreak: 0, log: [] };
  if (plan === undefined) return undefined;
  const stopping = new AbortController();
  void checkUntil(context, container, plan, stopping.signal);
  return { [Symbol.dispose]: () => stopping.abort() };
}

async function checkUntil(
  context: ContainerContext,
  container: Container,
  plan: HealthPlan,
  signal: AbortSignal,
): Promise<void> {
  const startedMs = context.clock.monotonicMs();
  const isStarting = () => context.clock.monotonicMs() - startedMs < plan.startPeriodMs;
  for (;;) {
    const starting = isStarting() && container.health?.status === 'starting';
    if (!(await waited(context, starting ? plan.startIntervalMs : plan.intervalMs, signal))) return;
    if (container.state.status !== 'running') continue;
    const countsNot = isStarting();
    const result = await runCheck(context, container, plan, signal);
    const before = container.health;
    if (signal.aborted || before === undefined) return;
    container.health = nextHealth(before, result, { retries: plan.retries, starting: countsNot });
    if (container.health.status !== before.status) {
      publish(context, container, `health_status: ${container.health.status}`);
    }
  }
}

/** Whether the time passed; false when checking was stopped. */
async function waited(context: ContainerContext, ms: number, signal: AbortSignal): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const stop = () => resolve(false);
  signal.addEventListener('abort', stop);
  using _timer = context.clock.timer(ms, () => resolve(true));
  try {
    return signal.aborted ? false : await promise;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function runCheck(
  context: ContainerContext,
  container: Container,
  plan: HealthPlan,
  signal: AbortSignal,
): Promise<HealthResult> {
  const startNs = context.clock.nowNs();
  const done = (exitCode: number, output: string) => ({
    startNs,
    endNs: context.clock.nowNs(),
    exitCode,
    output,
  });
  const output = new KeptOutput();
  try {
    const exec = createExec(context, container, attachedExec(plan.args));
    const { ended } = await launchExec(context, container, exec, {
      consoleSize: undefined,
      stdin: false,
      attach: [output],
    });
    const timeout = Promise.withResolvers<undefined>();
    using _timer = context.clock.timer(plan.timeoutMs, () => timeout.resolve(undefined));
    const stop = () => timeout.resolve(undefined);
    signal.addEventListener('abort', stop, { once: true });
    const status = await Promise.race([ended, timeout.promise]);
    signal.removeEventListener('abort', stop);
    if (status !== undefined) return done(status.exitCode, output.text);
    await exec.process?.signal(SIGKILL).catch(() => {});
    return done(EXIT_FAILED, `Health check exceeded timeout (${plan.timeoutMs / 1000}s): ${output.text}`);
  } catch (error) {
    return done(EXIT_FAILED, errorMessage(error));
  }
}

/** The first bytes of both streams, as they came. */
class KeptOutput {
  readonly #chunks: Uint8Array[] = [];
  #sizeBytes = 0;

  get text(): string {
    const bytes = Buffer.concat(this.#chunks);
    if (bytes.byteLength <= KEPT_OUTPUT_BYTES) return bytes.toString();
    return `${bytes.subarray(0, KEPT_OUTPUT_BYTES).toString()}...`;
  }

  write({ bytes }: OutputChunk): void {
    if (this.#sizeBytes > KEPT_OUTPUT_BYTES) return;
    this.#chunks.push(bytes);
    this.#sizeBytes += bytes.byteLength;
  }

  end(): void {}
}
