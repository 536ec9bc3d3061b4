/** CloudWatch's largest event, less its own 26 bytes. */
const MAX_LINE_BYTES = 262_144 - 26;

/** Cuts what a process writes into lines. */
export class OutputLines {
  readonly #onLine: (line: string) => void;
  #rest: Buffer[] = [];
  #restBytes = 0;

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(bytes: Uint8Array): void {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      this.#emit(chunk.subarray(start, end));
      start = end + 1;
    }
    if (start === chunk.length) return;
    // A copy: the rest of the chunk need not be kept for it.
    this.#rest.push(Buffer.from(chunk.subarray(start)));
    this.#restBytes += chunk.length - start;
    if (this.#restBytes >= MAX_LINE_BYTES) this.end();
  }

  /** What has no end yet is a line too. */
  end(): void {
    if (this.#restBytes > 0) this.#emit(Buffer.alloc(0));
  }

  #emit(last: Buffer): void {
    const line = this.#restBytes === 0 ? last : Buffer.concat([...this.#rest, last]);
    this.#rest = [];
    this.#restBytes = 0;
    for (let at = 0; at < line.length || at === 0; at += MAX_LINE_BYTES) {
      this.#onLine(line.toString('utf8', at, at + MAX_LINE_BYTES));
    }
  }
}
