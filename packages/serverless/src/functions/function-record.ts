import type { Digest, ImageId } from '@slipway/oci';
import { isVersionNumber, LATEST } from './arn.ts';
import type { VersionName } from './function.ts';
import type { Progress } from './state.ts';

/** A function with all that belongs to it. Immutable: a change makes another. */
export interface FunctionRecord {
  readonly name: string;
  /** Where it was created. */
  readonly region: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly reservedConcurrency: number | undefined;
  /** The number of the version that was published last; 0: none. */
  readonly lastVersion: number;
  readonly latest: VersionRecord;
  /** What `$LATEST` runs as while an update is under way. */
  readonly previous: VersionRecord | undefined;
  /** By number. */
  readonly published: Readonly<Record<string, VersionRecord>>;
  readonly aliases: Readonly<Record<string, AliasRecord>>;
  /** By qualifier; that of the function itself under `$LATEST`. So are all that follow. */
  readonly policies: Readonly<Record<string, PolicyRecord>>;
  readonly eventInvokeConfigs: Readonly<Record<string, EventInvokeRecord>>;
  readonly urls: Readonly<Record<string, UrlRecord>>;
  readonly provisioned: Readonly<Record<string, ProvisionedRecord>>;
  readonly runtimeManagement: Readonly<Record<string, RuntimeManagementRecord>>;
  readonly recursiveLoop: 'Allow' | 'Terminate';
}

export interface VersionRecord {
  readonly version: VersionName;
  readonly revisionId: string;
  readonly lastModifiedMs: number;
  readonly progress: Progress;
  readonly code: CodeRecord;
  readonly configuration: Configuration;
}

export type CodeRecord = ZipRecord | ImageCodeRecord;

/** A package in the content store. */
export interface ZipRecord {
  readonly kind: 'Zip';
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly unzippedBytes: number;
}

export interface ImageCodeRecord {
  readonly kind: 'Image';
  /** As it was written. */
  readonly uri: string;
  /** What it was here; undefined until it is. */
  readonly resolved: { readonly id: ImageId; readonly manifest: Digest } | undefined;
}

/** As it was written, with Lambda's defaults where nothing was. */
export interface Configuration {
  readonly role: string;
  readonly description: string;
  readonly handler: string | undefined;
  readonly runtime: string | undefined;
  readonly memoryMb: number;
  readonly timeoutSeconds: number;
  readonly ephemeralStorageMb: number;
  readonly variables: Readonly<Record<string, string>> | undefined;
  /** In the order in which they are laid over each other. */
  readonly layers: readonly LayerUse[];
  readonly architecture: 'x86_64' | 'arm64';
  readonly tracingMode: 'Active' | 'PassThrough';
  readonly deadLetterTarget: string | undefined;
  readonly kmsKeyArn: string | undefined;
  readonly vpc:
    | {
        readonly subnetIds: readonly string[];
        readonly securityGroupIds: readonly string[];
        readonly ipv6: boolean;
      }
    | undefined;
  readonly snapStart: 'None' | 'PublishedVersions';
  readonly image:
    | {
        readonly entryPoint: readonly string[] | undefined;
        readonly command: readonly string[] | undefined;
        readonly workingDirectory: string | undefined;
      }
    | undefined;
  readonly logging: {
    readonly format: 'Text' | 'JSON';
    readonly applicationLevel: string | undefined;
    readonly systemLevel: string | undefined;
    readonly group: string;
  };
}

/** A layer version as a function has it, which outlives its deletion. */
export interface LayerUse {
  readonly arn: string;
  readonly code: ZipRecord;
}

export interface AliasRecord {
  readonly name: string;
  readonly version: VersionName;
  readonly description: string;
  /** The part of the invocations that go to other versions, of 1. */
  readonly weights: Readonly<Record<VersionName, number>>;
  readonly revisionId: string;
}

/** Statements as IAM writes them, in the order in which they came. */
export interface PolicyRecord {
  readonly revisionId: string;
  readonly statements: readonly Statement[];
}

export interface Statement {
  readonly Sid: string;
  readonly Effect: 'Allow';
  readonly Principal: '*' | { readonly Service: string } | { readonly AWS: string };
  readonly Action: string;
  readonly Resource: string;
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export interface EventInvokeRecord {
  readonly lastModifiedMs: number;
  readonly maxRetries: number | undefined;
  readonly maxAgeSeconds: number | undefined;
  readonly onSuccess: string | undefined;
  readonly onFailure: string | undefined;
}

export interface UrlRecord {
  readonly id: string;
  readonly authType: 'NONE' | 'AWS_IAM';
  readonly invokeMode: 'BUFFERED' | 'RESPONSE_STREAM';
  readonly cors: CorsRecord | undefined;
  readonly createdAtMs: number;
  readonly lastModifiedMs: number;
}

/** As it was written. */
export interface CorsRecord {
  readonly AllowCredentials?: boolean | undefined;
  readonly AllowHeaders?: string[] | undefined;
  readonly AllowMethods?: string[] | undefined;
  readonly AllowOrigins?: string[] | undefined;
  readonly ExposeHeaders?: string[] | undefined;
  readonly MaxAge?: number | undefined;
}

export interface ProvisionedRecord {
  readonly count: number;
  readonly lastModifiedMs: number;
}

export interface RuntimeManagementRecord {
  readonly updateRuntimeOn: 'Auto' | 'FunctionUpdate' | 'Manual';
  readonly runtimeVersionArn: string | undefined;
}

/** A layer with its versions. */
export interface LayerRecord {
  readonly name: string;
  readonly region: string;
  /** The number given last: numbers are never given twice. */
  readonly lastVersion: number;
  /** By number. */
  readonly versions: Readonly<Record<string, LayerVersionRecord>>;
}

export interface LayerVersionRecord {
  readonly version: number;
  readonly description: string;
  readonly licenseInfo: string | undefined;
  readonly runtimes: readonly string[];
  readonly architectures: readonly string[];
  readonly createdAtMs: number;
  readonly code: ZipRecord;
  readonly policy: PolicyRecord | undefined;
}

/** Every version, `$LATEST` first, then as they were published. */
export const versionsOf = ({ latest, published }: FunctionRecord): VersionRecord[] => [
  latest,
  ...Object.values(published).sort((a, b) => Number(a.version) - Number(b.version)),
];

/** The version that a qualifier means, an alias's weights left aside. */
export function findVersion(
  record: FunctionRecord,
  qualifier: string | undefined,
): VersionRecord | undefined {
  if (qualifier === undefined || qualifier === LATEST) return record.latest;
  if (isVersionNumber(qualifier)) return entryOf(record.published, qualifier);
  const alias = entryOf(record.aliases, qualifier);
  return alias === undefined ? undefined : findVersion(record, alias.version);
}

/** The entry of this name, which callers choose: `constructor` is a good name for an alias. */
export const entryOf = <T>(entries: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(entries, key) ? entries[key] : undefined;

/** Without one of its entries. */
export const without = <T>(entries: Readonly<Record<string, T>>, key: string): Record<string, T> =>
  Object.fromEntries(Object.entries(entries).filter(([name]) => name !== key));
