import type {
  DeleteLayerVersionCommandInput,
  GetLayerVersionByArnCommandInput,
  GetLayerVersionCommandInput,
  GetLayerVersionResponse,
  LayerVersionsListItem,
  ListLayersCommandInput,
  ListLayersResponse,
  ListLayerVersionsCommandInput,
  ListLayerVersionsResponse,
  PublishLayerVersionCommandInput,
  PublishLayerVersionResponse,
} from '@aws-sdk/client-lambda';
import type { AwsCall } from '../../aws/index.ts';
import { layerArn, parseLayerReference } from '../arn.ts';
import { takeZip } from '../code/take-code.ts';
import type { FunctionsContext } from '../context.ts';
import { invalidParameter, noSuchResource, validationError } from '../errors.ts';
import { type LayerRecord, type LayerVersionRecord, without } from '../function-record.ts';
import { pageOf } from '../pages.ts';
import { codeSha256, formatTime, present } from '../wire.ts';
import { hostOf } from './read.ts';

const MOST_RUNTIMES = 15;

/** Makes a layer's next version. @throws InvalidArgument */
export async function publishLayerVersion(
  context: FunctionsContext,
  input: PublishLayerVersionCommandInput,
  call: AwsCall,
): Promise<PublishLayerVersionResponse> {
  const { registry, clock } = context;
  const name = parseLayerName(input.LayerName, call);
  const { CompatibleRuntimes: runtimes = [], CompatibleArchitectures: architectures = [] } = input;
  if (runtimes.length > MOST_RUNTIMES) {
    throw validationError(
      `[${runtimes.join(', ')}]`,
      'compatibleRuntimes',
      'Member must have length less than or equal to 15',
    );
  }
  await using taken = await takeZip(context, input.Content ?? {});
  const before = registry.findLayer(name);
  const record: LayerRecord = before ?? { name, region: call.region, lastVersion: 0, versions: {} };
  const version: LayerVersionRecord = {
    version: record.lastVersion + 1,
    description: input.Description ?? '',
    licenseInfo: input.LicenseInfo,
    runtimes,
    architectures,
    createdAtMs: clock.nowMs(),
    code: taken.code,
    policy: undefined,
  };
  registry.saveLayer({
    ...record,
    lastVersion: version.version,
    versions: { ...record.versions, [version.version]: version },
  });
  return toWire(context, { record, version }, call);
}

/** @throws NotFound */
export function getLayerVersion(
  context: FunctionsContext,
  input: GetLayerVersionCommandInput,
  call: AwsCall,
): GetLayerVersionResponse {
  return toWire(context, openLayerVersion(context, input, call), call);
}

/** @throws InvalidArgument, NotFound */
export function getLayerVersionByArn(
  context: FunctionsContext,
  { Arn: arn = '' }: GetLayerVersionByArnCommandInput,
  call: AwsCall,
): GetLayerVersionResponse {
  const reference = arn.startsWith('arn:') ? parseLayerReference(arn, call.accountId) : undefined;
  if (reference?.version === undefined) {
    const pattern = '(arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)';
    throw validationError(arn, 'arn', `Member must satisfy regular expression pattern: ${pattern}`);
  }
  const { name, version } = reference;
  return toWire(context, openLayerVersion(context, { LayerName: name, VersionNumber: version }, call), call);
}

/** Layers by name, each with its newest version that fits. */
export function listLayers(
  { registry }: FunctionsContext,
  input: ListLayersCommandInput,
  call: AwsCall,
): ListLayersResponse {
  const layers = registry.listLayers().flatMap((record) => {
    const [version] = versionsOf(record, input);
    return version === undefined ? [] : [{ record, version }];
  });
  const { items, next } = pageOf(layers, input, ({ record }) => record.name);
  return {
    Layers: items.map((layer) => ({
      LayerName: layer.record.name,
      LayerArn: layerArn(placeOf(layer.record, call), layer.record.name),
      LatestMatchingVersion: toItem(layer, call),
    })),
    ...next,
  };
}

