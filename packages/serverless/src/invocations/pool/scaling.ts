/**
 * Who gets an environment, who gives one up, and when: pure functions of what there is, what waits, and the time. The pool
 * carries out what they decide.
 */

/** What this host can bear, and how long it keeps what nobody uses. */
export interface PoolLimits {
  /** Environments of all functions together. */
  readonly maxEnvironments: number;
  /** Of all environments together, by the memory size that their functions were given. Unit: MB. */
  readonly maxMemoryMb: number;
  /** Environments that start at the same time; more would only slow each other down. */
  readonly maxOpening: number;
  /** An environment that nobody used for so long is ended. */
  readonly idleMs: number;
  /** So long after an invocation its environment is frozen: at once costs those that are used again and again. */
  readonly freezeMs: number;
  /** While the host is full, a function without any environment waits so long before another one's last is taken from it. */
  readonly fairMs: number;
}

export interface IdleEnvironment {
  readonly id: string;
  readonly sinceMs: number;
  readonly isProvisioned: boolean;
  readonly isFrozen: boolean;
}

/** How one function version stands. */
export interface Lane {
  readonly key: string;
  readonly functionName: string;
  readonly memoryMb: number;
  /** The code or configuration was changed, or it was deleted: what it has runs out. */
  readonly isStale: boolean;
  /** Invocations without an environment, and since when the first of them waits. */
  readonly waiting: number;
  readonly waitsSinceMs: number | undefined;
  readonly busy: number;
  /** On demand and provisioned. */
  readonly opening: number;
  readonly idle: readonly IdleEnvironment[];
  readonly provisioned: {
    readonly wanted: number;
    /** Opening, idle or busy. */
    readonly live: number;
    /** After a failure it is not tried before. */
    readonly retryAtMs: number;
  };
}

export type Decision =
  | { readonly kind: 'open'; readonly lane: string; readonly isProvisioned: boolean }
  | { readonly kind: 'close'; readonly lane: string; readonly id: string; readonly why: CloseReason }
  | { readonly kind: 'freeze'; readonly lane: string; readonly id: string };

export type CloseReason = 'stale' | 'idle' | 'surplus' | 'room';

export interface Plan {
  readonly decisions: readonly Decision[];
  /** How many environments each function gives up when their invocations end, for others that have fewer. */
  readonly yields: ReadonlyMap<string, number>;
  /** When time alone changes the plan. */
  readonly nextAtMs: number | undefined;
}

/** Environments that are ending: they take room until they are gone. */
export interface Closing {
  readonly count: number;
  readonly memoryMb: number;
}

/** What is to be done now. */
export function plan(lanes: readonly Lane[], closing: Closing, limits: PoolLimits, nowMs: number): Plan {
  const round = new Round(lanes, closing, limits, nowMs);
  for (const lane of lanes) round.tend(lane);
  round.place();
  return { decisions: round.decisions, yields: round.yields, nextAtMs: round.nextAtMs };
}

/** A function that wants environments, within one round. */
interface Claim {
  readonly lane: Lane;
  readonly isProvisioned: boolean;
  wanted: number;
}

/** An environment that may be ended to make room. */
interface Victim {
  readonly lane: Lane;
  readonly environment: IdleEnvironment;
}

class Round {
  readonly decisions: Decision[] = [];
  readonly yields = new Map<string, number>();
  nextAtMs: number | undefined;
  readonly #lanes: readonly Lane[];
  readonly #limits: PoolLimits;
  readonly #nowMs: number;
  /** Environments of each function, with those that are decided here. */
  readonly #shares = new Map<string, number>();
  readonly #closed = new Set<string>();
  #opening = 0;
  #freeCount: number;
  #freeMb: number;
  /** What will be free once those that end have ended. */
  #promisedCount: number;
  #promisedMb: number;

  constructor(lanes: readonly Lane[], closing: Closing, limits: PoolLimits, nowMs: number) {
    this.#lanes = lanes;
    this.#limits = limits;
    this.#nowMs = nowMs;
    let count = closing.count;
    let memoryMb = closing.memoryMb;
    for (const lane of lanes) {
      const live = lane.busy + lane.opening + lane.idle.length;
      count += live;
      memoryMb += live * lane.memoryMb;
      this.#opening += lane.opening;
      this.#shares.set(lane.functionName, this.#share(lane) + live);
    }
    this.#freeCount = limits.maxEnvironments - count;
    this.#freeMb = limits.maxMemoryMb - memoryMb;
    this.#promisedCount = this.#freeCount + closing.count;
    this.#promisedMb = this.#freeMb + closing.memoryMb;
  }

  /** What of a lane's idle environments ends, or is frozen. */
  tend(lane: Lane): void {
    let surplus = lane.provisioned.live - (lane.isStale ? 0 : lane.provisioned.wanted);
    for (const environment of lane.idle) {
      if (lane.isStale) {
        this.#close(lane, environment, 'stale');
        continue;
      }
      if (environment.isProvisioned && surplus > 0) {
        surplus -= 1;
        this.#close(lane, environment, 'surplus');
        continue;
      }
      if (!environment.isProvisioned && this.#isDue(environment.sinceMs + this.#limits.idleMs)) {
        this.#close(lane, environment, 'idle');
        continue;
      }
      if (!environment.isFrozen && this.#isDue(environment.sinceMs + this.#limits.freezeMs)) {
        this.decisions.push({ kind: 'freeze', lane: lane.key, id: environment.id });
      }
    }
  }

