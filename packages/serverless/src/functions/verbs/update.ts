import type {
  FunctionConfiguration,
  UpdateFunctionCodeCommandInput,
  UpdateFunctionConfigurationCommandInput,
} from '@aws-sdk/client-lambda';
import type { AwsCall } from '../../aws/index.ts';
import { checkUnzipped, takeCode } from '../code/take-code.ts';
import { applyConfiguration } from '../configuration.ts';
import { type FunctionsContext, newRevision, openTarget, requireIdle, type Target } from '../context.ts';
import { invalidParameter, requireRevision } from '../errors.ts';
import type { FunctionRecord, VersionRecord } from '../function-record.ts';
import { transition } from '../state.ts';
import { ownQualifier, toConfiguration } from '../wire.ts';
import { withPublished } from './publish.ts';

/**
 * Gives `$LATEST` other code. What runs goes on with the old code until the new is in place.
 * @throws NotFound, InvalidArgument, FailedPrecondition, Conflict, in Lambda's words
 */
export async function updateFunctionCode(
  context: FunctionsContext,
  input: UpdateFunctionCodeCommandInput,
  call: AwsCall,
): Promise<FunctionConfiguration> {
  const { limits, rules } = context;
  const begin = openUpdate(context, input, call);
  const { kind } = begin.record.latest.code;
  if ((input.ImageUri !== undefined) !== (kind === 'Image')) {
    throw invalidParameter(
      kind === 'Image'
        ? 'Please provide ImageUri when updating a function with packageType Image.'
        : 'Please don’t provide ImageUri when updating a function with packageType Zip.',
    );
  }
  applyConfiguration(begin.record.latest.configuration, { Architectures: input.Architectures }, rules);
  await using taken = await takeCode(context, input);
  // Others may have changed it while the code was being taken.
  const { record } = openUpdate(context, input, call);
  const { configuration } = record.latest;
  checkUnzipped(taken.code, configuration.layers, limits.unzippedBytes);
  const updated = withLatest(context, record, { code: taken.code });
  const { record: next, version } = input.Publish
    ? withPublished(context, updated)
    : { record: updated, version: updated.latest };
  if (input.DryRun !== true) save(context, next);
  return toConfiguration({ record: next, version, accountId: call.accountId }, ownQualifier(version));
}

/**
 * Gives `$LATEST` another configuration.
 * @throws NotFound, InvalidArgument, FailedPrecondition, Conflict, in Lambda's words
 */
export function updateFunctionConfiguration(
  context: FunctionsContext,
  input: UpdateFunctionConfigurationCommandInput,
  call: AwsCall,
): FunctionConfiguration {
  const named = openTarget(context, { FunctionName: input.FunctionName }, call);
  const { latest } = named.record;
  const configuration = applyConfiguration(latest.configuration, input, context.rules);
  checkUnzipped(latest.code, configuration.layers, context.limits.unzippedBytes);
  const { record } = openUpdate(context, input, call);
  const next = withLatest(context, record, { configuration });
  save(context, next);
  return toConfiguration({ record: next, version: next.latest, accountId: call.accountId }, undefined);
}

/** The function, ready to be changed. @throws NotFound, FailedPrecondition, Conflict */
function openUpdate(
  context: FunctionsContext,
  { FunctionName, RevisionId }: { FunctionName: string | undefined; RevisionId?: string | undefined },
  call: AwsCall,
): Target {
  const target = openTarget(context, { FunctionName }, call);
  requireRevision(RevisionId, target.record.latest.revisionId, 'GetFunction/GetAlias');
  requireIdle(target);
  return target;
}

function withLatest(
  context: FunctionsContext,
  record: FunctionRecord,
  changes: Partial<Pick<VersionRecord, 'code' | 'configuration'>>,
): FunctionRecord {
  const { latest } = record;
  return {
    ...record,
    latest: {
      ...latest,
      ...changes,
      revisionId: newRevision(context),
      lastModifiedMs: context.clock.nowMs(),
      progress: transition(latest.progress, { kind: 'updated' }),
    },
    previous: latest.progress.state === 'Active' ? latest : undefined,
  };
}

function save({ registry, settler }: FunctionsContext, record: FunctionRecord): void {
  registry.save(record);
  settler.begin(record.name);
}
