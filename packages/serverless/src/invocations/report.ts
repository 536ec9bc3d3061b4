import type { InvokeResult } from './invoker.ts';

/** Tells callers over the Unix socket what an invocation took, as JSON. */
export const REPORT_HEADER = 'X-Slipway-Report';

/** The REPORT line as data, and the parts of a cold start. */
export const formatReport = ({ report, coldStart }: InvokeResult): string =>
  JSON.stringify({ ...report, coldStart });
