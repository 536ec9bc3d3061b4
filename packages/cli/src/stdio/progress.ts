import type { ProgressMessage } from '@slipway/api/docker';
import { SlipwayError } from '@slipway/base/errors';
import { formatSize } from '../format/units.ts';

const BAR_WIDTH = 30;
/** Of a terminal that does not tell its size, as one on a serial line. */
const UNKNOWN_ROWS = 24;
const UNKNOWN_COLUMNS = 80;

/**
 * Shows a progress stream: on a terminal a board with a line for each id, its bar below the others', elsewhere a plain
 * line for each change of status.
 * @returns the `aux` values. @throws SlipwayError with the stream's own error.
 */
export async function showProgress(
  messages: AsyncIterable<ProgressMessage>,
  out: NodeJS.WriteStream,
  { quiet = false }: { quiet?: boolean } = {},
): Promise<unknown[]> {
  const values: unknown[] = [];
  const board = out.isTTY ? new Board(out) : undefined;
  const lastStatus = new Map<string, string>();
  for await (const message of messages) {
    const failed = message.errorDetail?.message ?? message.error;
    if (failed !== undefined) throw new SlipwayError('Internal', failed);
    if (message.aux !== undefined) values.push(message.aux);
    const text = message.stream ?? (message.status === undefined ? undefined : `${message.status}\n`);
    if (quiet || text === undefined) continue;
    if (message.id === undefined || message.stream !== undefined) {
      board?.leave();
      out.write(text);
    } else if (board !== undefined) board.show(message.id, message);
    else if (lastStatus.get(message.id) !== message.status) {
      lastStatus.set(message.id, message.status as string);
      out.write(`${message.id}: ${message.status}\n`);
    }
  }
  return values;
}

/** Lines at the end of a terminal that are written again as they change. */
class Board {
  readonly #out: NodeJS.WriteStream;
  /** Counted from the board's first line. */
  readonly #lineOf = new Map<string, number>();
  /** As wide as the widest so far, so that the bars stand below one another. */
  #labelWidth = 0;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  show(id: string, message: ProgressMessage): void {
    const line = this.#lineFor(id, message);
    const known = this.#lineOf.get(id);
    if (known === undefined) {
      this.#lineOf.set(id, this.#lineOf.size);
      this.#out.write(`${line}\n`);
      return;
    }
    const up = this.#lineOf.size - known;
    // What has left the screen at its top cannot be reached any more.
    if (up >= (this.#out.rows || UNKNOWN_ROWS)) return;
    this.#out.write(`\x1b[${up}A\r\x1b[2K${line}\x1b[${up}B\r`);
  }

  /** Other text follows: what the board shows now stays, and a new one begins below. */
  leave(): void {
    this.#lineOf.clear();
    this.#labelWidth = 0;
  }

  #lineFor(id: string, { status = '', progressDetail }: ProgressMessage): string {
    const label = `${id}: ${status}`;
    const amount = progressAmount(progressDetail);
    if (amount !== '') this.#labelWidth = Math.max(this.#labelWidth, label.length);
    const line = amount === '' ? label : `${label.padEnd(this.#labelWidth)} ${amount}`;
    return [...line].slice(0, (this.#out.columns || UNKNOWN_COLUMNS) - 1).join('');
  }
}

/** `[====>     ] 12MB/30MB`, without a bar where the whole is not known; '' for what has no extent. */
function progressAmount({ current = 0, total = 0, units }: ProgressMessage['progressDetail'] = {}): string {
  if (total <= 0) return current > 0 ? formatSize(current) : '';
  const filled = Math.floor(Math.min(1, current / total) * BAR_WIDTH);
  const bar = `${'='.repeat(filled)}${filled < BAR_WIDTH ? '>' : ''}`.padEnd(BAR_WIDTH);
  const amount =
    units === undefined ? `${formatSize(current)}/${formatSize(total)}` : `${current}/${total} ${units}`;
  return `[${bar}] ${amount}`;
}
