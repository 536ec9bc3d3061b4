import { type ErrorCode, SlipwayError } from '@slipway/base';
import { z } from 'zod';
import { parseChallenges } from './challenge.ts';
import { contentTypeOf, type HttpResponse, headerOf, readAll } from './http.ts';

/** What was asked, for the message of an error. */
export interface AnswerContext {
  /** `registry docker.io, repository library/ubuntu`. */
  readonly place: string;
  /** What did not work: `cannot read the manifest latest`. */
  readonly action: string;
  /** Used instead of what the status stands for. */
  readonly code?: ErrorCode;
  /** The reason where the registry gives none. */
  readonly reason?: string;
}

const BODY_MAX_BYTES = 64 * 1024;
const MESSAGE_MAX_CHARACTERS = 500;

const CODES: Readonly<Record<number, ErrorCode>> = {
  400: 'InvalidArgument',
  401: 'Unauthenticated',
  403: 'PermissionDenied',
  404: 'NotFound',
  405: 'NotImplemented',
  409: 'Conflict',
  413: 'ResourceExhausted',
  429: 'ResourceExhausted',
  501: 'NotImplemented',
};

/** The codes of the distribution specification where only a status came. */
const REASONS: Readonly<Record<number, string>> = {
  401: 'UNAUTHORIZED',
  403: 'DENIED',
  405: 'UNSUPPORTED',
  413: 'SIZE_INVALID',
  429: 'TOOMANYREQUESTS',
};

/** The specification's wording for a code that came without one. */
const DEFAULT_MESSAGES: Readonly<Record<string, string>> = {
  DENIED: 'requested access to the resource is denied',
  UNAUTHORIZED: 'authentication required',
};

const spoken = z.string().optional().catch(undefined);
const errorsSchema = z.looseObject({
  errors: z
    .array(z.looseObject({ code: spoken, message: spoken }))
    .optional()
    .catch(undefined),
  // What token services and Docker Hub say instead.
  details: spoken,
  message: spoken,
  error_description: spoken,
  error: spoken,
});

/**
 * The error that an answer stands for: `PLACE: ACTION: manifest unknown: manifest unknown`. Its reason is the registry's
 * own code. Reads the body.
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes
 */
export async function answerError(response: HttpResponse, context: AnswerContext): Promise<SlipwayError> {
  const said = await readReason(response);
  const lacksScope = response.status === 401 && hasInsufficientScope(response);
  const reason =
    said?.code ??
    (lacksScope ? 'DENIED' : undefined) ??
    context.reason ??
    REASONS[response.status] ??
    `HTTP_${response.status}`;
  const isDenied = lacksScope || (response.status === 401 && reason === 'DENIED');
  const code = context.code ?? (isDenied ? 'PermissionDenied' : codeOf(response.status));
  const message = said?.message ?? DEFAULT_MESSAGES[reason] ?? `status ${response.status}`;
  const wait = headerOf(response, 'retry-after');
  const advice =
    response.status === 429 && wait !== undefined ? ` (try again after ${wait.slice(0, 40)})` : '';
  return new SlipwayError(
    code,
    `${context.place}: ${context.action}: ${formatReason(reason)}: ${message}${advice}`,
    { reason },
  );
}

/** A registry's code as docker shows it: `manifest unknown`. */
export const formatReason = (reason: string): string => reason.toLowerCase().replaceAll('_', ' ');

/** An answer that should have been JSON. */
export function notJson(response: HttpResponse, place: string): SlipwayError {
  return contentTypeOf(response) === 'text/html'
    ? htmlAnswer(response, place, 'JSON')
    : new SlipwayError('DataLoss', `${place} answered what is not the JSON that was expected`, {
        reason: 'BAD_ANSWER',
      });
}

/** A web page where something else was asked for: a proxy's login page, or a host that is no registry. */
export const htmlAnswer = (response: HttpResponse, place: string, expected: string): SlipwayError =>
  new SlipwayError(
    'Unavailable',
    `${place} answered HTML, not ${expected}; is ${response.url.host} a registry?`,
    { reason: 'HTML_ANSWER' },
  );

function codeOf(status: number): ErrorCode {
  const known = CODES[status];
  if (known !== undefined) return known;
  if (status >= 500) return 'Unavailable';
  return status >= 400 ? 'InvalidArgument' : 'Internal';
}

const hasInsufficientScope = (response: HttpResponse): boolean =>
  parseChallenges(headerOf(response, 'www-authenticate') ?? '').some(
    ({ parameters }) => parameters['error'] === 'insufficient_scope',
  );

async function readReason(
  response: HttpResponse,
): Promise<{ readonly code: string | undefined; readonly message: string | undefined } | undefined> {
  let text: string;
  try {
    text = (await readAll(response, BODY_MAX_BYTES)).toString('utf8');
  } catch {
    // The status says enough.
    return undefined;
  }
  if (contentTypeOf(response) === 'text/html') {
    return { code: undefined, message: `status ${response.status} with an HTML page` };
  }
  const parsed = errorsSchema.safeParse(parseJsonLeniently(text));
  if (!parsed.success) return { code: undefined, message: shorten(text) };
  const { errors, details, message, error_description: description, error } = parsed.data;
  const first = errors?.[0];
  const code =
    first?.code !== undefined && /^[A-Za-z_]{1,64}$/.test(first.code) ? first.code.toUpperCase() : undefined;
  return { code, message: shorten(first?.message ?? details ?? description ?? message ?? error ?? '') };
}

function parseJsonLeniently(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** One line, without control characters. */
function shorten(text: string): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what a terminal would obey must not come from a registry
  const line = text.replace(/[\u0000-\u001f\u007f-\u009f\s]+/g, ' ').trim();
  if (line === '') return undefined;
  return line.length > MESSAGE_MAX_CHARACTERS ? `${line.slice(0, MESSAGE_MAX_CHARACTERS)}…` : line;
}
