import type { Client, StatsReply } from '@slipway/client';
import type { Fields } from './format/list.ts';
import { statsRow } from './format/stats-row.ts';
import { shortId } from './format/units.ts';

/** The latest sample of each container, kept current by one stream for each. */
export class StatsBoard {
  readonly #client: Client;
  readonly #truncate: boolean;
  readonly #streams = new Map<string, AbortController>();
  readonly #rows = new Map<string, Fields>();
  #followsAll = false;

  constructor(client: Client, truncate: boolean) {
    this.#client = client;
    this.#truncate = truncate;
  }

  /** One for each container, in the order in which they came. */
  get rows(): readonly Fields[] {
    return [...this.#rows.values()];
  }

  /** Whether nothing can come any more. */
  get isClosed(): boolean {
    return !this.#followsAll && this.#streams.size === 0;
  }

  /** Follows one container from now on, its first sample included. @throws NotFound */
  async open(name: string): Promise<void> {
    if (this.#streams.has(name)) return;
    const controller = new AbortController();
    this.#streams.set(name, controller);
    try {
      const samples = await this.#client.containers.stats(name, { stream: true, signal: controller.signal });
      const first = await samples.next();
      if (!first.done) this.#show(name, first.value);
      void this.#read(name, samples);
    } catch (error) {
      this.#close(name);
      throw error;
    }
  }

  /**
   * Follows the containers that run, or all of them, and what starts later.
   * @returns what resolves when the daemon says no more.
   */
  async openAll(all: boolean): Promise<{ readonly ended: Promise<void> }> {
    this.#followsAll = true;
    const filters = { type: ['container'], event: ['create', 'start', 'die', 'destroy'] };
    const events = await this.#client.system.events({ filters });
    const containers = await this.#client.containers.list({ all });
    await Promise.all(containers.map(({ Id }) => this.#openIfThere(shortId(Id))));
    const follow = async () => {
      for await (const { Action, Actor } of events) {
        const name = shortId(Actor.ID);
        if (Action === 'start' || (all && Action === 'create')) await this.#openIfThere(name);
        else if (!all || Action === 'destroy') this.#close(name);
      }
    };
    return { ended: follow() };
  }

  /** It may be gone again by now. */
  #openIfThere(name: string): Promise<void> {
    return this.open(name).catch(() => {});
  }

  async #read(name: string, samples: AsyncIterable<StatsReply>): Promise<void> {
    try {
      for await (const sample of samples) this.#show(name, sample);
    } catch {
      // Closed by us, or with the connection: then the events end, too.
    } finally {
      this.#close(name);
    }
  }

  #show(name: string, sample: StatsReply): void {
    if (this.#streams.has(name)) this.#rows.set(name, statsRow(name, sample, this.#truncate));
  }

  #close(name: string): void {
    this.#streams.get(name)?.abort();
    this.#streams.delete(name);
    this.#rows.delete(name);
  }
}
