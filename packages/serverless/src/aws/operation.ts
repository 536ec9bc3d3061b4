/** Who calls an operation of an AWS API, and how they reached it. */
export interface AwsCall {
  /** The account of everything here, 12 digits. */
  readonly accountId: string;
  /** Of the signature: `eu-central-1`. */
  readonly region: string;
  /** The door as the client knows it: `localhost:4566`. */
  readonly host: string;
  /** Answered as `x-amzn-RequestId`, and the id of an invocation. A UUID. */
  readonly requestId: string;
  /** Of the header `X-Amzn-Trace-Id`. */
  readonly traceId?: string | undefined;
  readonly caller: AwsCaller;
  /** Aborts when the client goes before the reply is complete. */
  readonly signal: AbortSignal;
  /** Adds a header of Slipway's own to the reply. Absent where nobody would read it. */
  readonly setHeader?: (name: string, value: string) => void;
}

/** Whose access key signed; `root` came over the Unix socket, whose files' rights are its lock. */
export type AwsCaller =
  | { readonly kind: 'root' }
  | { readonly kind: 'account'; readonly name: string; readonly isAdmin: boolean }
  | { readonly kind: 'anonymous' };

/**
 * An operation of an AWS API: takes what the API's schema says its input is, already decoded and checked for its shape,
 * and answers what the schema says its output is. Errors are `awsError`s. Blobs are `Uint8Array`s, timestamps `Date`s, a
 * streaming output or an event stream is an `AsyncIterable`.
 */
export interface AwsOperation {
  /** `CreateFunction` */
  readonly name: string;
  readonly run: (input: unknown, call: AwsCall) => Promise<object>;
}

/** Types an operation by the SDK's own interfaces: `operation<CreateFunctionCommandInput, FunctionConfiguration>(…)`. */
export const operation = <Input, Output extends object>(
  name: string,
  run: (input: Input, call: AwsCall) => Promise<Output> | Output,
): AwsOperation => ({ name, run: async (input, call) => await run(input as Input, call) });
