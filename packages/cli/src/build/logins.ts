import type { RegistryLogin } from '@slipway/client';
import type { Context } from '../command.ts';
import { loginsForImages } from '../registry/credential-store.ts';
import { configPath, readConfig } from '../registry/docker-config.ts';
import { hostOfAddress } from '../registry/name.ts';

/** Every login that is kept: which registries a Dockerfile names is known to the daemon only. */
export async function allLogins(context: Context): Promise<Record<string, RegistryLogin>> {
  const { auths = {}, credHelpers = {} } = await readConfig(configPath(context.env));
  const hosts = [...Object.keys(auths), ...Object.keys(credHelpers)].map(hostOfAddress);
  return await loginsForImages(
    context,
    hosts.map((host) => `${host}/any`),
  );
}
