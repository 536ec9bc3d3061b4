/** Lambda's reasons for refusing an invocation. @see https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html */
export type ThrottleReason =
  | 'ReservedFunctionConcurrentInvocationLimitExceeded'
  | 'ConcurrentInvocationLimitExceeded'
  | 'CallerRateLimitExceeded';

/** What counts when an invocation comes. */
export interface Load {
  /** Invocations of this function that were admitted and have not ended. */
  readonly inFlight: number;
  readonly reserved: number | undefined;
  /** The same of all functions without reserved concurrency, and how many they may have together. */
  readonly unreservedInFlight: number;
  readonly unreserved: number;
  /** Invocations that wait for an environment: of this function, and of all. */
  readonly waiting: number;
  readonly allWaiting: number;
}

export interface QueueLimits {
  readonly maxWaiting: number;
  readonly maxAllWaiting: number;
}

/** Why the invocation is refused at once; undefined when it may run, or wait its turn. */
export function refusal(load: Load, limits: QueueLimits): ThrottleReason | undefined {
  if (load.reserved !== undefined) {
    if (load.inFlight >= load.reserved) return 'ReservedFunctionConcurrentInvocationLimitExceeded';
  } else if (load.unreservedInFlight >= load.unreserved) {
    return 'ConcurrentInvocationLimitExceeded';
  }
  if (load.waiting >= limits.maxWaiting || load.allWaiting >= limits.maxAllWaiting) {
    return 'CallerRateLimitExceeded';
  }
  return undefined;
}