/** A layer's versions, the newest first; none of a layer that is not there. */
export function listLayerVersions(
  { registry }: FunctionsContext,
  input: ListLayerVersionsCommandInput,
  call: AwsCall,
): ListLayerVersionsResponse {
  const record = registry.findLayer(parseLayerName(input.LayerName, call));
  if (record === undefined) return { LayerVersions: [] };
  // Pages go on by a key that grows.
  const { items, next } = pageOf(versionsOf(record, input), input, ({ version }) => String(1e15 - version));
  return { LayerVersions: items.map((version) => toItem({ record, version }, call)), ...next };
}

/** Functions that have it keep it. Nothing when it is not there. */
export function deleteLayerVersion(
  { registry }: FunctionsContext,
  input: DeleteLayerVersionCommandInput,
  call: AwsCall,
): object {
  const record = registry.findLayer(parseLayerName(input.LayerName, call));
  const number = String(input.VersionNumber);
  if (record?.versions[number] !== undefined) {
    registry.saveLayer({ ...record, versions: without(record.versions, number) });
  }
  return {};
}

export interface LayerVersionInput {
  readonly LayerName: string | undefined;
  readonly VersionNumber: number | undefined;
}

/** A version with its layer. */
export interface LayerVersion {
  readonly record: LayerRecord;
  readonly version: LayerVersionRecord;
}

/** @throws NotFound, InvalidArgument */
export function openLayerVersion(
  { registry }: FunctionsContext,
  { LayerName, VersionNumber = 0 }: LayerVersionInput,
  call: AwsCall,
): LayerVersion {
  const name = parseLayerName(LayerName, call);
  if (VersionNumber < 1) throw invalidParameter('Layer Version Cannot be less than 1.');
  const record = registry.findLayer(name);
  const version = record?.versions[String(VersionNumber)];
  if (record === undefined || version === undefined) throw noSuchResource();
  return { record, version };
}

export const layerVersionArn = ({ record, version }: LayerVersion, call: AwsCall): string =>
  `${layerArn(placeOf(record, call), record.name)}:${version.version}`;

function parseLayerName(text: string | undefined, { accountId }: AwsCall): string {
  const reference = parseLayerReference(text ?? '', accountId);
  if (reference !== undefined && reference.version === undefined) return reference.name;
  const pattern = '(arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\\d{12}:layer:[a-zA-Z0-9-_]+)|[a-zA-Z0-9-_]+';
  throw validationError(text, 'layerName', `Member must satisfy regular expression pattern: ${pattern}`);
}

const placeOf = ({ region }: LayerRecord, { accountId }: AwsCall) => ({ accountId, region });

/** The newest first, of those that fit. */
const versionsOf = (
  { versions }: LayerRecord,
  { CompatibleRuntime: runtime, CompatibleArchitecture: architecture }: ListLayersCommandInput,
): LayerVersionRecord[] =>
  Object.values(versions)
    .filter(
      ({ runtimes, architectures }) =>
        (runtime === undefined || runtimes.includes(runtime)) &&
        (architecture === undefined || architectures.includes(architecture)),
    )
    .sort((a, b) => b.version - a.version);

function toItem(layer: LayerVersion, call: AwsCall): LayerVersionsListItem {
  const { version, description, createdAtMs, licenseInfo, runtimes, architectures } = layer.version;
  return {
    LayerVersionArn: layerVersionArn(layer, call),
    Version: version,
    Description: description,
    CreatedDate: formatTime(createdAtMs),
    ...(runtimes.length === 0
      ? {}
      : { CompatibleRuntimes: [...runtimes] as NonNullable<LayerVersionsListItem['CompatibleRuntimes']> }),
    ...(architectures.length === 0
      ? {}
      : {
          CompatibleArchitectures: [...architectures] as NonNullable<
            LayerVersionsListItem['CompatibleArchitectures']
          >,
        }),
    ...present({ LicenseInfo: licenseInfo }),
  };
}

function toWire(
  { downloads, port }: FunctionsContext,
  layer: LayerVersion,
  call: AwsCall,
): GetLayerVersionResponse {
  const { code } = layer.version;
  return {
    ...toItem(layer, call),
    LayerArn: layerArn(placeOf(layer.record, call), layer.record.name),
    Content: {
      Location: downloads.url(code.digest, hostOf(call, port)),
      CodeSize: code.sizeBytes,
      ...present({ CodeSha256: codeSha256(code) }),
    },
  };
}
