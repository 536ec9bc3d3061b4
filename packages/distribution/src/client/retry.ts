import { type Clock, errorMessage, type Logger, type Random, SlipwayError } from '@slipway/base';
import {
  type Dispatch,
  displayUrl,
  type HttpRequest,
  type HttpResponse,
  headerOf,
  isConnectionLost,
} from './http.ts';

/** When and how often something is tried again. */
export interface RetryPolicy {
  /** Tries in all, the first among them. */
  readonly attempts: number;
  /** The first pause in milliseconds; each further one is twice as long. */
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
  /** What a registry may ask for with `Retry-After`. One that asks for more is given up at once. */
  readonly maxRetryAfterMs: number;
}

export const DEFAULT_RETRY: RetryPolicy = {
  attempts: 5,
  firstDelayMs: 500,
  maxDelayMs: 10_000,
  maxRetryAfterMs: 60_000,
};

const RETRIED_STATUS: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);

/** Whether the status tells of a passing trouble. */
export const isPassing = (status: number): boolean => RETRIED_STATUS.has(status);

/** The pause before attempt `attempt + 1`: it doubles, and between half and the whole of it is by chance. */
export function backOffMs(policy: RetryPolicy, random: Random, attempt: number): number {
  const fullMs = Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** (attempt - 1));
  return Math.ceil(fullMs / 2) + random.below(Math.floor(fullMs / 2) + 1);
}

/**
 * `Retry-After` in milliseconds from `nowMs`: seconds, or a date.
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
 */
function parseRetryAfter(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  if (/^\s*\d{1,9}\s*$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

export interface RetryOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly policy: RetryPolicy;
}

/**
 * Sends a request again, after a pause, where the connection was lost or the answer tells of a passing trouble. What
 * may not be sent twice is not, and the last answer is given as it is.
 */
export const retrying =
  (dispatch: Dispatch, { clock, random, logger, policy }: RetryOptions): Dispatch =>
  async (request) => {
    if (!mayRepeat(request)) return dispatch(request);
    for (let attempt = 1; ; attempt++) {
      const isLast = attempt >= policy.attempts;
      let delayMs = backOffMs(policy, random, attempt);
      let cause: string;
      try {
        const response = await dispatch(request);
        if (isLast || !isPassing(response.status)) return response;
        const askedMs = retryAfterOf(response, clock);
        if (askedMs !== undefined && askedMs > policy.maxRetryAfterMs) return response;
        delayMs = askedMs ?? delayMs;
        cause = `status ${response.status}`;
        response.discard();
      } catch (error) {
        if (isLast || !isConnectionLost(error)) throw error;
        cause = errorMessage(error);
      }
      logger.debug(
        { method: request.method, url: displayUrl(request.url), attempt, delayMs, cause },
        'request is tried again',
      );
      await pause(clock, delayMs, request.signal);
    }
  };

const mayRepeat = ({ method, canRepeat }: HttpRequest): boolean =>
  canRepeat ?? (method === 'GET' || method === 'HEAD');

const retryAfterOf = (response: HttpResponse, clock: Clock): number | undefined =>
  parseRetryAfter(headerOf(response, 'retry-after'), clock.nowMs());

/** Sleeps. @throws the signal's reason */
export async function pause(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await clock.sleep(ms, { signal });
  } catch (error) {
    throw signal?.aborted === true
      ? signal.reason
      : new SlipwayError('Internal', errorMessage(error), { cause: error });
  }
}
