import { type Clock, SlipwayError } from '@slipway/base';
import type { BuildEvent } from '@slipway/build';
import type { Warning } from '@slipway/dockerfile';
import type { Digest } from '@slipway/oci';
import type { BuildFacts } from '../attest/provenance.ts';
import type { AttestationRequest } from '../attest/request.ts';
import type { CacheSource, CacheTarget } from '../cache/entries.ts';
import type { Built } from '../export/export-image.ts';

/** A finding of the build checks with the file that it is about. */
export interface JobWarning {
  readonly kind: 'warning';
  /** Of the vertex that it is shown with. */
  readonly digest: Digest;
  readonly warning: Warning;
  readonly fileName: string;
  readonly text: string;
}

export type JobEvent = BuildEvent | JobWarning;

/** What the frontend made of a Dockerfile for one platform. */
export interface BuiltRef extends Built {
  readonly id: string;
  /** Among the platforms of its build, as they were asked for. */
  readonly place: number;
  readonly attestations: AttestationRequest;
  readonly facts: BuildFacts;
}

/** The caches of other builders that a build reads and writes. */
export interface JobCaches {
  readonly sources: readonly CacheSource[];
  readonly targets: readonly CacheTarget[];
}

const NO_CACHES: JobCaches = { sources: [], targets: [] };

/** What the client wants to be exported, by platform; nothing for a build that only asks. */
export type Returned = ReadonlyMap<string, BuiltRef>;

/** How long calls of a build wait for its `Control/Solve`, which comes on another stream. */
const WAIT_MS = 10_000;
/** How long a build is known after its end, to a `Control/Status` that comes after it. */
const KNOWN_MS = 5_000;

/** One `Control/Solve` with what belongs to it, known to the client's other calls by its ref. */
export class Job {
  /** The client's name for it. */
  readonly name: string;
  readonly sessionId: string;
  /** None until the build has said which. */
  caches: JobCaches = NO_CACHES;
  /** Aborts when the build is canceled, and when it has ended: calls that come late wait for nothing. */
  readonly signal: AbortSignal;
  readonly #ended = new AbortController();
  readonly #refs = new Map<string, BuiltRef>();
  readonly #returned = Promise.withResolvers<Returned>();
  readonly #events: JobEvent[] = [];
  #isDone = false;
  #wake = Promise.withResolvers<void>();

  constructor(name: string, sessionId: string, signal: AbortSignal) {
    this.name = name;
    this.sessionId = sessionId;
    this.signal = AbortSignal.any([signal, this.#ended.signal]);
    this.#returned.promise.catch(() => {});
    signal.addEventListener('abort', () => this.#returned.reject(signal.reason), { once: true });
  }

  /** What the client's gateway call returned. @throws what it failed with */
  get returned(): Promise<Returned> {
    return this.#returned.promise;
  }

  /** What was built stays until the job is done. */
  keep(ref: BuiltRef): void {
    this.#refs.set(ref.id, ref);
  }

  find(id: string): BuiltRef | undefined {
    return this.#refs.get(id);
  }

  /** @throws NotFound for a ref that this job did not make */
  ref(id: string): BuiltRef {
    const found = this.#refs.get(id);
    if (found === undefined) throw new SlipwayError('NotFound', `no such ref ${id}`);
    return found;
  }

  return(result: Returned): void {
    this.#returned.resolve(result);
  }

  fail(error: unknown): void {
    this.#returned.reject(error);
  }

  readonly emit = (event: JobEvent): void => {
    this.#events.push(event);
    this.#wakeReaders();
  };

  /** Nothing more happens; what was built is let go. */
  async done(): Promise<void> {
    this.#isDone = true;
    this.#wakeReaders();
    this.#ended.abort(new SlipwayError('Canceled', 'the build has ended'));
    for (const { result } of this.#refs.values()) await result.lease[Symbol.asyncDispose]();
    this.#refs.clear();
  }

  /** How many vertices there were, and how many of them were cached. */
  get steps(): { readonly total: number; readonly cached: number } {
    const cached = new Map<Digest, boolean>();
    for (const event of this.#events) {
      if (event.kind === 'vertex' && event.completedAtMs !== undefined)
        cached.set(event.digest, event.cached);
    }
    return { total: cached.size, cached: [...cached.values()].filter(Boolean).length };
  }

  /** All events from the first on, as many at a time as there are, until the job is done. */
  async *events(): AsyncGenerator<readonly JobEvent[]> {
    for (let read = 0; ; ) {
      if (read < this.#events.length) {
        const batch = this.#events.slice(read);
        read += batch.length;
        yield batch;
      } else if (this.#isDone) return;
      else await this.#wake.promise;
    }
  }

  #wakeReaders(): void {
    const wake = this.#wake;
    this.#wake = Promise.withResolvers();
    wake.resolve();
  }
}

/** The builds that go on. */
export class Jobs {
  readonly #clock: Clock;
  readonly #open = new Set<Job>();
  readonly #jobs = new Map<string, PromiseWithResolvers<Job>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @throws AlreadyExists when a build of this ref goes on */
  open(ref: string, sessionId: string, signal: AbortSignal): Job & AsyncDisposable {
    const job = new Job(ref, sessionId, signal);
    const place = this.#placeOf(ref);
    place.resolve(job);
    this.#open.add(job);
    return Object.assign(job, {
      [Symbol.asyncDispose]: async () => {
        this.#clock.timer(KNOWN_MS, () => {
          if (this.#jobs.get(ref) === place) this.#jobs.delete(ref);
        });
        this.#open.delete(job);
        await job.done();
      },
    });
  }

  /** What any build that is known made. @throws NotFound */
  ref(id: string): BuiltRef {
    for (const job of this.#open) {
      const found = job.find(id);
      if (found !== undefined) return found;
    }
    throw new SlipwayError('NotFound', `no such ref ${id}: the build that made it has ended`);
  }

  /** Waits for its `Control/Solve`. @throws NotFound when none comes */
  async get(ref: string): Promise<Job> {
    const place = this.#placeOf(ref);
    using _timer = this.#clock.timer(WAIT_MS, () => {
      place.reject(new SlipwayError('NotFound', `no such job ${ref}`));
      if (this.#jobs.get(ref) === place) this.#jobs.delete(ref);
    });
    return await place.promise;
  }

  #placeOf(ref: string): PromiseWithResolvers<Job> {
    let place = this.#jobs.get(ref);
    if (place === undefined) {
      place = Promise.withResolvers<Job>();
      place.promise.catch(() => {});
      this.#jobs.set(ref, place);
    }
    return place;
  }
}
