import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type EventPolicy,
  type EventState,
  type Happening,
  nextPauseMs,
  nextWindow,
  transition,
} from './state.ts';

const policy: EventPolicy = { maxRetries: 2, maxAgeSeconds: 21_600, reservedConcurrency: undefined };
const fresh: EventState = { acceptedAtMs: 0, attempts: 0, refusals: 0 };

/** Lets `happening` befall an event each time it is due, and notes when that was and how it ended. */
function live(happening: Happening, of: EventPolicy) {
  const ranAtMs: number[] = [];
  let state = fresh;
  let nowMs = 0;
  for (;;) {
    let [next, effect] = transition(state, 'due', of, nowMs);
    if (effect.kind === 'run') {
      ranAtMs.push(nowMs);
      [next, effect] = transition(state, happening, of, nowMs);
    }
    state = next;
    if (effect.kind === 'finish') return { ranAtMs, condition: effect.condition, endedAtMs: nowMs, state };
    assert.equal(effect.kind, 'wait');
    if (effect.kind === 'wait') nowMs = effect.untilMs;
  }
}

test('an event that the function fails with runs again after one minute, then after two, then no more', () => {
  const { ranAtMs, condition, state } = live('failed', policy);
  assert.deepEqual(ranAtMs, [0, 60_000, 180_000]);
  assert.equal(condition, 'RetriesExhausted');
  assert.equal(state.attempts, 3);
});

test('as many retries as were configured', () => {
  assert.deepEqual(live('failed', { ...policy, maxRetries: 0 }).ranAtMs, [0]);
  assert.deepEqual(live('failed', { ...policy, maxRetries: 1 }).ranAtMs, [0, 60_000]);
});

test('a retry that would come after the maximum age is not waited for', () => {
  const { ranAtMs, condition } = live('failed', { ...policy, maxAgeSeconds: 60 });
  assert.deepEqual(ranAtMs, [0]);
  assert.equal(condition, 'EventAgeExceeded');
});

test('an event that is refused waits 1 s, 2 s, 4 s up to 5 minutes, until it is too old', () => {
  const { ranAtMs, condition, endedAtMs, state } = live('refused', { ...policy, maxAgeSeconds: 3_600 });
  const pauses = ranAtMs.slice(1).map((atMs, index) => (atMs - (ranAtMs[index] ?? 0)) / 1000);
  assert.deepEqual(pauses.slice(0, 11), [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
  assert.equal(condition, 'EventAgeExceeded');
  assert.equal(endedAtMs, 3_600_000);
  assert.equal(state.attempts, 0);
});

test('a run puts the back-off of refusals to its beginning', () => {
  const [state] = transition({ ...fresh, refusals: 5 }, 'failed', policy, 0);
  assert.deepEqual(transition(state, 'refused', policy, 0)[1], { kind: 'wait', untilMs: 1_000 });
});

test('a function with no concurrency reserved never runs, and its events do not wait', () => {
  const { ranAtMs, condition } = live('failed', { ...policy, reservedConcurrency: 0 });
  assert.deepEqual(ranAtMs, []);
  assert.equal(condition, 'ZeroReservedConcurrency');
});

test('the window grows by one a round, is halved by a refusal, and never closes', () => {
  let window = 8;
  for (let run = 0; run < 8; run++) window = nextWindow(window, 'succeeded', 64);
  assert.ok(window > 8.5 && window <= 9, String(window));
  assert.equal(nextWindow(8, 'refused', 64), 4);
  assert.equal(nextWindow(1, 'refused', 64), 1);
  assert.equal(nextWindow(64, 'failed', 64), 64);
});

test('refusals in a row make longer pauses, up to a second, and a success ends them', () => {
  const pauses = [50, 100, 200, 400, 800, 1_000, 1_000];
  let pauseMs = 0;
  for (const expected of pauses) {
    pauseMs = nextPauseMs(pauseMs, 'refused');
    assert.equal(pauseMs, expected);
  }
  assert.equal(nextPauseMs(pauseMs, 'failed'), 0);
});
