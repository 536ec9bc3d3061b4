import type { ProvisionedConcurrency, ProvisionedStatus } from '../../functions/index.ts';

/** How the provisioned environments of one version stand. */
export interface ProvisionedState {
  readonly available: number;
  readonly starting: number;
  /** In a row. */
  readonly failures: number;
  readonly failure: string | undefined;
}

/** After so many failures in a row it has failed; it is tried again all the same, ever more seldom. */
const FAILED_AFTER = 3;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 300_000;

/** How long to wait after that many failures in a row. */
export const retryDelayMs = (failures: number): number =>
  Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.max(0, failures - 1));

/** Shares out what a version has among those that asked for it, in their order. */
export function provisionedStatuses(
  asked: readonly ProvisionedConcurrency[],
  state: ProvisionedState,
): readonly (readonly [ProvisionedConcurrency, ProvisionedStatus])[] {
  let { available, starting } = state;
  return asked.map((config) => {
    const ready = Math.min(available, config.count);
    const allocated = ready + Math.min(starting, config.count - ready);
    available -= ready;
    starting -= allocated - ready;
    const hasFailed = ready < config.count && state.failures >= FAILED_AFTER;
    const status = ready === config.count ? 'READY' : hasFailed ? 'FAILED' : 'IN_PROGRESS';
    return [
      config,
      { status, allocated, available: ready, reason: hasFailed ? state.failure : undefined },
    ] as const;
  });
}
