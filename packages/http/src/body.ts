import { collectBytes, errorMessage, isSlipwayError, SlipwayError } from '@slipway/base';
import type { z } from 'zod';
import type { RouteRequest } from './route.ts';

export interface ReadJsonOptions {
  readonly maxBytes?: number;
}

const DEFAULT_MAX_BYTES = 4 * 1024 * 1024;

/**
 * The request's JSON body, checked by `schema`. An empty body is `{}`, as Docker reads it; so is `null`.
 * @throws InvalidArgument in Docker's words for another content type, bad JSON, or JSON of another shape.
 */
export async function readJson<T extends z.ZodType>(
  request: Pick<RouteRequest, 'body' | 'headers'>,
  schema: T,
  { maxBytes = DEFAULT_MAX_BYTES }: ReadJsonOptions = {},
): Promise<z.infer<T>> {
  const text = (await readBody(request, maxBytes)).toString('utf8');
  if (text !== '') requireJson(request.headers['content-type']);
  const value = text === '' ? {} : (parse(text) ?? {});
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue?.path.map(String).join('.');
  throw new SlipwayError('InvalidArgument', `invalid JSON: ${path ? `${path}: ` : ''}${issue?.message}`, {
    cause: result.error,
  });
}

async function readBody(request: Pick<RouteRequest, 'body'>, maxBytes: number): Promise<Buffer> {
  try {
    return await collectBytes(request.body, maxBytes);
  } catch (error) {
    if (!isSlipwayError(error, 'ResourceExhausted')) throw error;
    throw new SlipwayError('InvalidArgument', error.message, { cause: error });
  }
}

function requireJson(contentType: string | undefined): void {
  const mediaType = contentType?.split(';')[0]?.trim().toLowerCase() ?? '';
  if (mediaType !== 'application/json') {
    throw new SlipwayError(
      'InvalidArgument',
      `unsupported Content-Type header (${contentType ?? ''}): must be 'application/json'`,
    );
  }
}

function parse(text: string): unknown {
  if (text.trim() === '') {
    throw new SlipwayError('InvalidArgument', 'invalid JSON: got EOF while reading request body');
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SlipwayError('InvalidArgument', `invalid JSON: ${errorMessage(cause)}`, { cause });
  }
}
