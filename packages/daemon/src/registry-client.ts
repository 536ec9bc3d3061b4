import type { RegistryClient } from '@slipway/distribution/client';
import type { DaemonOptions } from './floors.ts';
import { SLIPWAY_VERSION } from './version.ts';

/**
 * The client for other registries, opened when it is first wanted: a daemon that never pulls need not have its code in
 * memory. `stack` closes it.
 */
export function registryClientOpener(
  options: DaemonOptions,
  stack: AsyncDisposableStack,
): () => Promise<RegistryClient> {
  let client: Promise<RegistryClient> | undefined;
  stack.defer(async () => {
    await (await client?.catch(() => undefined))?.[Symbol.asyncDispose]();
  });
  return () => {
    client ??= openClient(options);
    return client;
  };
}

async function openClient({ config, clock, random, logger }: DaemonOptions): Promise<RegistryClient> {
  const { createEndpointFinder, openRegistryClient } = await import('@slipway/distribution/client');
  const plainUpstreams = config.registry.upstreams
    .map(({ url }) => new URL(url))
    .filter(({ protocol }) => protocol === 'http:')
    .map(({ host }) => host);
  return openRegistryClient({
    clock,
    random,
    logger: logger.child({ part: 'registry-client' }),
    userAgent: `slipway/${SLIPWAY_VERSION}`,
    findEndpoints: createEndpointFinder({
      mirrors: config.registryMirrors,
      insecure: [...config.insecureRegistries, ...plainUpstreams],
      certificateFolders: config.certificateFolders,
    }),
    proxyEnv: config.proxyEnv,
  });
}
