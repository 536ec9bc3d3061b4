import { type Clock, isSlipwayError } from '@slipway/base';
import type { Digest } from '@slipway/oci';
import type { Lease, Leases } from '@slipway/store';
import type { TransferRecords } from './records.ts';

/** How long what came of a pull that failed is kept for the next try. */
const FAILED_KEPT_MS = 60 * 60 * 1000;

/** What a pull has fetched, until an image names it. Disposing without `end` is a failure. */
export interface PullLease extends AsyncDisposable {
  readonly lease: Lease;
  /** The image is there, or what came is not worth its room: nothing is kept any more. */
  end(): Promise<void>;
}

/**
 * Keeps what pulls fetch, past the process's end, so that a pull that was cut or killed goes on where it was. A pull that
 * failed leaves it for an hour; the next one of the same manifest takes it over.
 */
export class PullLeases {
  readonly #leases: Leases;
  readonly #records: TransferRecords;
  readonly #clock: Clock;
  /** Leases of pulls that run: not to be taken over. */
  readonly #running = new Set<string>();

  constructor({ leases, records, clock }: { leases: Leases; records: TransferRecords; clock: Clock }) {
    this.#leases = leases;
    this.#records = records;
    this.#clock = clock;
  }

  acquire(manifest: Digest, blobs: readonly Digest[]): PullLease {
    const earlier = this.#records.leasesOf(manifest).filter((id) => !this.#running.has(id));
    const lease = this.#leases.acquire({ outlivesProcess: true, resources: { blobs } });
    const ours = [...earlier, lease.id];
    for (const id of ours) this.#running.add(id);
    this.#records.addLease(lease, manifest, this.#clock.nowMs());
    let isOver = false;
    const end = async () => {
      if (isOver) return;
      isOver = true;
      for (const id of ours) await this.#end(id);
    };
    return {
      lease,
      end,
      [Symbol.asyncDispose]: async () => {
        if (isOver) return;
        const options = { outlivesProcess: true, ttlMs: FAILED_KEPT_MS, resources: { blobs } };
        this.#records.addLease(this.#leases.acquire(options), manifest, this.#clock.nowMs());
        await end();
      },
    };
  }

  async #end(id: string): Promise<void> {
    try {
      await this.#leases.get(id)[Symbol.asyncDispose]();
    } catch (error) {
      // It has expired.
      if (!isSlipwayError(error, 'NotFound')) throw error;
    }
    this.#records.deleteLease(id);
    this.#running.delete(id);
  }
}

/** Whether the disk is full: then room is worth more than what came. */
export const isDiskFull = (error: unknown): boolean =>
  isSlipwayError(error, 'ResourceExhausted') && /^E(?:NOSPC|DQUOT)$/.test(error.reason ?? '');
