import { testVersion } from '../async-invocations/testing.ts';
import { awsError } from '../aws/index.ts';
import type {
  EventInvokeConfig,
  FunctionCatalog,
  FunctionUrl,
  FunctionVersion,
  ProvisionedConcurrency,
  ProvisionedStatus,
  ResolvedFunction,
} from '../functions/index.ts';
import type { PoolSettings } from './pool/pool.ts';

/** Functions in memory, for tests of what runs them. */
export class MemoryCatalog implements FunctionCatalog {
  readonly reserved = new Map<string, number>();
  readonly urls: FunctionUrl[] = [];
  readonly statuses: ProvisionedStatus[] = [];
  accountConcurrency = 1000;
  readonly #versions = new Map<string, FunctionVersion>();
  readonly #listeners = new Set<(name: string) => void>();
  #provisioned: readonly ProvisionedConcurrency[] = [];

  /** Creates or changes `$LATEST` of a function. */
  put(name: string, fields: Partial<FunctionVersion> = {}): FunctionVersion {
    const before = this.#versions.get(name);
    const revisionId = String(Number(before?.revisionId ?? 0) + 1);
    const version = { ...(before ?? { ...testVersion(name), revisionId: '0' }), ...fields, revisionId };
    this.#versions.set(name, version);
    this.#tell(name);
    return version;
  }

  delete(name: string): void {
    this.#versions.delete(name);
    this.#tell(name);
  }

  provision(all: readonly ProvisionedConcurrency[]): void {
    this.#provisioned = all;
    for (const { version } of all) this.#tell(version.name);
  }

  resolve(reference: string, qualifier?: string, region = 'us-east-1'): ResolvedFunction {
    const version = this.#versions.get(reference);
    if (version === undefined) {
      const arn = `arn:aws:lambda:${region}:000000000000:function:${reference}`;
      throw awsError('NotFound', 'ResourceNotFoundException', `Function not found: ${arn}`);
    }
    return { version, qualifier, invokedArn: version.functionArn };
  }

  reservedConcurrency(name: string): number | undefined {
    return this.reserved.get(name);
  }

  get unreservedConcurrency(): number {
    return [...this.reserved.values()].reduce((rest, count) => rest - count, this.accountConcurrency);
  }

  provisioned(): readonly ProvisionedConcurrency[] {
    return this.#provisioned;
  }

  setProvisionedStatus(_asked: ProvisionedConcurrency, status: ProvisionedStatus): void {
    this.statuses.push(status);
  }

  findUrl(id: string): FunctionUrl | undefined {
    return this.urls.find((url) => url.id === id);
  }

  eventInvokeConfig(): EventInvokeConfig {
    const nowhere = { onSuccess: undefined, onFailure: undefined, deadLetterTarget: undefined };
    return { maxRetries: 2, maxAgeSeconds: 21_600, ...nowhere };
  }

  onChange(listener: (name: string) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  #tell(name: string): void {
    for (const listener of this.#listeners) listener(name);
  }
}

export const testSettings = (fields: Partial<PoolSettings> = {}): PoolSettings => ({
  maxEnvironments: 100,
  maxMemoryMb: 100 * 1024,
  maxOpening: 16,
  idleMs: 600_000,
  freezeMs: 50,
  fairMs: 100,
  maxWaiting: 100,
  maxAllWaiting: 1000,
  maxWaitMs: 10_000,
  maxPrepared: 4,
  forgetMs: 1_800_000,
  ...fields,
});
