import type { RegistryBackend, Visitor } from '@slipway/distribution/server';
import type { Digest, Platform } from '@slipway/oci';

/** What holds for one repository. */
export interface RepositorySettings {
  /** A tag that is there cannot be pointed elsewhere. */
  readonly immutableTags: boolean;
  /** Bytes of all its blobs and manifests together, each once; undefined: as much as there is room. */
  readonly quotaBytes: number | undefined;
}

export interface RepositoryDescription extends RepositorySettings {
  readonly name: string;
  readonly createdAtMs: number;
  readonly manifestCount: number;
  readonly tagCount: number;
  readonly sizeBytes: number;
  /** The registry that it is a pull-through cache of. */
  readonly upstream: string | undefined;
}

/** A manifest or index of a repository, as the catalogue shows it. */
export interface ManifestDescription {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly artifactType: string | undefined;
  /** Sorted; none for an untagged manifest. */
  readonly tags: readonly string[];
  /** The manifest with its configuration and layers; for an index all of its manifests'. */
  readonly sizeBytes: number;
  readonly pushedAtMs: number;
  readonly lastPulledAtMs: number | undefined;
  /** One for an image, several for an index, none for other artifacts. */
  readonly platforms: readonly Platform[];
  readonly subject: Digest | undefined;
  /** Those of the repository that it refers to, as an index does. */
  readonly manifests: readonly Digest[];
}

export interface Webhook {
  readonly id: string;
  readonly url: string;
  /** A repository name; `*` stands for any characters. */
  readonly repositories: string;
  /** Signs the body (HMAC-SHA256 in `X-Slipway-Signature`); never shown again. */
  readonly hasSecret: boolean;
}

export interface RegistryCollection {
  /** Blobs that the disk has no more: neither repositories nor images needed them. */
  readonly removedBlobs: number;
  readonly removedUploads: number;
  readonly freedBytes: number;
}

export interface RegistryStatus {
  readonly repositories: number;
  readonly manifests: number;
  readonly blobs: number;
  readonly sizeBytes: number;
  readonly uploads: number;
  readonly isReadOnly: boolean;
  readonly upstreams: readonly { readonly prefix: string; readonly url: string }[];
}

/** The registry as the rest of the engine uses it: the protocol's repositories, and all that its keepers may do. */
export interface Registry extends RegistryBackend, AsyncDisposable {
  describeRepositories(visitor: Visitor): Promise<readonly RepositoryDescription[]>;
  /** @throws NotFound NAME_UNKNOWN */
  describeRepository(name: string): Promise<RepositoryDescription>;
  /** Newest first. @throws NotFound NAME_UNKNOWN */
  describeManifests(name: string): Promise<readonly ManifestDescription[]>;
  /** A first push makes a repository too. @throws AlreadyExists, InvalidArgument */
  createRepository(name: string, settings: Partial<RepositorySettings>): Promise<RepositoryDescription>;
  /** @throws NotFound */
  updateRepository(name: string, settings: Partial<RepositorySettings>): Promise<RepositoryDescription>;
  /** @throws NotFound; FailedPrecondition when it holds manifests and `force` is not given */
  deleteRepository(name: string, options: { readonly force: boolean }): Promise<void>;
  /** What no manifest needs and is older than the grace that a push under way is given. Runs beside everything. */
  collectGarbage(options?: { readonly graceMs?: number }): Promise<RegistryCollection>;
  status(): Promise<RegistryStatus>;
  listWebhooks(): Promise<readonly Webhook[]>;
  addWebhook(hook: { url: string; repositories?: string; secret?: string | undefined }): Promise<Webhook>;
  /** @throws NotFound */
  removeWebhook(id: string): Promise<void>;
  /** Every blob that the store must keep for the repositories, each by itself: nothing that they refer to beside. */
  keptBlobs(): readonly Digest[];
}
