import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Event } from '@slipway/client';
import { eventFields, formatEvent } from './event.ts';
import { compileTemplate } from './template.ts';

const EVENT: Event = {
  status: 'die',
  id: 'c0',
  Type: 'container',
  Action: 'die',
  Actor: { ID: 'c0', Attributes: { name: 'web', exitCode: '3' } },
  scope: 'local',
  time: 1_795_238_303,
  timeNano: 1_795_238_303_000_000_007n,
};

test('an event is one line with all nine digits of its second, and its attributes by name', () => {
  assert.equal(formatEvent(EVENT), '2026-11-21T05:18:23.000000007Z container die c0 (exitCode=3, name=web)');
  assert.equal(
    formatEvent({ ...EVENT, Actor: { ID: 'v', Attributes: null } }),
    '2026-11-21T05:18:23.000000007Z container die v',
  );
});

test('a template names the fields as docker does, and json keeps every digit', () => {
  const render = (source: string) => compileTemplate(source)(eventFields(EVENT));
  assert.equal(render('{{.ID}} {{.Status}} {{.Time}} {{.Actor.Attributes.name}}'), 'c0 die 1795238303 web');
  assert.match(render('{{json .}}'), /"timeNano":1795238303000000007}$/);
});
