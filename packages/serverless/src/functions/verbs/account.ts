import type { GetAccountSettingsResponse } from '@aws-sdk/client-lambda';
import type { FunctionsContext } from '../context.ts';
import { versionsOf, type ZipRecord } from '../function-record.ts';

/** What Lambda gives an account. There is no such limit here: the disk is. */
const TOTAL_CODE_BYTES = 80_530_636_800;

/** What functions may use here, and what they do. */
export function getAccountSettings({ registry, limits }: FunctionsContext): GetAccountSettingsResponse {
  const functions = registry.list();
  return {
    AccountLimit: {
      TotalCodeSize: TOTAL_CODE_BYTES,
      CodeSizeUnzipped: limits.unzippedBytes,
      CodeSizeZipped: limits.zipBytes,
      ConcurrentExecutions: limits.concurrency,
      UnreservedConcurrentExecutions: limits.concurrency - registry.reservedConcurrency(),
    },
    AccountUsage: { TotalCodeSize: totalBytes(registry), FunctionCount: functions.length },
  };
}

/** Of all packages, each version's by itself, as Lambda counts them. */
function totalBytes(registry: FunctionsContext['registry']): number {
  const codes = [
    ...registry.list().flatMap((record) => versionsOf(record).map(({ code }) => code)),
    ...registry.listLayers().flatMap(({ versions }) => Object.values(versions).map(({ code }) => code)),
  ];
  return codes
    .filter((code): code is ZipRecord => code.kind === 'Zip')
    .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
