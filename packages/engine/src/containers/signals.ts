import { constants } from 'node:os';
import { SlipwayError } from '@slipway/base';

const REALTIME_FIRST = 34;
const REALTIME_LAST = 64;

/** A signal's number from `9`, `KILL`, `SIGKILL` or `RTMIN+3`. @throws InvalidArgument `invalid signal: X`. */
export function parseSignal(text: string): number {
  const name = text.toUpperCase().replace(/^SIG/, '');
  if (/^\d+$/.test(name)) {
    const number = Number(name);
    if (number >= 1 && number <= REALTIME_LAST) return number;
  }
  const known = (constants.signals as Record<string, number | undefined>)[`SIG${name}`];
  if (known !== undefined) return known;
  const realtime = /^RT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name);
  if (realtime !== null) {
    const base = realtime[1] === 'MIN' ? REALTIME_FIRST : REALTIME_LAST;
    const number = base + (realtime[2] === '-' ? -1 : 1) * Number(realtime[3] ?? 0);
    if (number >= REALTIME_FIRST && number <= REALTIME_LAST) return number;
  }
  throw new SlipwayError('InvalidArgument', `invalid signal: ${text}`);
}
