import type { Environment } from '../../environments/index.ts';
import type { FunctionVersion } from '../../functions/index.ts';
import type { Lane as LaneView } from './scaling.ts';

/** An environment in the pool. */
export interface Slot {
  readonly environment: Environment;
  readonly lane: Lane;
  readonly isProvisioned: boolean;
  /** Takes no more invocations; ends with the one that it runs. */
  isRetired: boolean;
  /** It is being ended, or has been. */
  isDiscarded: boolean;
  isFrozen: boolean;
  idleSinceMs: number;
  invocations: number;
}

/** An invocation that waits for an environment. */
export interface Waiter {
  readonly sinceMs: number;
  readonly give: (slot: Slot) => void;
  readonly refuse: (error: unknown) => void;
}

/** The environments of one function version, and who waits for one. */
export class Lane {
  readonly key: string;
  readonly version: FunctionVersion;
  isStale = false;
  opening = 0;
  openingProvisioned = 0;
  /** The one that was used last is at the end, and is used next: so that the others become idle. */
  readonly idle: Slot[] = [];
  readonly busy = new Set<Slot>();
  readonly waiting: Waiter[] = [];
  provisionedWanted = 0;
  /** In a row, since the last one that started. */
  provisionedFailures = 0;
  provisionedRetryAtMs = 0;
  provisionedFailure: string | undefined;

  constructor(key: string, version: FunctionVersion) {
    this.key = key;
    this.version = version;
  }

  get isEmpty(): boolean {
    return (
      this.opening === 0 &&
      this.idle.length === 0 &&
      this.busy.size === 0 &&
      this.waiting.length === 0 &&
      this.provisionedWanted === 0
    );
  }

  /** An idle environment, provisioned ones first: what is paid for is used. */
  take(): Slot | undefined {
    if (this.provisionedWanted === 0) return this.idle.pop();
    const at = this.idle.findLastIndex(({ isProvisioned }) => isProvisioned);
    return at === -1 ? this.idle.pop() : this.idle.splice(at, 1)[0];
  }

  drop(slot: Slot): void {
    this.busy.delete(slot);
    const at = this.idle.indexOf(slot);
    if (at !== -1) this.idle.splice(at, 1);
  }

  /** Initialised provisioned environments. */
  get available(): number {
    return count(this.idle) + count(this.busy);
  }

  view(): LaneView {
    return {
      key: this.key,
      functionName: this.version.name,
      memoryMb: this.version.memoryMb,
      isStale: this.isStale,
      waiting: this.waiting.length,
      waitsSinceMs: this.waiting[0]?.sinceMs,
      busy: this.busy.size,
      opening: this.opening,
      idle: this.idle.map(({ environment, idleSinceMs, isProvisioned, isFrozen }) => ({
        id: environment.id,
        sinceMs: idleSinceMs,
        isProvisioned,
        isFrozen,
      })),
      provisioned: {
        wanted: this.provisionedWanted,
        live: this.available + this.openingProvisioned,
        retryAtMs: this.provisionedRetryAtMs,
      },
    };
  }
}

function count(slots: Iterable<Slot>): number {
  let provisioned = 0;
  for (const slot of slots) if (slot.isProvisioned && !slot.isRetired) provisioned += 1;
  return provisioned;
}

/** A change of code or configuration makes another revision, and so another lane. */
export const laneKey = ({ functionArn, version, revisionId }: FunctionVersion): string =>
  `${functionArn}:${version}:${revisionId}`;
