import { errorMessage, SlipwayError } from '@slipway/base';
import type { z } from 'zod';

/** An index in an annotation in a descriptor needs less than ten; what walks a document must not fall for thousands. */
const MAX_DEPTH = 64;

const invalid = (what: string, why: string, cause?: unknown) =>
  new SlipwayError('InvalidArgument', `the ${what} is not valid: ${why}`, { cause });

/**
 * Reads a JSON object that may be hostile.
 * @throws InvalidArgument naming `what`: not UTF-8, not JSON, not an object, or nested more than 64 levels deep
 */
export function parseJsonObject(bytes: Uint8Array, what: string): Readonly<Record<string, unknown>> {
  if (isTooDeep(bytes)) throw invalid(what, `it is nested deeper than the ${MAX_DEPTH} levels allowed`);
  const document = parse(bytes, what);
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw invalid(what, 'it is not a JSON object');
  }
  return document as Readonly<Record<string, unknown>>;
}

/** Reads JSON against a schema. @throws InvalidArgument naming `what` and the field */
export function parseJson<T extends z.ZodType>(bytes: Uint8Array, schema: T, what: string): z.infer<T> {
  if (isTooDeep(bytes)) throw invalid(what, `it is nested deeper than the ${MAX_DEPTH} levels allowed`);
  return checkAgainst(parse(bytes, what), schema, what);
}

/** @throws InvalidArgument naming `what` and the field */
export function checkAgainst<T extends z.ZodType>(value: unknown, schema: T, what: string): z.infer<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.join('.') ?? '';
  throw invalid(what, `${where === '' ? '' : `${where}: `}${issue?.message}`, result.error);
}

function parse(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new SlipwayError('InvalidArgument', `the ${what} is not JSON: ${errorMessage(cause)}`, { cause });
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Counts the brackets outside strings, before anything is made of the document. */
function isTooDeep(bytes: Uint8Array): boolean {
  let depth = 0;
  for (let at = 0; at < bytes.length; at++) {
    switch (bytes[at]) {
      case QUOTE:
        at = endOfString(bytes, at);
        break;
      case OPEN_ARRAY:
      case OPEN_OBJECT:
        if (++depth > MAX_DEPTH) return true;
        break;
      case CLOSE_ARRAY:
      case CLOSE_OBJECT:
        depth--;
    }
  }
  return false;
}

function endOfString(bytes: Uint8Array, start: number): number {
  let at = start + 1;
  while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
  return at;
}
