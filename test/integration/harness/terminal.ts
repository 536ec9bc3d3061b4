import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { sleep } from './command.ts';

/** A program on a terminal of its own, as a person would use it. */
export class Terminal implements AsyncDisposable {
  /** The program's exit code. */
  readonly exited: Promise<number>;
  readonly #child;
  #output = '';

  constructor(argv: readonly string[], env: Readonly<Record<string, string>> = {}) {
    // A person's terminal is not in continuous integration, where programs leave their colours out.
    const { CI: _, ...own } = process.env;
    this.#child = spawn('/usr/bin/python3', [new URL('on_terminal.py', import.meta.url).pathname, ...argv], {
      stdio: ['pipe', 'pipe', 'inherit', 'pipe'],
      env: { ...own, TERM: 'xterm', ...env },
    });
    this.#stream(1).setEncoding('utf8');
    this.#stream(1).on('data', (text: string) => {
      this.#output += text;
    });
    for (const index of [0, 3]) this.#stdio(index).on('error', () => {});
    this.exited = new Promise((resolve) => this.#child.on('close', (code) => resolve(code ?? 137)));
  }

  /** All that the terminal showed. */
  get output(): string {
    return this.#output;
  }

  type(keys: string): void {
    this.#stdio(0).write(keys);
  }

  resize(rows: number, columns: number): void {
    this.#stdio(3).write(`${rows} ${columns}\n`);
  }

  async waitFor(pattern: string | RegExp, timeoutMs = 15_000): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs;
    while (typeof pattern === 'string' ? !this.#output.includes(pattern) : !pattern.test(this.#output)) {
      if (performance.now() > deadlineMs) {
        throw new Error(`the terminal did not show ${pattern} within ${timeoutMs} ms:\n${this.#output}`);
      }
      await sleep(30);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }

  #stdio(index: number): Writable {
    return this.#child.stdio[index] as Writable;
  }

  #stream(index: number): Readable {
    return this.#child.stdio[index] as Readable;
  }
}
