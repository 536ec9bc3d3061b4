import { SlipwayError } from '@slipway/base';
import type { Credentials } from '@slipway/distribution/client';
import { z } from 'zod';

const text = z.string().nullish();

/** What clients send of a login, in docker's names. @see moby api/types/registry.AuthConfig */
export const authConfigSchema = z.looseObject({
  username: text,
  password: text,
  /** base64 of `username:password`, where the two are not given. */
  auth: text,
  serveraddress: text,
  identitytoken: text,
  registrytoken: text,
});

export type AuthConfig = z.infer<typeof authConfigSchema>;

/** docker's key for Docker Hub. */
const HUB_ADDRESSES = new Set(['', 'index.docker.io', 'registry-1.docker.io', 'hub.docker.com']);

/**
 * The login in an `X-Registry-Auth` header; undefined where nobody is named. Read leniently, in either alphabet of
 * base64 and with or without padding, as clients differ.
 * @throws InvalidArgument, which does not repeat the header
 */
export function parseRegistryAuth(header: string | undefined): Credentials | undefined {
  if (header === undefined || header.trim() === '') return undefined;
  return toCredentials(decode(header, authConfigSchema, 'X-Registry-Auth'));
}

/**
 * The logins of an `X-Registry-Config` header, by registry, for what needs several.
 * @throws InvalidArgument, which does not repeat the header
 */
export function parseRegistryConfig(header: string | undefined): (domain: string) => Credentials | undefined {
  if (header === undefined || header.trim() === '') return () => undefined;
  const configs = decode(header, z.record(z.string(), authConfigSchema), 'X-Registry-Config');
  const byDomain = new Map(
    Object.entries(configs).map(([address, config]) => [domainOfAddress(address), toCredentials(config)]),
  );
  return (domain) => byDomain.get(domain);
}

/** The credentials of a login; undefined where it names nobody. */
export function toCredentials(config: AuthConfig): Credentials | undefined {
  const [username, password] = namedIn(config);
  const credentials: Credentials = {
    ...(username === '' ? {} : { username, password }),
    ...(config.identitytoken ? { identityToken: config.identitytoken } : {}),
    ...(config.registrytoken ? { registryToken: config.registrytoken } : {}),
  };
  return Object.keys(credentials).length === 0 ? undefined : credentials;
}

/** The registry that a login's address means: `https://index.docker.io/v1/` is `docker.io`. */
export function domainOfAddress(address: string): string {
  const host = address.replace(/^[a-z]+:\/\//i, '').replace(/\/.*$/, '');
  return HUB_ADDRESSES.has(host) ? 'docker.io' : host;
}

function namedIn({ username, password, auth }: AuthConfig): readonly [username: string, password: string] {
  if (username) return [username, password ?? ''];
  const pair = Buffer.from(auth ?? '', 'base64').toString();
  const colon = pair.indexOf(':');
  return colon === -1 ? ['', ''] : [pair.slice(0, colon), pair.slice(colon + 1).replaceAll('\0', '')];
}

function decode<T extends z.ZodType>(header: string, schema: T, name: string): z.infer<T> {
  let value: unknown;
  try {
    // Node's decoder takes both alphabets, and does not ask for padding.
    value = JSON.parse(Buffer.from(header, 'base64').toString('utf8')) ?? {};
  } catch {
    throw new SlipwayError('InvalidArgument', `the ${name} header is not base64 of JSON`);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new SlipwayError(
    'InvalidArgument',
    `the ${name} header is not valid: ${result.error.issues[0]?.path.join('.')}: ${result.error.issues[0]?.message}`,
  );
}
