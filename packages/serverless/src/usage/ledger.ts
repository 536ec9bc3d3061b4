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

/** Environments that were kept initialised for some time, whether or not they were used. */
export interface ProvisionedEntry {
  readonly atMs: number;
  readonly functionName: string;
  readonly version: string;
  readonly memoryMb: number;
  /** Of all environments together. */
  readonly keptMs: number;
}

/** The ledger of what functions used. */
export interface UsageLedger {
  /** Returns at once; on disk within a second. */
  record(entry: UsageEntry): void;
  /** The same for what provisioned concurrency held; tell it about once a minute. */
  recordProvisioned(entry: ProvisionedEntry): void;
}
