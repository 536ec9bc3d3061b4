import type { Clock, HostPath, Random } from '@slipway/base';
import { awsRequestId } from '@slipway/http';
import type { AwsCall } from '../aws/index.ts';
import { type FunctionReference, functionArn, LATEST, type Place, parseFunctionReference } from './arn.ts';
import type { ProvisionedStatus } from './catalog.ts';
import type { CodeStore } from './code/code-store.ts';
import type { CodeDownloads } from './code/download.ts';
import type { ImageSource } from './code/image-source.ts';
import type { ConfigurationRules } from './configuration.ts';
import { conflict, functionNotFound } from './errors.ts';
import { type FunctionRecord, findVersion, type VersionRecord } from './function-record.ts';
import type { FunctionLimits } from './limits.ts';
import type { FunctionRegistry } from './registry.ts';
import type { Settler } from './settle.ts';
import { isSettled } from './state.ts';
import { placeOf } from './wire.ts';

/** What the verbs of this slice stand on. Each verb is a function `(context, input, call)`. */
export interface FunctionsContext {
  readonly registry: FunctionRegistry;
  readonly codes: CodeStore;
  readonly downloads: CodeDownloads;
  readonly images: ImageSource;
  readonly settler: Settler;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: FunctionLimits;
  readonly rules: ConfigurationRules;
  /** OCI runtimes that a function may ask for. */
  readonly isolations: readonly string[];
  /** The object store: its folders are buckets. */
  readonly codeRoot: HostPath | undefined;
  /** Of the TCP door, where a caller does not say. */
  readonly port: number;
  /** How far the pool is, by `name:qualifier`. */
  readonly provisionedStatus: Map<string, ProvisionedStatus>;
  /** What else can have tags: by the kind that its ARN names. */
  readonly tagged: Map<string, TaggedResources>;
}

/** Tags of what another slice keeps; by what follows the kind in its ARN. */
export interface TaggedResources {
  /** @throws NotFound ResourceNotFoundException */
  tags(id: string): Readonly<Record<string, string>>;
  /** @throws NotFound ResourceNotFoundException */
  setTags(id: string, tags: Readonly<Record<string, string>>): void;
}

/** How requests name a function. */
export interface FunctionInput {
  readonly FunctionName: string | undefined;
  readonly Qualifier?: string | undefined;
}

/** A function that a request named. */
export interface Target extends FunctionReference {
  readonly record: FunctionRecord;
  readonly place: Place;
}

/** @throws InvalidArgument, NotFound ResourceNotFoundException */
export function openTarget(context: FunctionsContext, input: FunctionInput, call: AwsCall): Target {
  const reference = parseReference(input, call);
  const record = context.registry.get(reference.name, call, reference.qualifier);
  return { ...reference, record, place: placeOf(record, call.accountId) };
}

export const parseReference = (
  { FunctionName, Qualifier }: FunctionInput,
  call: AwsCall,
): FunctionReference => parseFunctionReference(FunctionName ?? '', Qualifier, call.accountId);

/** The version that the request means. @throws NotFound ResourceNotFoundException */
export function requireVersion({ record, qualifier, place }: Target): VersionRecord {
  const version = findVersion(record, qualifier);
  if (version === undefined) throw functionNotFound(functionArn(place, record.name, qualifier));
  return version;
}

/** The function is the one thing that is changed at a time. @throws Conflict ResourceConflictException */
export function requireIdle({ record, place }: Target): void {
  const { progress } = record.latest;
  if (isSettled(progress)) return;
  throw conflict(
    progress.state === 'Pending'
      ? 'The operation cannot be performed at this time. The function is currently in the following state: Pending'
      : `The operation cannot be performed at this time. An update is in progress for resource: ${functionArn(place, record.name)}`,
  );
}

/** The key of what belongs to a qualifier: `$LATEST` for the function itself. */
export const keyOf = (qualifier: string | undefined): string => qualifier ?? LATEST;

/** A new revision: a UUID. */
export const newRevision = ({ random }: Pick<FunctionsContext, 'random'>): string => awsRequestId(random);
