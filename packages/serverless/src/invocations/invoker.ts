import type { ColdStart, DebugOptions, Report, ResponseSink } from '../environments/index.ts';
import type { ResolvedFunction } from '../functions/index.ts';

export interface InvokeRequest {
  readonly target: ResolvedFunction;
  readonly requestId: string;
  readonly payload: Uint8Array;
  readonly kind: 'RequestResponse' | 'Event';
  readonly clientContext?: string | undefined;
  readonly traceId?: string | undefined;
  readonly sink?: ResponseSink | undefined;
  /** Runs it in an environment of its own, with a debugger's door. */
  readonly debug?: DebugOptions | undefined;
}

export interface InvokeResult {
  readonly executedVersion: string;
  readonly functionError: string | undefined;
  /** Empty when it went to the sink. */
  readonly payload: Uint8Array;
  /** The last 4 KB of the log, not yet base64. */
  readonly logTail: string;
  readonly report: Report;
  /** Of the environment that ran it, when this was its first invocation. */
  readonly coldStart: ColdStart | undefined;
}

/** Runs invocations: finds or makes an environment, waits its turn, and records what it cost. */
export interface Invoker {
  /**
   * @throws ResourceExhausted TooManyRequestsException with its `Reason`, at once, when there is no room;
   * what Lambda answers when an environment cannot be made
   */
  invoke(request: InvokeRequest, options: { readonly signal: AbortSignal }): Promise<InvokeResult>;
}
