import type { ResolvedFunction } from '../functions/index.ts';

/** An invocation whose result nobody waits for. */
export interface AsyncRequest {
  readonly target: ResolvedFunction;
  readonly requestId: string;
  /** JSON. */
  readonly payload: Uint8Array;
  readonly clientContext?: string | undefined;
  readonly traceId?: string | undefined;
  /** How many functions sent this on to the next one, as destinations; 0 for what a client sent. */
  readonly hops?: number | undefined;
}

/** Takes invocations whose result nobody waits for. */
export interface AsyncAcceptor {
  /**
   * On disk when it resolves: it will run, at least once, also after a crash or a loss of power. What is accepted at the same
   * time shares one sync of the disk.
   * @throws InvalidArgument RequestTooLargeException; ResourceExhausted TooManyRequestsException when the queue is full;
   * Unavailable ServiceException while the daemon ends
   */
  accept(request: AsyncRequest): Promise<void>;
}

/** What is sent to a target beside its body. */
export interface SendOptions {
  /** Message attributes, of a queue: a string, or a number that is sent as one. */
  readonly attributes?: Readonly<Record<string, string | number>> | undefined;
  /** The message group, of a FIFO queue. */
  readonly groupId?: string | undefined;
  readonly hops?: number | undefined;
  readonly signal: AbortSignal;
}

/** Sends an event to whatever an ARN names: a function or a queue. For destinations, dead letters and schedules. */
export interface EventTargets {
  /**
   * Sends `body`: the payload of an asynchronous invocation, or the body of a message. It is on disk when it resolves.
   * @throws InvalidArgument for an ARN of a service that is not here; NotFound; what the target throws
   */
  send(arn: string, body: string, options: SendOptions): Promise<void>;
  /** Whether the ARN could be a target. @throws InvalidArgument InvalidParameterValueException */
  check(arn: string): void;
}

/** What runs an event; `Invoker` of the slice `invocations` is one. */
export interface EventInvoker {
  invoke(
    request: {
      readonly target: ResolvedFunction;
      readonly requestId: string;
      readonly payload: Uint8Array;
      readonly kind: 'Event';
      readonly clientContext: string | undefined;
      readonly traceId: string | undefined;
    },
    options: { readonly signal: AbortSignal },
  ): Promise<{
    readonly executedVersion: string;
    readonly functionError: string | undefined;
    readonly payload: Uint8Array;
  }>;
}
