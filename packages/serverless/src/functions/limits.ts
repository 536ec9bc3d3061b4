/** What functions may ask for at most. */
export interface FunctionLimits {
  readonly timeoutSeconds: number;
  readonly memoryMb: number;
  readonly ephemeralStorageMb: number;
  /** Names and values of all variables of a function, as JSON. */
  readonly environmentBytes: number;
  readonly layers: number;
  /** Of a package that is sent with the request. */
  readonly zipBytes: number;
  /** Of a function's code with all of its layers. */
  readonly unzippedBytes: number;
  /** Of all functions' invocations together. */
  readonly concurrency: number;
}

/** Lambda's own. @see https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html */
export const LAMBDA_LIMITS: FunctionLimits = {
  timeoutSeconds: 900,
  memoryMb: 10_240,
  ephemeralStorageMb: 10_240,
  environmentBytes: 4_096,
  layers: 5,
  zipBytes: 52_428_800,
  unzippedBytes: 262_144_000,
  concurrency: 1_000,
};
