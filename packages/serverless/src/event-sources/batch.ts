/**
 * What a function's answer says about the records of its batch: those that failed.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
 */
export function failedItems(payload: Uint8Array, ids: readonly string[]): ReadonlySet<string> {
  const all = new Set(ids);
  let answer: unknown;
  try {
    answer = JSON.parse(Buffer.from(payload).toString() || 'null');
  } catch {
    return all;
  }
  if (typeof answer !== 'object' || answer === null) return new Set();
  const failures = (answer as { batchItemFailures?: unknown }).batchItemFailures;
  if (failures === undefined || failures === null) return new Set();
  if (!Array.isArray(failures)) return all;
  const failed = failures.map((failure: { itemIdentifier?: unknown } | null) => failure?.itemIdentifier);
  // An answer that names something else is not to be relied on.
  if (failed.some((id) => typeof id !== 'string' || !all.has(id))) return all;
  return new Set(failed as string[]);
}

/** A batch that is being gathered. */
export interface Gathering {
  readonly count: number;
  readonly sizeBytes: number;
  /** When its first item came. */
  readonly beganAtMs: number;
}

export interface BatchPolicy {
  readonly batchSize: number;
  readonly windowMs: number;
  readonly maxBytes: number;
}

/** How long a batch may wait for more: 0 when it is to be sent now. */
export function remainingMs(batch: Gathering, policy: BatchPolicy, nowMs: number): number {
  if (batch.count >= policy.batchSize || batch.sizeBytes >= policy.maxBytes) return 0;
  return Math.max(0, batch.beganAtMs + policy.windowMs - nowMs);
}
