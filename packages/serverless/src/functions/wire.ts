import type { FunctionConfiguration } from '@aws-sdk/client-lambda';
import { digestHex } from '@slipway/oci';
import { functionArn, LATEST, type Place } from './arn.ts';
import type { CodeRecord, FunctionRecord, LayerUse, VersionRecord } from './function-record.ts';
import type { Progress } from './state.ts';

/** As Lambda writes times that are strings: `2026-11-28T20:15:30.123+0000`. */
export const formatTime = (ms: number): string => new Date(ms).toISOString().replace('Z', '+0000');

/** What the API calls `CodeSha256`: a zip's digest in base64, an image's in hex; undefined until the image is here. */
export function codeSha256(code: CodeRecord): string | undefined {
  if (code.kind === 'Zip') return Buffer.from(digestHex(code.digest), 'hex').toString('base64');
  return code.resolved === undefined ? undefined : digestHex(code.resolved.manifest);
}

/** Where a function lives. */
export const placeOf = ({ region }: FunctionRecord, accountId: string): Place => ({ accountId, region });

/**
 * A version as the API shows it. `qualifier` is what the ARN ends with: what was asked for, or the number of a version in a
 * list.
 */
export function toConfiguration(
  { record, version, accountId }: VersionView,
  qualifier: string | undefined,
): FunctionConfiguration {
  const { configuration, code } = version;
  const place = placeOf(record, accountId);
  return {
    FunctionName: record.name,
    FunctionArn: functionArn(place, record.name, qualifier),
    Role: configuration.role,
    Description: configuration.description,
    Version: version.version,
    RevisionId: version.revisionId,
    LastModified: formatTime(version.lastModifiedMs),
    MemorySize: configuration.memoryMb,
    Timeout: configuration.timeoutSeconds,
    EphemeralStorage: { Size: configuration.ephemeralStorageMb },
    Architectures: [configuration.architecture],
    TracingConfig: { Mode: configuration.tracingMode },
    SnapStart: { ApplyOn: configuration.snapStart, OptimizationStatus: 'Off' },
    LoggingConfig: present({
      LogFormat: configuration.logging.format,
      ApplicationLogLevel: configuration.logging.applicationLevel as 'INFO',
      SystemLogLevel: configuration.logging.systemLevel as 'INFO',
      LogGroup: configuration.logging.group,
    }),
    PackageType: code.kind,
    CodeSize: code.kind === 'Zip' ? code.sizeBytes : 0,
    ...present({ CodeSha256: codeSha256(code) }),
    ...toProgress(version.progress),
    ...present({
      Runtime: configuration.runtime as FunctionConfiguration['Runtime'],
      Handler: configuration.handler,
      KMSKeyArn: configuration.kmsKeyArn,
      Environment: configuration.variables && { Variables: { ...configuration.variables } },
      DeadLetterConfig:
        configuration.deadLetterTarget === undefined
          ? undefined
          : { TargetArn: configuration.deadLetterTarget },
      Layers: configuration.layers.length === 0 ? undefined : toLayers(configuration.layers),
      ImageConfigResponse: toImageConfig(version),
      VpcConfig: configuration.vpc && {
        SubnetIds: [...configuration.vpc.subnetIds],
        SecurityGroupIds: [...configuration.vpc.securityGroupIds],
        VpcId: '',
        Ipv6AllowedForDualStack: configuration.vpc.ipv6,
      },
    }),
  };
}

/** What showing a version takes. */
export interface VersionView {
  readonly record: FunctionRecord;
  readonly version: VersionRecord;
  readonly accountId: string;
}

/** What follows the ARN of a version that was made: its number, nothing for `$LATEST`. */
export const ownQualifier = ({ version }: VersionRecord): string | undefined =>
  version === LATEST ? undefined : version;

function toProgress({ state, stateReason, update, updateReason }: Progress) {
  return present({
    State: state,
    StateReason: stateReason?.text,
    StateReasonCode: stateReason?.code as FunctionConfiguration['StateReasonCode'],
    LastUpdateStatus: update,
    LastUpdateStatusReason: updateReason?.text,
    LastUpdateStatusReasonCode: updateReason?.code as FunctionConfiguration['LastUpdateStatusReasonCode'],
  });
}

const toLayers = (layers: readonly LayerUse[]) =>
  layers.map(({ arn, code }) => ({ Arn: arn, CodeSize: code.sizeBytes }));

function toImageConfig({ configuration: { image } }: VersionRecord) {
  if (image === undefined) return undefined;
  return {
    ImageConfig: present({
      EntryPoint: image.entryPoint && [...image.entryPoint],
      Command: image.command && [...image.command],
      WorkingDirectory: image.workingDirectory,
    }),
  };
}

/** Without the members that are undefined. */
export function present<T extends object>(members: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
