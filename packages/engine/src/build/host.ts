import { readFile } from 'node:fs/promises';
import { isSlipwayError, type Random } from '@slipway/base';
import type { BuildHost, BuildSession } from '@slipway/build';
import { formatHosts, formatResolvConf, type Networks } from '@slipway/network';
import { formatReference, type Platform, parseReference, type Reference, withDefaultTag } from '@slipway/oci';
import type { Image, ImageService } from '../images/index.ts';
import { servesPlatform, type TransferService } from '../transfer/index.ts';

export interface BuildHostOptions {
  readonly images: ImageService;
  readonly transfer: TransferService;
  readonly networking: Networks;
  /** The network that steps are on. */
  readonly defaultNetworkId: () => string;
  readonly dns: {
    readonly servers: readonly string[];
    readonly search: readonly string[];
    readonly options: readonly string[];
  };
  readonly random: Random;
}

/** Images and networks as the solver needs them. A base image becomes an image of the engine, as a pull of it would. */
export function createBuildHost(given: BuildHostOptions): BuildHost {
  return {
    async resolveImage(reference, { platform, pull, session, signal }) {
      const { manifest, document } = await openImage(given, { reference, platform, pull, session, signal });
      return { manifest, config: document };
    },
    async fetchImage(reference, manifest, { platform, session, signal, onProgress }) {
      const here = given.images.find(reference);
      const image =
        here?.manifest.digest === manifest.digest
          ? here
          : await openImage(given, {
              reference: formatReference({
                ...parseReference(reference),
                tag: undefined,
                digest: manifest.digest,
              }),
              platform,
              pull: false,
              session,
              signal,
            });
      onProgress({
        id: manifest.digest,
        currentBytes: image.sizeBytes,
        totalBytes: image.sizeBytes,
        done: true,
      });
      return {
        manifest: image.manifest,
        config: image.document,
        layers: image.diffIds.map((diffId, index) => ({
          diffId,
          chainId: image.chainIds[index] as (typeof image.chainIds)[number],
          blob: image.layers[index] as (typeof image.layers)[number],
        })),
      };
    },
    openNetwork: ({ signal }) => openNetwork(given, signal),
  };
}

interface Wanted {
  readonly reference: string;
  readonly platform: Platform;
  readonly pull: boolean;
  readonly session: BuildSession;
  readonly signal: AbortSignal;
}

/** The image, pulled when it is not here for that platform, or when a newer one is asked for. */
async function openImage(given: BuildHostOptions, wanted: Wanted): Promise<Image> {
  const { images, transfer } = given;
  const { reference, platform, session, signal } = wanted;
  const here = images.find(reference);
  const serves = here !== undefined && servesPlatform(platformOf(here), platform);
  if (serves && !wanted.pull) return here;
  const named = withDefaultTag(parseReference(reference));
  const credentials = await session.credentials(named.domain);
  // The name stays with the image that people have under it, when that one is for another platform.
  const target: Reference =
    here === undefined || serves || named.digest !== undefined
      ? named
      : await pinned(given, named, { platform, credentials, signal });
  try {
    for await (const _ of await transfer.pull({ reference: target, platform, credentials }, signal));
  } catch (error) {
    // `--pull` of what is here alone, and in no registry: docker refuses that too, but for its own images.
    if (!(serves && isSlipwayError(error, 'NotFound'))) throw error;
    return here;
  }
  return await images.resolve(formatReference(target));
}

async function pinned(
  { transfer }: BuildHostOptions,
  reference: Reference,
  {
    platform,
    credentials,
    signal,
  }: {
    platform: Platform;
    credentials: Awaited<ReturnType<BuildSession['credentials']>>;
    signal: AbortSignal;
  },
): Promise<Reference> {
  const { descriptor } = await transfer.inspectRemote({ reference, credentials, platform }, signal);
  return { domain: reference.domain, path: reference.path, digest: descriptor.digest };
}

const platformOf = ({ os, architecture, variant }: Image): Platform => ({ os, architecture, variant });

async function openNetwork(
  { networking, defaultNetworkId, dns, random }: BuildHostOptions,
  signal: AbortSignal,
): ReturnType<BuildHost['openNetwork']> {
  signal.throwIfAborted();
  const id = random.hex(32);
  const networkId = defaultNetworkId();
  const sandbox = await networking.createSandbox({
    containerId: id,
    containerName: `build-${id.slice(0, 12)}`,
    endpoints: [{ networkId, names: [], nameServers: dns.servers }],
    ports: [],
  });
  const own = networking.nameServer(networkId);
  return {
    namespacePath: sandbox.netnsPath,
    hosts: formatHosts({ entries: [] }),
    resolvConf: formatResolvConf({
      hostResolvConf: await readFile('/etc/resolv.conf', 'utf8').catch(() => ''),
      keepLoopback: false,
      nameServers: own === undefined ? dns.servers : [own],
      search: dns.search,
      options: dns.options,
    }),
    [Symbol.asyncDispose]: () => networking.removeSandbox(id),
  };
}
