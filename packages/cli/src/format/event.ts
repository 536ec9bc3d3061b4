import type { Event } from '@slipway/client';

/** A line of `events`: `2026-01-02T03:04:05.000000006Z container die ID (image=busybox)`. */
export function formatEvent({ Type, Action, Actor, time, timeNano }: Event): string {
  const attributes = Object.entries(Actor.Attributes ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`);
  const fraction = String(timeNano % 1_000_000_000n).padStart(9, '0');
  const at = new Date(time * 1000).toISOString().replace('.000Z', `.${fraction}Z`);
  const shown = attributes.length === 0 ? '' : ` (${attributes.join(', ')})`;
  return `${at} ${Type} ${Action} ${Actor.ID}${shown}`;
}

/** The event's fields as a template names them; `{{json .}}` shows it as the daemon sent it. */
export function eventFields(event: Event): object {
  const fields = {
    Status: event.status ?? '',
    ID: event.id ?? '',
    From: event.from ?? '',
    Type: event.Type,
    Action: event.Action,
    Actor: event.Actor,
    Scope: event.scope ?? '',
    Time: event.time,
    TimeNano: event.timeNano,
  };
  return Object.defineProperty(fields, 'toJSON', { value: () => event, enumerable: false });
}
