import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

/** How a program ended and what it wrote. `code` is 128+n for a death by signal n, as a shell has it. */
export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** `stdout` without the white space around it. */
  readonly text: string;
  readonly durationMs: number;
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array | Readable;
  readonly cwd?: string;
  /** Killed after this; 60 s unless said otherwise. */
  readonly timeoutMs?: number;
}

const SIGNALS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGKILL: 9,
  SIGTERM: 15,
  SIGPIPE: 13,
};

export type PipedChild = ChildProcessByStdio<Writable, Readable, Readable>;

/** A program that goes on while the test does something else. */
export class RunningCommand implements AsyncDisposable {
  readonly child: PipedChild;
  readonly result: Promise<CommandResult>;
  #stdout = '';
  #stderr = '';
  readonly #watchers = new Set<() => void>();

  constructor(argv: readonly string[], options: CommandOptions = {}) {
    const [program = '', ...args] = argv;
    const startedAtMs = performance.now();
    this.child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      cwd: options.cwd,
    });
    this.child.stdin.on('error', () => {});
    this.child.stdout
      .setEncoding('utf8')
      .on('data', (text: string) => this.#take(() => (this.#stdout += text)));
    this.child.stderr
      .setEncoding('utf8')
      .on('data', (text: string) => this.#take(() => (this.#stderr += text)));
    const deadline = setTimeout(() => {
      this.#stderr += `\n[killed by the test after ${options.timeoutMs ?? 60_000} ms]\n`;
      this.child.kill('SIGKILL');
    }, options.timeoutMs ?? 60_000);
    this.result = new Promise((resolve, reject) => {
      this.child.on('error', reject);
      this.child.on('close', (code, signal) => {
        clearTimeout(deadline);
        this.#take(() => {});
        const stdout = this.#stdout;
        resolve({
          code: code ?? 128 + (SIGNALS[signal ?? ''] ?? 0),
          stdout,
          stderr: this.#stderr,
          text: stdout.trim(),
          durationMs: performance.now() - startedAtMs,
        });
      });
    });
    this.result.catch(() => {});
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  write(text: string): void {
    this.child.stdin.write(text);
  }

  endInput(): void {
    this.child.stdin.end();
  }

  /** Settles when standard output matches; fails when the program ends before, or after `timeoutMs`. */
  async waitForOutput(pattern: string | RegExp, timeoutMs = 15_000): Promise<void> {
    const matches = () =>
      typeof pattern === 'string' ? this.#stdout.includes(pattern) : pattern.test(this.#stdout);
    let ended = false;
    this.result.then(() => {
      ended = true;
    });
    const deadlineMs = performance.now() + timeoutMs;
    while (!matches()) {
      if (ended || performance.now() > deadlineMs) {
        throw new Error(
          `no ${pattern} in the output (${ended ? 'it ended' : `after ${timeoutMs} ms`}):\n${this.#stdout}\n${this.#stderr}`,
        );
      }
      await this.#nextChange(50);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL');
    await this.result.catch(() => {});
  }

  #take(action: () => void): void {
    action();
    for (const wake of this.#watchers) wake();
    this.#watchers.clear();
  }

  #nextChange(atMostMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, atMostMs);
      this.#watchers.add(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

/** Runs a program to its end. */
export async function runCommand(
  argv: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  await using command = new RunningCommand(argv, options);
  const { input } = options;
  if (input === undefined) command.endInput();
  else if (typeof input === 'string' || input instanceof Uint8Array) command.child.stdin.end(input);
  else input.pipe(command.child.stdin);
  return await command.result;
}

/** As `runCommand`, and fails when the program does. */
export async function mustRun(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const result = await runCommand(argv, options);
  if (result.code !== 0) {
    throw new Error(`${argv.join(' ')} ended with ${result.code}:\n${result.stdout}${result.stderr}`);
  }
  return result;
}

/** Asks until `question` answers something true, and returns it. */
export async function eventually<T>(
  what: string,
  question: () => Promise<T | false | undefined> | T | false | undefined,
  timeoutMs = 10_000,
): Promise<T> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const answer = await question();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > deadlineMs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await sleep(50);
  }
}

export const sleep = (durationMs: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, durationMs));
