import type { ProgressMessage } from '@slipway/api/docker';
import { SlipwayError } from '@slipway/base/errors';
import { formatSize } from '../format/units.ts';

const BAR_WIDTH = 30;

/**
 * Shows a progress stream: one line for each id that is redrawn on a terminal, plain lines elsewhere.
 * @returns the `aux` values. @throws SlipwayError with the stream's own error.
 */
export async function showProgress(
  messages: AsyncIterable<ProgressMessage>,
  out: NodeJS.WriteStream,
  { quiet = false }: { quiet?: boolean } = {},
): Promise<unknown[]> {
  const values: unknown[] = [];
  const lineOf = new Map<string, number>();
  const lastStatus = new Map<string, string>();
  for await (const message of messages) {
    const failed = message.errorDetail?.message ?? message.error;
    if (failed !== undefined) throw new SlipwayError('Internal', failed);
    if (message.aux !== undefined) values.push(message.aux);
    if (quiet) continue;
    if (message.stream !== undefined) out.write(message.stream);
    else if (message.status === undefined) continue;
    else if (message.id === undefined) out.write(`${message.status}\n`);
    else if (out.isTTY) redraw(out, lineOf, message.id, progressLine(message));
    else if (lastStatus.get(message.id) !== message.status) {
      lastStatus.set(message.id, message.status);
      out.write(`${message.id}: ${message.status}\n`);
    }
  }
  return values;
}

function redraw(out: NodeJS.WriteStream, lineOf: Map<string, number>, id: string, line: string): void {
  const known = lineOf.get(id);
  const shown = [...line].slice(0, Math.max(20, out.columns - 1)).join('');
  if (known === undefined) {
    lineOf.set(id, lineOf.size);
    out.write(`${shown}\n`);
    return;
  }
  const up = lineOf.size - known;
  out.write(`\x1b[${up}A\r\x1b[2K${shown}\x1b[${up}B\r`);
}

function progressLine({ id, status, progressDetail }: ProgressMessage): string {
  const { current = 0, total = 0, units } = progressDetail ?? {};
  if (total <= 0) return `${id}: ${status}${current > 0 ? ` ${formatSize(current)}` : ''}`;
  const filled = Math.floor(Math.min(1, current / total) * BAR_WIDTH);
  const bar = `[${'='.repeat(filled)}${filled < BAR_WIDTH ? '>' : ''}${' '.repeat(Math.max(0, BAR_WIDTH - filled - 1))}]`;
  const amount =
    units === undefined ? `${formatSize(current)}/${formatSize(total)}` : `${current}/${total} ${units}`;
  return `${id}: ${status} ${bar} ${amount}`;
}
