import assert from 'node:assert/strict';
import { test } from 'node:test';
import { containerId, hostPath } from '@slipway/base';
import type { ImageId } from '@slipway/oci';
import { newContainer } from '../live.ts';
import { restartDelayMs, shouldRestart } from './restart-policy.ts';

function exitedContainer(policy: string, exitCode: number, maximum = 0) {
  const container = newContainer(
    { root: hostPath('/nowhere'), runRoot: hostPath('/nowhere') },
    {
      id: containerId('a'.repeat(64)),
      name: 'one',
      createdAtNs: 0n,
      imageReference: 'busybox',
      imageId: 'sha256:x' as ImageId,
      chainId: undefined,
      config: {},
      hostConfig: { RestartPolicy: { Name: policy, MaximumRetryCount: maximum } },
      mounts: [],
      networks: new Map(),
      args: ['true'],
    },
  );
  container.state = {
    status: 'exited',
    exitCode,
    oomKilled: false,
    error: '',
    startedAtNs: 0n,
    finishedAtNs: 1n,
  };
  return container;
}

test('each policy restarts what it should', () => {
  assert.equal(shouldRestart(exitedContainer('no', 1)), false);
  assert.equal(shouldRestart(exitedContainer('always', 0)), true);
  assert.equal(shouldRestart(exitedContainer('on-failure', 0)), false);
  assert.equal(shouldRestart(exitedContainer('on-failure', 1)), true);
});

test('what the user stopped stays stopped, and retries are counted', () => {
  const stopped = exitedContainer('always', 137);
  stopped.stoppedByUser = true;
  assert.equal(shouldRestart(stopped), false);
  const tried = exitedContainer('on-failure', 1, 2);
  tried.restartCount = 2;
  assert.equal(shouldRestart(tried), false);
});

test('the delay doubles to a minute and starts anew after a steady run', () => {
  const quick = { exitCode: 1, oomKilled: false, error: '', startedAtNs: 0n, finishedAtNs: 1n };
  assert.deepEqual(
    [0, 1, 2, 30].map((count) => restartDelayMs(count, quick)),
    [100, 200, 400, 60_000],
  );
  assert.equal(restartDelayMs(30, { ...quick, finishedAtNs: 10_000_000_000n }), 100);
});
