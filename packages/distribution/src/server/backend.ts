import type { HostPath } from '@slipway/base';
import type { Descriptor, Digest } from '@slipway/oci';

/** What somebody may do with a repository. */
export type RegistryAction = 'pull' | 'push' | 'delete';

/** Who asks, as the doorkeeper found out. */
export interface Visitor {
  /** Undefined for somebody who gave no name. */
  readonly name: string | undefined;
  may(action: RegistryAction, repository: string): boolean;
  /** `*`: sees the whole catalogue, and mounts from everywhere, the engine's own images too. */
  readonly isAdmin: boolean;
}

/** Somebody who may do everything: whoever holds the machine, and what the daemon does by itself. */
export const KEEPER: Visitor = { name: undefined, may: () => true, isAdmin: true };

/** Who is let in, and how they are asked to say who they are. */
export interface Doorkeeper {
  /**
   * @throws Unauthenticated for credentials that are wrong; a request without any is an anonymous visitor.
   */
  admit(headers: Readonly<Record<string, string | undefined>>): Promise<Visitor>;
  /** The `WWW-Authenticate` that tells how to be let in. `host` is the request's own `Host`. */
  challenge(wanted: {
    host: string;
    repository?: string | undefined;
    actions?: readonly RegistryAction[];
  }): string;
}

export interface StoredManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** A manifest to be stored; its bytes are what its digest says. */
export interface NewManifest {
  readonly bytes: Uint8Array;
  readonly digest: Digest;
  readonly mediaType: string;
}

export interface StoredBlob {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** The file that holds it; immutable. */
  readonly path: HostPath;
}

/**
 * The repositories of a registry. Names and digests are well-formed when they come here; whether somebody may do a thing
 * was asked before. Digests are sha256 or sha512, and name what was pushed with them: an answer has the digest that was
 * asked for, or that the tag was pushed with. Errors carry the specification's codes as `reason` (NAME_UNKNOWN, MANIFEST_UNKNOWN, BLOB_UNKNOWN,
 * MANIFEST_BLOB_UNKNOWN, BLOB_UPLOAD_UNKNOWN, BLOB_UPLOAD_INVALID, DIGEST_INVALID, SIZE_INVALID, UNSUPPORTED, DENIED).
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes
 */
export interface RegistryBackend {
  /** Names after `after`, in order, at most `limit`. */
  listRepositories(options: {
    after?: string | undefined;
    limit: number;
    visitor: Visitor;
  }): Promise<readonly string[]>;

  /** By tag or digest. A pull-through cache may fetch it first. @throws NotFound NAME_UNKNOWN, MANIFEST_UNKNOWN */
  getManifest(repository: string, target: string): Promise<StoredManifest>;
  /**
   * Stores a manifest under its digest and under all of the tags, or under none. Commits before it resolves.
   * `subject` is what it refers to, when it does.
   * @throws NotFound MANIFEST_BLOB_UNKNOWN, FailedPrecondition for an immutable tag, ResourceExhausted for a full quota,
   * PermissionDenied when the registry is read-only or the repository a cache
   */
  putManifest(
    repository: string,
    manifest: NewManifest,
    options: { readonly tags: readonly string[]; readonly visitor: Visitor },
  ): Promise<{ readonly subject: Digest | undefined }>;
  /** The manifest and all its tags. @throws NotFound */
  deleteManifest(repository: string, digest: Digest, visitor: Visitor): Promise<void>;
  /** @throws NotFound */
  deleteTag(repository: string, tag: string, visitor: Visitor): Promise<void>;
  /** Tags after `after`, in order, at most `limit`. @throws NotFound NAME_UNKNOWN */
  listTags(
    repository: string,
    options: { after?: string | undefined; limit?: number | undefined },
  ): Promise<readonly string[]>;
  /** Descriptors of the manifests whose subject is `digest`, with artifactType and annotations. Empty when there is none. */
  listReferrers(repository: string, digest: Digest): Promise<readonly Descriptor[]>;

  /** A blob of this repository. A pull-through cache may fetch it first. @throws NotFound BLOB_UNKNOWN */
  getBlob(repository: string, digest: Digest): Promise<StoredBlob>;
  /** Takes the blob out of the repository. @throws NotFound */
  deleteBlob(repository: string, digest: Digest): Promise<void>;
  /** Makes a blob that `visitor` may pull elsewhere this repository's too; false when there is none such. */
  mountBlob(
    repository: string,
    digest: Digest,
    options: { readonly from: string | undefined; readonly visitor: Visitor },
  ): Promise<boolean>;

  startUpload(repository: string, visitor: Visitor): Promise<BlobUpload>;
  /** Also one that began before a restart. @throws NotFound BLOB_UPLOAD_UNKNOWN */
  getUpload(repository: string, id: string): Promise<BlobUpload>;
}

/** A blob while a client sends it. Calls on one upload are made one after another; a second at once is a Conflict. */
export interface BlobUpload {
  readonly id: string;
  readonly receivedBytes: number;
  /**
   * Appends; resolves once the bytes would survive the daemon's death. What came before a failure counts.
   * @throws ResourceExhausted for a full disk or quota
   */
  append(bytes: AsyncIterable<Uint8Array>): Promise<void>;
  /** Verifies, and makes it a blob of the repository. @throws InvalidArgument DIGEST_INVALID, and the upload is gone */
  commit(digest: Digest): Promise<void>;
  cancel(): Promise<void>;
}
