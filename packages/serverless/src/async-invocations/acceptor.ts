import type { ResolvedFunction } from '../functions/index.ts';

/** Takes invocations whose result nobody waits for. */
export interface AsyncAcceptor {
  /**
   * On disk when it returns: it will run, at least once, also after a crash or a loss of power.
   * @throws NotFound, InvalidArgument RequestTooLargeException, ResourceExhausted TooManyRequestsException when the queue is full
   */
  accept(request: {
    readonly target: ResolvedFunction;
    readonly requestId: string;
    readonly payload: Uint8Array;
    readonly clientContext?: string | undefined;
    readonly traceId?: string | undefined;
  }): void;
}

/** Sends an event to whatever an ARN names: a function, a queue, … For destinations, dead letters and schedules. */
export interface EventTargets {
  /** @throws InvalidArgument for an ARN of a service that is not here; NotFound */
  send(arn: string, event: unknown, options: { readonly signal: AbortSignal }): Promise<void>;
  /** Whether the ARN could be a target. @throws InvalidArgument */
  check(arn: string): void;
}
