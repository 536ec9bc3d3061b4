import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError } from '@slipway/base';
import fc from 'fast-check';
import { type ContainerState, ended, isRunning, type StateEvent, transition } from './state.ts';

const created: ContainerState = { status: 'created', exitCode: 0, error: '' };
const started: StateEvent = { type: 'started', pid: 7, startedAtNs: 5n };
const exited: StateEvent = { type: 'exited', exitCode: 137, oomKilled: true, atNs: 9n };

test('a life from created to exited keeps when it began and how it ended', () => {
  const running = transition(created, started);
  assert.deepEqual(running, { status: 'running', pid: 7, startedAtNs: 5n });
  assert.deepEqual(transition(running, exited), {
    status: 'exited',
    exitCode: 137,
    oomKilled: true,
    error: '',
    startedAtNs: 5n,
    finishedAtNs: 9n,
  });
});

test('a start that failed leaves a created container created, with the reason', () => {
  const failed = transition(created, { type: 'startFailed', exitCode: 127, error: 'not found' });
  assert.deepEqual(failed, { status: 'created', exitCode: 127, error: 'not found' });
  assert.equal(ended(failed).exitCode, 127);
});

test('a paused container may end, and is then exited', () => {
  const paused = transition(transition(created, started), { type: 'paused' });
  assert.equal(transition(paused, exited).status, 'exited');
});

test('moves that are not listed are refused with the state and the event', () => {
  assert.throws(
    () => transition(created, exited),
    (error) => isSlipwayError(error, 'FailedPrecondition') && /created.*exited/.test(error.message),
  );
  assert.throws(() => transition(transition(created, started), started), /running.*started/);
  assert.throws(() => transition(transition(created, started), { type: 'removing' }), /running.*removing/);
});

test('no sequence of events leads from running to removing without an exit', () => {
  const event: fc.Arbitrary<StateEvent> = fc.constantFrom<StateEvent>(
    started,
    exited,
    { type: 'startFailed', exitCode: 1, error: 'x' },
    { type: 'restartScheduled' },
    { type: 'restartCanceled' },
    { type: 'paused' },
    { type: 'resumed' },
    { type: 'removing' },
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), (events) => {
      let state: ContainerState = created;
      for (const event of events) {
        const before = state;
        try {
          state = transition(state, event);
        } catch (error) {
          assert.ok(isSlipwayError(error, 'FailedPrecondition'));
          continue;
        }
        if (before.status === 'removing') assert.fail(`${event.type} was let through while removing`);
        if (isRunning(before) && !isRunning(state)) assert.equal(event.type, 'exited');
      }
    }),
  );
});
