import { SlipwayError } from '@slipway/base';
import { z } from 'zod';

const secretsSchema = z.record(z.string(), z.base64());

/**
 * The header `X-Slipway-Build-Secrets`: by name, base64 of their bytes.
 * @throws InvalidArgument, which does not repeat them
 */
export function readSecrets(header: string | undefined): ReadonlyMap<string, Buffer> {
  if (header === undefined) return new Map();
  try {
    const parsed = secretsSchema.parse(JSON.parse(Buffer.from(header, 'base64').toString('utf8')));
    return new Map(Object.entries(parsed).map(([id, value]) => [id, Buffer.from(value, 'base64')]));
  } catch {
    throw new SlipwayError('InvalidArgument', 'the header X-Slipway-Build-Secrets is not base64 of JSON');
  }
}
