import type { RegistryLogin } from './types.ts';

/** The header that carries one login. @see Docker Engine API v1.51, Authentication */
export const registryAuth = (login: RegistryLogin | undefined): Readonly<Record<string, string>> =>
  login === undefined ? {} : { 'X-Registry-Auth': encode(login) };

/** The header that carries several, by registry. */
export const registryConfig = (
  logins: Readonly<Record<string, RegistryLogin>>,
): Readonly<Record<string, string>> =>
  Object.keys(logins).length === 0 ? {} : { 'X-Registry-Config': encode(logins) };

/** With padding, as Go's decoder asks for it. */
const encode = (value: unknown): string =>
  Buffer.from(JSON.stringify(value)).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
