import type { EventRecords } from './records.ts';
import { type Happening, nextPauseMs, nextWindow } from './state.ts';

/** Ids of due events that are read at once. */
const PAGE = 128;
const FIRST_WINDOW = 8;

interface Lane {
  count: number;
  sizeBytes: number;
  readonly running: Set<number>;
  /** Due and not yet running, the longest due first. */
  ready: number[];
  /** How many may run at once now. */
  window: number;
  /** After a refusal none of it runs until then. */
  pausedUntilMs: number;
  pauseMs: number;
  /** No event of it that is neither running nor ready is due before. */
  nextDueMs: number;
}

/** The events of each function in a lane of its own; lanes take turns, so that no backlog is in another function's way. */
export class Lanes {
  readonly #records: EventRecords;
  readonly #maxWindow: number;
  /** In the order of their turns. */
  readonly #lanes = new Map<string, Lane>();
  #count = 0;
  #sizeBytes = 0;

  constructor(records: EventRecords, maxWindow: number) {
    this.#records = records;
    this.#maxWindow = maxWindow;
    for (const { functionName, count, sizeBytes } of records.backlogs()) {
      const lane = this.#lane(functionName);
      lane.count = count;
      lane.sizeBytes = sizeBytes;
      lane.nextDueMs = 0;
      this.#count += count;
      this.#sizeBytes += sizeBytes;
    }
  }

  /** Of one function, or of all. */
  count(functionName?: string): number {
    return functionName === undefined ? this.#count : (this.#lanes.get(functionName)?.count ?? 0);
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Counts one more event. */
  add(functionName: string, sizeBytes: number): void {
    const lane = this.#lane(functionName);
    lane.count++;
    lane.sizeBytes += sizeBytes;
    this.#count++;
    this.#sizeBytes += sizeBytes;
  }

  /** Counts one event less. */
  forget(functionName: string, sizeBytes: number): void {
    const lane = this.#lane(functionName);
    lane.count--;
    lane.sizeBytes -= sizeBytes;
    this.#count--;
    this.#sizeBytes -= sizeBytes;
    this.#tidy(functionName, lane);
  }

  /** An event of the function is due at `dueAtMs`. */
  expect(functionName: string, dueAtMs: number): void {
    const lane = this.#lane(functionName);
    lane.nextDueMs = Math.min(lane.nextDueMs, dueAtMs);
  }

  /** The event whose turn it is; it runs until it is released. Undefined when none is due or none may run. */
  take(nowMs: number): { readonly functionName: string; readonly id: number } | undefined {
    for (const [functionName, lane] of this.#lanes) {
      if (lane.running.size >= Math.floor(lane.window) || lane.pausedUntilMs > nowMs) continue;
      if (lane.ready.length === 0 && lane.nextDueMs <= nowMs) this.#refill(functionName, lane, nowMs);
      const id = lane.ready.shift();
      if (id === undefined) continue;
      lane.running.add(id);
      this.#lanes.delete(functionName);
      this.#lanes.set(functionName, lane);
      return { functionName, id };
    }
    return undefined;
  }

  /** The event's turn is over. */
  release(functionName: string, id: number, happening: Happening, nowMs: number): void {
    const lane = this.#lane(functionName);
    lane.running.delete(id);
    lane.window = nextWindow(lane.window, happening, this.#maxWindow);
    lane.pauseMs = nextPauseMs(lane.pauseMs, happening);
    lane.pausedUntilMs = nowMs + lane.pauseMs;
    this.#tidy(functionName, lane);
  }

  /** When there is an event to run, if there is room; undefined when there is none. */
  nextDueMs(): number | undefined {
    let earliest = Number.POSITIVE_INFINITY;
    for (const lane of this.#lanes.values()) {
      // A lane without room is looked at again when one of its events ends.
      if (lane.running.size >= Math.floor(lane.window)) continue;
      const dueMs = lane.ready.length > 0 ? 0 : lane.nextDueMs;
      earliest = Math.min(earliest, Math.max(dueMs, lane.pausedUntilMs));
    }
    return Number.isFinite(earliest) ? earliest : undefined;
  }

  #refill(functionName: string, lane: Lane, nowMs: number): void {
    const limit = PAGE + lane.running.size;
    const due = this.#records.due(functionName, nowMs, limit);
    lane.ready = due.filter((id) => !lane.running.has(id));
    lane.nextDueMs =
      due.length === limit
        ? nowMs
        : (this.#records.nextDueMs(functionName, nowMs) ?? Number.POSITIVE_INFINITY);
  }

  #lane(functionName: string): Lane {
    let lane = this.#lanes.get(functionName);
    if (lane === undefined) {
      lane = {
        count: 0,
        sizeBytes: 0,
        running: new Set(),
        ready: [],
        window: Math.min(FIRST_WINDOW, this.#maxWindow),
        pausedUntilMs: 0,
        pauseMs: 0,
        nextDueMs: Number.POSITIVE_INFINITY,
      };
      this.#lanes.set(functionName, lane);
    }
    return lane;
  }

  #tidy(functionName: string, lane: Lane): void {
    if (lane.count === 0 && lane.running.size === 0) this.#lanes.delete(functionName);
  }
}
