import type { Headers } from '@slipway/http';
import { isCorsHeader } from './cors.ts';

/** What a function's answer means as HTTP. */
export interface UrlAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** Connections are the server's business, not the function's. */
const HOP_BY_HOP = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'trailer',
]);

/**
 * Reads what a function answered: an object with `statusCode` describes the response, anything else is the body of one with
 * status 200. Undefined when it is no answer: broken JSON, or a status that is none.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-response-payload
 */
export function readAnswer(payload: Uint8Array, hasCors: boolean): UrlAnswer | undefined {
  const text = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(value) || value.statusCode === undefined) {
    const body = Buffer.from(typeof value === 'string' ? value : text);
    return { status: 200, headers: { 'content-type': 'application/json' }, body };
  }
  const head = readHead(value, hasCors);
  if (head === undefined) return undefined;
  return { ...head, body: bodyOf(value.body, value.isBase64Encoded === true) };
}

/** The part of an answer that a stream begins with, as well. */
export function readHead(
  value: Record<string, unknown>,
  hasCors: boolean,
): Pick<UrlAnswer, 'status' | 'headers'> | undefined {
  const status = value.statusCode === undefined ? 200 : Number(value.statusCode);
  if (!Number.isInteger(status) || status < 200 || status > 599) return undefined;
  const headers: Record<string, string | readonly string[]> = { 'content-type': 'application/json' };
  const cookies = Array.isArray(value.cookies) ? value.cookies.map(String) : [];
  for (const [given, content] of Object.entries(isRecord(value.headers) ? value.headers : {})) {
    const name = given.toLowerCase();
    if (HOP_BY_HOP.has(name) || (hasCors && isCorsHeader(name)) || content === null || content === undefined)
      continue;
    const text = Array.isArray(content) ? content.map(String).join(',') : String(content);
    if (!isHeader(name, text)) return undefined;
    if (name === 'set-cookie') cookies.push(text);
    else headers[name] = text;
  }
  if (!cookies.every((cookie) => isHeader('set-cookie', cookie))) return undefined;
  return { status, headers: cookies.length === 0 ? headers : { ...headers, 'set-cookie': cookies } };
}

function bodyOf(body: unknown, isBase64: boolean): Buffer {
  if (body === undefined || body === null) return Buffer.alloc(0);
  if (typeof body !== 'string') return Buffer.from(JSON.stringify(body));
  return Buffer.from(body, isBase64 ? 'base64' : 'utf8');
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What node:http would refuse only while it is written. */
const isHeader = (name: string, content: string): boolean =>
  /^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name) && !/[^\t\x20-\x7e\x80-\xff]/.test(content);
