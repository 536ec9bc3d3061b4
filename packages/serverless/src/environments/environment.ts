import type { FunctionVersion } from '../functions/index.ts';

/**
 * An execution environment of one function version: started, initialised, running one invocation at a time. Disposing ends
 * it with everything it holds.
 */
export interface Environment extends AsyncDisposable {
  readonly id: string;
  readonly version: FunctionVersion;
  /** `2026/11/28/[$LATEST]0123456789abcdef0123456789abcdef` */
  readonly logStream: string;
  readonly coldStart: ColdStart;
  /**
   * Runs one invocation; thaws the environment first when it is frozen. Never rejects for what the function does. After an
   * outcome of `timeout` or `exit` it is of no use and must be disposed.
   * @throws FailedPrecondition while another one runs; Unavailable, reason `ENVIRONMENT_ENDED`, when it ended before it was
   * given this one, which another environment can run
   */
  invoke(invocation: Invocation, options: { readonly signal: AbortSignal }): Promise<Outcome>;
  /** Stops its processes until the next invocation, as soon as all of them wait for it. When, is for whoever holds it to say. */
  freeze(): Promise<void>;
  /** Resolves when it is of no use any more, whatever the cause: its process ended, or it was disposed. */
  readonly ended: Promise<void>;
}

/** It is of no use any more, and what it was asked to run has not begun. */
export const ENVIRONMENT_ENDED = 'ENVIRONMENT_ENDED';

/** How long the parts of a start took. */
export interface ColdStart {
  /** Finding a place: a prepared environment or a new container. */
  readonly placeMs: number;
  /** Until the runtime's process ran. */
  readonly startMs: number;
  /** Initialisation: the function's code outside of its handler. */
  readonly initMs: number;
}

export interface Invocation {
  readonly requestId: string;
  readonly payload: Uint8Array;
  readonly invokedArn: string;
  readonly traceId: string | undefined;
  /** Of mobile clients: JSON, already decoded from base64. */
  readonly clientContext: string | undefined;
  /** Takes a streamed response as it comes; a promise slows the function down. Without it, it is collected. */
  readonly sink: ResponseSink | undefined;
  /** Whether `Init Duration` belongs into this one's REPORT line: the first of an environment that was started on demand. */
  readonly isCold: boolean;
}

export interface ResponseSink {
  /** Before the first bytes. */
  begin(contentType: string): void;
  write(bytes: Uint8Array): Promise<void>;
}

/** How an invocation ended, and what it cost. */
export interface Outcome {
  readonly kind:
    | 'response'
    /** The function or its runtime reported an error: `payload` is its JSON. */
    | 'error'
    | 'timeout'
    /** The runtime's process ended: `Runtime.ExitError`, or killed for its memory. */
    | 'exit';
  /** What the caller is answered, also for `timeout` and `exit`, in Lambda's words; empty when it went to the sink. */
  readonly payload: Uint8Array;
  /** `Unhandled` or `Handled`; undefined for a response. */
  readonly functionError: string | undefined;
  readonly report: Report;
  /** The last 4 KB of this invocation's log. */
  readonly logTail: string;
}

/** What the REPORT line says. */
export interface Report {
  readonly durationMs: number;
  /** Whole milliseconds, rounded up, with initialisation where it is billed. */
  readonly billedMs: number;
  readonly memorySizeMb: number;
  readonly maxMemoryUsedMb: number;
  readonly initMs: number | undefined;
}

/** Makes execution environments. */
export interface Environments extends AsyncDisposable {
  /**
   * Starts and initialises one. On demand, initialisation is bounded by 10 s, and when the function's code exits, hangs or
   * reports `init/error` there, an environment is answered all the same: its first invocation initialises again, within the
   * function's time-out, as AWS has it, and ends with what went wrong (`exit`). Provisioned, it is bounded by the
   * function's time-out.
   * @throws FailedPrecondition FunctionStartError: the code failed while provisioned; Unavailable while the runtime's image
   * is being made; what the engine says when a container cannot be made
   */
  open(version: FunctionVersion, options: OpenOptions): Promise<Environment>;
  /** How many runtimes of this name are kept started without a function, to take one quickly. */
  setPrepared(runtime: string, count: number): void;
}

export interface OpenOptions {
  readonly initialization: 'on-demand' | 'provisioned-concurrency';
  readonly debug?: DebugOptions | undefined;
  /** Until it is open. */
  readonly signal: AbortSignal;
}

/** A debugger's door into the runtime: the Node inspector or debugpy, on this port of 127.0.0.1 of the host. */
export interface DebugOptions {
  readonly port: number;
}
