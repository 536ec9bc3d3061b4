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

/** What became of it: Lambda's `Status` of a provisioned concurrency configuration. */
export interface ProvisionedStatus {
  readonly status: 'IN_PROGRESS' | 'READY' | 'FAILED';
  /** Environments that exist. */
  readonly allocated: number;
  /** Of those, the ones that are initialised. */
  readonly available: number;
  /** Why it failed. */
  readonly reason: string | undefined;
}

/** A function URL, as what serves it must know it. */
export interface FunctionUrl {
  /** The first label of its host. */
  readonly id: string;
  readonly functionName: string;
  /** An alias; undefined for `$LATEST`. */
  readonly qualifier: string | undefined;
  readonly authType: 'NONE' | 'AWS_IAM';
  readonly invokeMode: 'BUFFERED' | 'RESPONSE_STREAM';
  readonly cors: UrlCors | undefined;
  /** Whether the function's policy lets everybody use a URL without signing (`lambda:InvokeFunctionUrl` for `*`). */
  readonly isPublic: boolean;
}

/** As `CreateFunctionUrlConfig` took it; absent lists are empty. */
export interface UrlCors {
  readonly allowCredentials: boolean;
  readonly allowHeaders: readonly string[];
  readonly allowMethods: readonly string[];
  readonly allowOrigins: readonly string[];
  readonly exposeHeaders: readonly string[];
  readonly maxAgeSeconds: number | undefined;
}

/**
 * What runs functions asks this of the functions slice, and nothing else. Answers from memory.
 */
export interface FunctionCatalog {
  /**
   * By name, `name:qualifier`, partial or whole ARN, with or without a qualifier beside it. An alias with weights is
   * decided by `random`. `region` is the caller's, for what is said of a function that is not there.
   * @throws NotFound ResourceNotFoundException; InvalidArgument InvalidParameterValueException when two qualifiers differ;
   * Conflict ResourceConflictException while it is Pending or Failed (as Lambda words it)
   */
  resolve(reference: string, qualifier?: string, region?: string): ResolvedFunction;
  /** @throws NotFound ResourceNotFoundException */
  reservedConcurrency(name: string): number | undefined;
  provisioned(): readonly ProvisionedConcurrency[];
  /** The pool tells how far it is with what `provisioned` asks. */
  setProvisionedStatus(asked: ProvisionedConcurrency, status: ProvisionedStatus): void;
  /** By the first label of its host. */
  findUrl(id: string): FunctionUrl | undefined;
  eventInvokeConfig(resolved: ResolvedFunction): EventInvokeConfig;
  readonly accountConcurrency: number;
  /** What of it no function reserved. */
  readonly unreservedConcurrency: number;
  /** Called after a function, its code, configuration or concurrency changed, or it was deleted. */
  onChange(listener: (name: string) => void): Disposable;
}
