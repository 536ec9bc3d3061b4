import assert from 'node:assert/strict';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { nextTurn, silentLogger, systemClock } from '@slipway/base';
import { RESPONSE_LIMITS } from '../service.ts';
import { RuntimeApiSession } from './session.ts';
import { TelemetrySubscriptions } from './telemetry.ts';

test('a session whose runtime has closed its connection is idle again when that asks for the next event', async () => {
  using telemetry = new TelemetrySubscriptions({
    clock: systemClock,
    logger: silentLogger,
    connect: async () => new Socket(),
  });
  const session = new RuntimeApiSession({ limits: RESPONSE_LIMITS, telemetry });
  const ask = () => {
    const response = new ServerResponse(new IncomingMessage(new Socket()));
    session.next(response);
    return response;
  };
  const lost = ask();
  await session.untilIdle();
  lost.emit('close');
  assert.equal(session.isIdle, false);
  let isIdle = false;
  const idle = session.untilIdle().then(() => {
    isIdle = true;
  });
  await nextTurn();
  assert.equal(isIdle, false);
  ask();
  await idle;
});