  /** Gives what room there is, one environment at a time to whoever has the fewest; makes room where there is none. */
  place(): void {
    const claims = this.#claims();
    const victims = this.#victims();
    let isBlocked = false;
    for (;;) {
      const claim = this.#next(claims);
      if (claim === undefined) return;
      claim.wanted -= 1;
      const { lane } = claim;
      if (!isBlocked && this.#freeCount >= 1 && this.#freeMb >= lane.memoryMb) {
        if (this.#opening >= this.#limits.maxOpening) return;
        this.#open(claim);
        continue;
      }
      // Nobody who comes later may take what is being gathered for this one.
      isBlocked = true;
      if (this.#gather(lane, victims)) {
        this.#take(lane);
      } else {
        this.#askToYield(claim);
      }
      this.#shares.set(lane.functionName, this.#share(lane) + 1);
    }
  }

  #claims(): Claim[] {
    const claims: Claim[] = [];
    for (const lane of this.#lanes) {
      const { wanted, live, retryAtMs } = lane.provisioned;
      const missing = lane.isStale ? 0 : wanted - live;
      const provisions = missing > 0 && this.#isDue(retryAtMs) ? missing : 0;
      if (provisions > 0) claims.push({ lane, isProvisioned: true, wanted: provisions });
      const onDemand = lane.waiting - lane.opening - provisions;
      if (onDemand > 0) claims.push({ lane, isProvisioned: false, wanted: onDemand });
    }
    return claims;
  }

  /** Whoever has the fewest environments; of those the one that waits longest. */
  #next(claims: readonly Claim[]): Claim | undefined {
    let best: Claim | undefined;
    for (const claim of claims) {
      if (claim.wanted > 0 && (best === undefined || this.#isBefore(claim, best))) best = claim;
    }
    return best;
  }

  #isBefore(one: Claim, other: Claim): boolean {
    const difference = this.#share(one.lane) - this.#share(other.lane);
    if (difference !== 0) return difference < 0;
    return (one.lane.waitsSinceMs ?? Infinity) < (other.lane.waitsSinceMs ?? Infinity);
  }

  /** Idle environments of functions that nothing waits for, least recently used first. */
  #victims(): Victim[] {
    return this.#lanes
      .filter((lane) => lane.waiting === 0)
      .flatMap((lane) => lane.idle.map((environment) => ({ lane, environment })))
      .filter(({ environment }) => !environment.isProvisioned && !this.#closed.has(environment.id))
      .sort((one, other) => other.environment.sinceMs - one.environment.sinceMs);
  }

  /** Whether there will be room for one of `lane`, ending idle environments for it. */
  #gather(lane: Lane, victims: Victim[]): boolean {
    while (this.#promisedCount < 1 || this.#promisedMb < lane.memoryMb) {
      const victim = victims.pop();
      if (victim === undefined) return false;
      this.#close(victim.lane, victim.environment, 'room');
    }
    return true;
  }

  /** Whoever has the most gives one up, when that makes it fairer. */
  #askToYield({ lane, isProvisioned }: Claim): void {
    // What is kept ready for later takes nothing from what runs now.
    if (isProvisioned) return;
    const share = this.#share(lane);
    let richest: Lane | undefined;
    for (const other of this.#lanes) {
      if (other.functionName === lane.functionName || other.busy === 0) continue;
      if (richest === undefined || this.#share(other) > this.#share(richest)) richest = other;
    }
    if (richest === undefined) return;
    const waitsLong = share === 0 && this.#isDue((lane.waitsSinceMs ?? this.#nowMs) + this.#limits.fairMs);
    if (this.#share(richest) < share + 2 && !waitsLong) return;
    this.yields.set(richest.functionName, (this.yields.get(richest.functionName) ?? 0) + 1);
    this.#shares.set(richest.functionName, this.#share(richest) - 1);
  }

  #open({ lane, isProvisioned }: Claim): void {
    this.decisions.push({ kind: 'open', lane: lane.key, isProvisioned });
    this.#opening += 1;
    this.#freeCount -= 1;
    this.#freeMb -= lane.memoryMb;
    this.#take(lane);
    this.#shares.set(lane.functionName, this.#share(lane) + 1);
  }

  #take(lane: Lane): void {
    this.#promisedCount -= 1;
    this.#promisedMb -= lane.memoryMb;
  }

  #close(lane: Lane, { id }: IdleEnvironment, why: CloseReason): void {
    this.decisions.push({ kind: 'close', lane: lane.key, id, why });
    this.#closed.add(id);
    this.#promisedCount += 1;
    this.#promisedMb += lane.memoryMb;
    this.#shares.set(lane.functionName, this.#share(lane) - 1);
  }

  #share({ functionName }: Lane): number {
    return this.#shares.get(functionName) ?? 0;
  }

  /** Whether the time has come; else the plan is made again then. */
  #isDue(atMs: number): boolean {
    if (atMs <= this.#nowMs) return true;
    if (this.nextAtMs === undefined || atMs < this.nextAtMs) this.nextAtMs = atMs;
    return false;
  }
}
