import type { FunctionVersion } from './function.ts';

/** A function as a caller named it, resolved to the version that is to run. */
export interface ResolvedFunction {
  readonly version: FunctionVersion;
  /** As it was named: a version, an alias or nothing (`$LATEST`). */
  readonly qualifier: string | undefined;
  /** What the code is told as `invoked_function_arn`. */
  readonly invokedArn: string;
}

/** What becomes of asynchronous invocations. */
export interface EventInvokeConfig {
  /** 0 to 2. */
  readonly maxRetries: number;
  readonly maxAgeSeconds: number;
  /** ARNs. */
  readonly onSuccess: string | undefined;
  readonly onFailure: string | undefined;
  /** Of the function's own configuration. */
  readonly deadLetterTarget: string | undefined;
}

/** Environments that are to be kept initialised. */
export interface ProvisionedConcurrency {
  readonly version: FunctionVersion;
  /** The alias or version it was asked for. */
  readonly qualifier: string;
  readonly count: number;
}

/**
 * What runs functions asks this of the functions slice, and nothing else. Answers from memory.
 */
export interface FunctionCatalog {
  /**
   * By name, `name:qualifier`, partial or whole ARN, with or without a qualifier beside it. An alias with weights is
   * decided by `random`.
   * @throws NotFound ResourceNotFoundException; InvalidArgument InvalidParameterValueException when two qualifiers differ;
   * Conflict ResourceConflictException while it is Pending or Failed (as Lambda words it)
   */
  resolve(reference: string, qualifier?: string): ResolvedFunction;
  /** @throws NotFound ResourceNotFoundException */
  reservedConcurrency(name: string): number | undefined;
  provisioned(): readonly ProvisionedConcurrency[];
  eventInvokeConfig(resolved: ResolvedFunction): EventInvokeConfig;
  readonly accountConcurrency: number;
  /** Called after a function, its code, configuration or concurrency changed, or it was deleted. */
  onChange(listener: (name: string) => void): Disposable;
}
