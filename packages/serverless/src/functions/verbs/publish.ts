import { isDeepStrictEqual } from 'node:util';
import type { FunctionConfiguration, PublishVersionCommandInput } from '@aws-sdk/client-lambda';
import type { AwsCall } from '../../aws/index.ts';
import { type FunctionsContext, newRevision, openTarget, requireIdle } from '../context.ts';
import { invalidParameter, requireRevision } from '../errors.ts';
import type { FunctionRecord, VersionRecord } from '../function-record.ts';
import { CREATED, isSettled } from '../state.ts';
import { codeSha256, toConfiguration } from '../wire.ts';

/**
 * Keeps `$LATEST` as a version that never changes; answers the last one when nothing changed since.
 * @throws NotFound, InvalidArgument, FailedPrecondition, Conflict, in Lambda's words
 */
export function publishVersion(
  context: FunctionsContext,
  input: PublishVersionCommandInput,
  call: AwsCall,
): FunctionConfiguration {
  const target = openTarget(context, { FunctionName: input.FunctionName }, call);
  const { latest } = target.record;
  const sha256 = codeSha256(latest.code);
  if (input.CodeSha256 && input.CodeSha256 !== sha256) {
    throw invalidParameter(
      `CodeSHA256 (${input.CodeSha256}) is different from current CodeSHA256 in $LATEST (${sha256}). Please try again with the CodeSHA256 in $LATEST.`,
    );
  }
  requireRevision(input.RevisionId, latest.revisionId, 'GetFunction/GetAlias');
  requireIdle(target);
  const { record, version } = withPublished(context, target.record, input.Description);
  if (record !== target.record) context.registry.save(record);
  return toConfiguration({ record, version, accountId: call.accountId }, version.version);
}

/** The function with `$LATEST` as its newest version; as it is when that is its newest version already. */
export function withPublished(
  context: FunctionsContext,
  record: FunctionRecord,
  description?: string | undefined,
): { readonly record: FunctionRecord; readonly version: VersionRecord } {
  const newest = record.published[record.lastVersion];
  if (newest !== undefined && isSame(newest, record.latest)) return { record, version: newest };
  const number = record.lastVersion + 1;
  const version = publishedAs(context, record.latest, number, description);
  return {
    version,
    record: { ...record, lastVersion: number, published: { ...record.published, [number]: version } },
  };
}

/** `$LATEST` as a version of its own. */
export function publishedAs(
  context: FunctionsContext,
  latest: VersionRecord,
  number: number,
  description?: string | undefined,
): VersionRecord {
  const { configuration } = latest;
  return {
    ...latest,
    version: String(number),
    revisionId: newRevision(context),
    lastModifiedMs: context.clock.nowMs(),
    configuration: description ? { ...configuration, description } : configuration,
    progress: isSettled(latest.progress) ? latest.progress : CREATED,
  };
}

/** A description alone makes no new version. */
function isSame(one: VersionRecord, other: VersionRecord): boolean {
  const plain = ({ code, configuration }: VersionRecord) => ({
    code,
    configuration: { ...configuration, description: '' },
  });
  // As they are on disk, where what is undefined is absent.
  const written = (version: VersionRecord): unknown => JSON.parse(JSON.stringify(plain(version)));
  return isDeepStrictEqual(written(one), written(other));
}
