import { appendFileSync, createReadStream, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { HostPath } from '@slipway/base';
import type { UsageEntry } from './ledger.ts';

const FILE = /^(\d{4}-\d{2}-\d{2})\.jsonl$/;

/** Every invocation, a line each, in a file for each day. The oldest days go when there are too many, or too much. */
export class Journal {
  readonly #root: HostPath;
  readonly #keptDays: number;
  readonly #maxBytes: number;

  constructor(root: HostPath, { keptDays, maxBytes }: { keptDays: number; maxBytes: number }) {
    this.#root = root;
    this.#keptDays = keptDays;
    this.#maxBytes = maxBytes;
    mkdirSync(root, { recursive: true, mode: 0o700 });
  }

  append(day: string, entries: readonly UsageEntry[]): void {
    const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`).join('');
    appendFileSync(join(this.#root, `${day}.jsonl`), lines, { mode: 0o600 });
  }

  /** Days from `from` to `to`, both included. A line that a crash cut off is left out. */
  async *read(from: string, to: string): AsyncGenerator<UsageEntry> {
    for (const day of this.#days()) {
      if (day < from || day > to) continue;
      for await (const line of createInterface({
        input: createReadStream(join(this.#root, `${day}.jsonl`)),
      })) {
        const entry = parseEntry(line);
        if (entry !== undefined) yield entry;
      }
    }
  }

  trim(): void {
    const days = this.#days().reverse();
    let bytes = 0;
    for (const [age, day] of days.entries()) {
      const path = join(this.#root, `${day}.jsonl`);
      bytes += statSync(path).size;
      // Today's stays whatever it holds.
      if (age > 0 && (age >= this.#keptDays || bytes > this.#maxBytes)) rmSync(path);
    }
  }

  #days(): string[] {
    return readdirSync(this.#root)
      .flatMap((name) => FILE.exec(name)?.[1] ?? [])
      .sort();
  }
}

function parseEntry(line: string): UsageEntry | undefined {
  try {
    return JSON.parse(line) as UsageEntry;
  } catch {
    return undefined;
  }
}
