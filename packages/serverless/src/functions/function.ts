import type { HostPath } from '@slipway/base';

/** `$LATEST` or the number of a published version. */
export type VersionName = string;

/**
 * One version of a function as it is run: everything an execution environment must know of it. Immutable; a change of
 * `$LATEST` makes a new one with another `revisionId`, and environments of an older revision take no more invocations.
 */
export interface FunctionVersion {
  readonly name: string;
  readonly version: VersionName;
  /** Of the function, unqualified. */
  readonly functionArn: string;
  readonly accountId: string;
  /** Where it was created; what its code is told as `AWS_REGION`. */
  readonly region: string;
  readonly revisionId: string;
  readonly code: FunctionCode;
  readonly handler: string;
  readonly memoryMb: number;
  readonly timeoutMs: number;
  /** Of `/tmp`. */
  readonly ephemeralStorageMb: number;
  readonly variables: Readonly<Record<string, string>>;
  /** Unpacked, read-only, in the order in which they are laid into `/opt`. */
  readonly layers: readonly HostPath[];
  readonly network: 'outbound' | 'none';
  /** The OCI runtime that its environments run in; undefined for the engine's default. */
  readonly isolation: string | undefined;
  readonly logging: FunctionLogging;
  /** A folder that stands for the code while it is developed: read at each start; undefined otherwise. */
  readonly sourceFolder: HostPath | undefined;
}

export type FunctionCode =
  | {
      readonly packageType: 'Zip';
      /** `nodejs22.x` */
      readonly runtime: string;
      /** Unpacked, immutable, shared by all versions with the same code. */
      readonly folder: HostPath;
      /** Of the zip, base64. */
      readonly sha256: string;
      readonly sizeBytes: number;
    }
  | {
      readonly packageType: 'Image';
      /** What the engine's image store resolves: by digest, so that a moved tag changes nothing. */
      readonly image: string;
      readonly entryPoint: readonly string[] | undefined;
      readonly command: readonly string[] | undefined;
      readonly workingDirectory: string | undefined;
      readonly sha256: string;
    };

export interface FunctionLogging {
  /** `/aws/lambda/NAME` unless another was configured. */
  readonly group: string;
  readonly format: 'Text' | 'JSON';
  readonly applicationLevel: string;
  readonly systemLevel: string;
}
