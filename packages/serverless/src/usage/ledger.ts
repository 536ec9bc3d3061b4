/** What one invocation used. */
export interface UsageEntry {
  readonly atMs: number;
  readonly requestId: string;
  readonly functionName: string;
  readonly version: string;
  readonly durationMs: number;
  readonly billedMs: number;
  readonly memoryMb: number;
  readonly maxMemoryUsedMb: number;
  /** Of a cold start. */
  readonly initMs: number | undefined;
  readonly outcome: 'success' | 'error' | 'timeout' | 'throttle';
  /** Whether it ran in provisioned concurrency, which has a price of its own. */
  readonly isProvisioned: boolean;
}

/** The ledger of what functions used. */
export interface UsageLedger {
  /** Returns at once; on disk within a second. */
  record(entry: UsageEntry): void;
}
