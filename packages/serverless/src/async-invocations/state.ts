/**
 * What becomes of an accepted event, as a pure function of what happened and the time.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
 */

/** Where an event stands. */
export interface EventState {
  readonly acceptedAtMs: number;
  /** How often the function ran with it. */
  readonly attempts: number;
  /** How often it was refused since it last ran. */
  readonly refusals: number;
}

export interface EventPolicy {
  /** 0 to 2. */
  readonly maxRetries: number;
  readonly maxAgeSeconds: number;
  /** Of the function; undefined when it has none. */
  readonly reservedConcurrency: number | undefined;
}

export type Happening =
  /** Its time has come. */
  | 'due'
  | 'succeeded'
  /** The function reported an error, ran out of time or exited. */
  | 'failed'
  /** It did not run: throttled, or the system's fault. */
  | 'refused';

/** Why an event is done with, as destinations are told. */
export type Condition = 'Success' | 'RetriesExhausted' | 'EventAgeExceeded' | 'ZeroReservedConcurrency';

export type Effect =
  | { readonly kind: 'run' }
  | { readonly kind: 'wait'; readonly untilMs: number }
  | { readonly kind: 'finish'; readonly condition: Condition };

const RETRY_STEP_MS = 60_000;
const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 300_000;

/** The event's next state and what to do now. */
export function transition(
  state: EventState,
  happening: Happening,
  policy: EventPolicy,
  nowMs: number,
): readonly [EventState, Effect] {
  const expiresAtMs = state.acceptedAtMs + policy.maxAgeSeconds * 1000;
  switch (happening) {
    case 'due':
      if (policy.reservedConcurrency === 0) return [state, finish('ZeroReservedConcurrency')];
      if (nowMs >= expiresAtMs) return [state, finish('EventAgeExceeded')];
      return [state, { kind: 'run' }];
    case 'succeeded':
      return [{ ...state, attempts: state.attempts + 1, refusals: 0 }, finish('Success')];
    case 'failed': {
      const next = { ...state, attempts: state.attempts + 1, refusals: 0 };
      if (next.attempts > policy.maxRetries) return [next, finish('RetriesExhausted')];
      // After 1 minute, then after 2.
      const untilMs = nowMs + next.attempts * RETRY_STEP_MS;
      if (untilMs >= expiresAtMs) return [next, finish('EventAgeExceeded')];
      return [next, { kind: 'wait', untilMs }];
    }
    case 'refused': {
      const next = { ...state, refusals: state.refusals + 1 };
      if (policy.reservedConcurrency === 0) return [next, finish('ZeroReservedConcurrency')];
      if (nowMs >= expiresAtMs) return [next, finish('EventAgeExceeded')];
      return [next, { kind: 'wait', untilMs: Math.min(nowMs + backoffMs(state.refusals), expiresAtMs) }];
    }
  }
}

const finish = (condition: Condition): Effect => ({ kind: 'finish', condition });

/** The pause after a refusal that `refusals` others came before: 1 s, 2 s, 4 s, … 5 min. */
export const backoffMs = (refusals: number): number =>
  Math.min(FIRST_BACKOFF_MS * 2 ** Math.min(refusals, 20), MAX_BACKOFF_MS);

/**
 * How many events of one function may run at once, after one of them was answered: one more for each round that went well,
 * half after a refusal, so that a backlog does not run against a full pool and wait out minutes for it.
 */
export function nextWindow(window: number, happening: Happening, max: number): number {
  if (happening === 'due') return window;
  if (happening === 'refused') return Math.max(1, window / 2);
  return Math.min(max, window + 1 / window);
}

const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 1_000;

/** How long the events of one function wait after one of them was refused: none of them would fare better at once. */
export const nextPauseMs = (pauseMs: number, happening: Happening): number =>
  happening === 'refused' ? Math.min(Math.max(pauseMs * 2, FIRST_PAUSE_MS), MAX_PAUSE_MS) : 0;
