import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CREATED, isSettled, type ProgressEvent, transition } from './state.ts';

const REASON = { code: 'InvalidImage', text: 'it is none' };
const FAILED: ProgressEvent = { kind: 'failed', reason: REASON };

test('a function is pending, then active, and every update goes on behind it', () => {
  const active = transition(CREATED, { kind: 'settled' });
  assert.deepEqual(
    [CREATED.state, CREATED.stateReason?.code, CREATED.update],
    ['Pending', 'Creating', undefined],
  );
  assert.deepEqual([active.state, active.stateReason, active.update], ['Active', undefined, 'Successful']);
  const updating = transition(active, { kind: 'updated' });
  assert.deepEqual(
    [updating.state, updating.update, updating.updateReason?.code],
    ['Active', 'InProgress', 'Creating'],
  );
  assert.deepEqual(transition(updating, { kind: 'settled' }), active);
});

test('what fails at first is Failed, what fails later stays active', () => {
  const failed = transition(CREATED, FAILED);
  assert.deepEqual([failed.state, failed.stateReason, failed.update], ['Failed', REASON, 'Failed']);
  const active = transition(CREATED, { kind: 'settled' });
  const failedUpdate = transition(transition(active, { kind: 'updated' }), FAILED);
  assert.deepEqual(
    [failedUpdate.state, failedUpdate.update, failedUpdate.updateReason],
    ['Active', 'Failed', REASON],
  );
});

test('a failed function that is updated is pending again', () => {
  assert.deepEqual(transition(transition(CREATED, FAILED), { kind: 'updated' }), CREATED);
});

test('whatever happens, nothing that is settled changes but by an update, and an outcome settles', () => {
  const events = fc.constantFrom<ProgressEvent>({ kind: 'updated' }, { kind: 'settled' }, FAILED);
  fc.assert(
    fc.property(fc.array(events), (happened) => {
      let progress = CREATED;
      for (const event of happened) {
        const before = progress;
        progress = transition(progress, event);
        if (event.kind !== 'updated' && isSettled(before)) assert.equal(progress, before);
        if (event.kind !== 'updated') assert.ok(isSettled(progress));
        else assert.ok(!isSettled(progress));
      }
    }),
  );
});
