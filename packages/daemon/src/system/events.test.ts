import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventMessage } from '@slipway/api/docker';
import { systemClock } from '@slipway/base';
import { type EngineEvent, EventBus } from '@slipway/engine/events';
import { eventLines, matchesFilters, parseMomentNs, toWire } from './events.ts';

const event: EngineEvent = {
  type: 'container',
  action: 'exec_start: ls -l',
  id: 'abcdef012345',
  attributes: { image: 'busybox:latest', name: 'web', tier: 'front' },
  timeNs: 1_700_000_000_123_456_789n,
};
const nothing = new AbortController().signal;
const none = { sinceNs: undefined, untilNs: undefined, filters: new Map() };

async function collect(lines: AsyncIterable<string>): Promise<EventMessage[]> {
  return (await Array.fromAsync(lines)).map((line) => JSON.parse(line) as EventMessage);
}

test('an event carries docker’s old fields and its new ones, nanoseconds with all digits', async () => {
  const { timeNano, ...wire } = toWire(event);
  assert.equal(timeNano, 1_700_000_000_123_456_789n);
  assert.deepEqual(wire, {
    status: 'exec_start: ls -l',
    id: 'abcdef012345',
    from: 'busybox:latest',
    Type: 'container',
    Action: 'exec_start: ls -l',
    Actor: { ID: 'abcdef012345', Attributes: event.attributes },
    scope: 'local',
    time: 1_700_000_000,
  });
  assert.ok(!('status' in toWire({ ...event, type: 'network' })));
});

test('filters: values of one are alternatives, all filters must fit', () => {
  const fits = (filters: Record<string, string[]>) => matchesFilters(event, new Map(Object.entries(filters)));
  assert.ok(fits({}));
  assert.ok(fits({ event: ['die', 'exec_start'] }));
  assert.ok(fits({ type: ['container'], container: ['web'] }));
  assert.ok(fits({ container: ['abcdef'] }));
  assert.ok(fits({ image: ['busybox'] }));
  assert.ok(fits({ image: ['busybox:latest'] }));
  assert.ok(fits({ label: ['tier=front', 'tier'] }));
  assert.ok(!fits({ event: ['exec'] }));
  assert.ok(!fits({ type: ['network'] }));
  assert.ok(!fits({ type: ['container'], container: ['db'] }));
  assert.ok(!fits({ label: ['tier=back'] }));
  assert.ok(!fits({ volume: ['web'] }));
});

test('a moment is seconds with decimals or RFC 3339; anything else is refused', () => {
  assert.equal(parseMomentNs('since', '1700000000.5'), 1_700_000_000_500_000_000n);
  assert.equal(parseMomentNs('since', '1700000000.000000001'), 1_700_000_000_000_000_001n);
  assert.equal(parseMomentNs('since', '2023-11-14T22:13:20Z'), 1_700_000_000_000_000_000n);
  assert.equal(parseMomentNs('since', undefined), undefined);
  for (const bad of ['soon', '-1', '1.2.3', '2023-11-14Tx']) {
    assert.throws(() => parseMomentNs('until', bad), { code: 'InvalidArgument', message: /^until: / }, bad);
  }
});

test('history since a moment, and nothing of it when it was not asked for', async () => {
  const bus = new EventBus(systemClock);
  bus.publish({ type: 'volume', action: 'create', id: 'a', attributes: {} });
  const afterFirstNs = systemClock.nowNs();
  bus.publish({ type: 'volume', action: 'create', id: 'b', attributes: {} });
  const nowNs = systemClock.nowNs();
  const ids = async (sinceNs: bigint | undefined, untilNs: bigint) =>
    (await collect(eventLines(bus, systemClock, { ...none, sinceNs, untilNs }, nothing))).map(
      ({ Actor }) => Actor.ID,
    );
  assert.deepEqual(await ids(0n, nowNs), ['a', 'b']);
  assert.deepEqual(await ids(afterFirstNs, nowNs), ['b']);
  assert.deepEqual(await ids(0n, afterFirstNs), ['a']);
});

test('live events come until the moment asked for, and then the stream ends', async () => {
  const bus = new EventBus(systemClock);
  const untilNs = systemClock.nowNs() + 60_000_000n;
  const lines = collect(eventLines(bus, systemClock, { ...none, untilNs }, nothing));
  await systemClock.sleep(5);
  bus.publish({ type: 'container', action: 'die', id: 'x', attributes: { exitCode: '3' } });
  const [died, ...rest] = await lines;
  assert.equal(died?.Actor.Attributes.exitCode, '3');
  assert.deepEqual(rest, []);
  assert.ok(systemClock.nowNs() >= untilNs - 2_000_000n);
});

test('the stream ends when the client goes', async () => {
  const bus = new EventBus(systemClock);
  const client = new AbortController();
  const lines = collect(eventLines(bus, systemClock, none, client.signal));
  await systemClock.sleep(5);
  bus.publish({ type: 'network', action: 'create', id: 'n', attributes: {} });
  client.abort();
  assert.equal((await lines).length, 1);
});
