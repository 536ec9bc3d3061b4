import { createHash } from 'node:crypto';
import type { ProgressMessage } from '@slipway/api/docker';
import { type Clock, isSlipwayError, type Logger, type Random, SlipwayError } from '@slipway/base';
import type { Credentials, FoundRepository, RegistryClient, Repository } from '@slipway/distribution/client';
import {
  type Descriptor,
  formatPlatform,
  formatReference,
  type Platform,
  type Reference,
} from '@slipway/oci';
import type { Store } from '@slipway/store';
import type { EventBus } from '../events/index.ts';
import type { ImageService } from '../images/index.ts';
import { compressedLayer } from './compress-layer.ts';
import type { TransferContext } from './context.ts';
import { BlobDownloads } from './downloads.ts';
import { type PullRequest, pull } from './pull.ts';
import { PullLeases } from './pull-leases.ts';
import { type PushRequest, push } from './push.ts';
import { type PushImagesRequest, pushImages } from './push-images.ts';
import { type IndexRequest, pushIndex } from './push-index.ts';
import { TransferRecords } from './records.ts';
import {
  describeRemote,
  type InspectedRemoteImage,
  inspectRemote,
  type RemoteImage,
  type RemoteRequest,
  searchRegistry,
} from './remote.ts';
import { SharedWork } from './shared-work.ts';
import { type Upload, type UploadRequest, withUpload } from './upload.ts';

export interface TransferServiceOptions {
  readonly store: Store;
  readonly images: ImageService;
  readonly events: EventBus;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Asked once, at the first use. The client stays its giver's to dispose. */
  readonly openClient: () => Promise<RegistryClient>;
  /** Whether a registry, as references name it, is this engine's own. */
  readonly isOwnRegistry: (domain: string) => boolean;
}

/** The transfer slice: images from and to registries. */
export class TransferService implements AsyncDisposable {
  readonly #context: TransferContext;
  readonly #work = new SharedWork();

  constructor({ openClient, ...options }: TransferServiceOptions) {
    let client: Promise<RegistryClient> | undefined;
    const records = new TransferRecords(options.store.database);
    this.#context = {
      ...options,
      records,
      leases: new PullLeases({ leases: options.store.leases, records, clock: options.clock }),
      downloads: new BlobDownloads(options.store),
      client: () => {
        client ??= openClient();
        return client;
      },
    };
  }

  /**
   * Pulls; who asks for the same at the same time shares it. It stops when nobody reads its progress any more.
   * @throws before the first message, so that an answer can still have a status of its own. @see pull
   */
  pull(request: PullRequest, signal: AbortSignal): Promise<AsyncIterableIterator<ProgressMessage>> {
    return this.#work.join(
      pullKey(request),
      (report, stop) => pull(this.#context, request, report, stop),
      signal,
    );
  }

  /** @throws before the first message when there is no such image. @see push */
  push(request: PushRequest, signal: AbortSignal): Promise<AsyncIterableIterator<ProgressMessage>> {
    return this.#work.join(
      `push ${this.#context.random.hex(8)}`,
      (report, stop) => push(this.#context, request, report, stop),
      signal,
    );
  }

  /** @see pushIndex */
  pushIndex(request: IndexRequest, signal: AbortSignal): ReturnType<typeof pushIndex> {
    return pushIndex(this.#context, request, signal);
  }

  /** @see pushImages */
  pushImages(request: PushImagesRequest, signal: AbortSignal): Promise<Descriptor> {
    return pushImages(this.#context, request, signal);
  }

  /** @see withUpload */
  upload<T>(request: UploadRequest, signal: AbortSignal, work: (upload: Upload) => Promise<T>): Promise<T> {
    return withUpload(this.#context, request, signal, work);
  }

  /** A repository, for who reads what is no image. */
  async repository(reference: Reference, credentials?: Credentials): Promise<Repository> {
    return (await this.#context.client()).repository(reference, credentials);
  }

  /** The gzip'd form of a plain layer, kept by the lease; any other layer as it is. @see compressedLayer */
  compressed(
    layer: Descriptor,
    options: Parameters<typeof compressedLayer>[2],
  ): ReturnType<typeof compressedLayer> {
    return compressedLayer(this.#context, layer, options);
  }

  /** @see describeRemote */
  describeRemote(request: RemoteRequest, signal: AbortSignal): Promise<RemoteImage> {
    return describeRemote(this.#context, request, signal);
  }

  /** @see inspectRemote */
  inspectRemote(
    request: RemoteRequest & { readonly platform?: Platform | undefined },
    signal: AbortSignal,
  ): Promise<InspectedRemoteImage> {
    return inspectRemote(this.#context, request, signal);
  }

  /** @see searchRegistry */
  search(
    request: {
      readonly term: string;
      readonly limit: number;
      readonly credentials?: Credentials | undefined;
    },
    signal: AbortSignal,
  ): Promise<readonly FoundRepository[]> {
    return searchRegistry(this.#context, request, signal);
  }

  /**
   * Proves credentials to a registry.
   * @returns an identity token where the registry gives one, to be kept instead of the password
   * @throws Unauthenticated in docker's words
   */
  async login(domain: string, credentials: Credentials, signal: AbortSignal): Promise<string | undefined> {
    const client = await this.#context.client();
    try {
      return (await client.login(domain, credentials, { signal })).identityToken;
    } catch (error) {
      if (!isSlipwayError(error, 'Unauthenticated', 'PermissionDenied')) throw error;
      throw new SlipwayError('Unauthenticated', `Get "https://${domain}/v2/": ${error.message}`, {
        cause: error,
      });
    }
  }

  /** Stops what is under way, and waits until it has. What came of pulls is kept for the next try. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#work[Symbol.asyncDispose]();
  }
}

/** Equal for pulls that do the same: the login's digest stands for it, as what one may see another may not. */
function pullKey({ reference, allTags, platform, credentials }: PullRequest): string {
  const login = createHash('sha256')
    .update(JSON.stringify(credentials ?? {}))
    .digest('hex');
  const of = platform === undefined ? '' : formatPlatform(platform);
  return `pull ${formatReference(reference)} ${allTags === true} ${of} ${login}`;
}
