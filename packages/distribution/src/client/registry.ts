import type { Descriptor, Digest, Reference } from '@slipway/oci';

/** What a person or a client hands over to be let in. */
export interface Credentials {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** An OAuth2 refresh token, as `docker login` keeps it for registries that give one. */
  readonly identityToken?: string | undefined;
  /** A bearer token, sent as it is. */
  readonly registryToken?: string | undefined;
}

/** One door of a registry: the registry itself, or a mirror of it. */
export interface RegistryEndpoint {
  /** `https://registry-1.docker.io`, without `/v2/`. */
  readonly url: string;
  readonly isMirror: boolean;
  /** Certificate authorities in PEM, beside the system's. */
  readonly ca?: readonly string[] | undefined;
  readonly clientCertificate?: { readonly cert: string; readonly key: string } | undefined;
  /** Certificates are not checked, and plain HTTP is tried where TLS does not answer. */
  readonly insecure: boolean;
}

/** How registries are reached. Mirrors come first; the registry itself is last. */
export type FindEndpoints = (domain: string) => Promise<readonly RegistryEndpoint[]>;

type Call = { readonly signal?: AbortSignal | undefined };
type Repository_ = Pick<Reference, 'domain' | 'path'>;

export interface RegistryClient extends AsyncDisposable {
  /** One repository of one registry; asks nothing yet. Credentials go to this registry and its token service alone. */
  repository(name: Repository_, credentials?: Credentials): Repository;
  /**
   * Proves credentials as `docker login` does. An identity token where the registry gives one.
   * @throws Unauthenticated naming the registry
   */
  login(
    domain: string,
    credentials: Credentials,
    call?: Call,
  ): Promise<{ readonly identityToken: string | undefined }>;
  /** @throws NotImplemented where the registry cannot search */
  search(
    domain: string,
    term: string,
    options: Call & { readonly limit: number; readonly credentials?: Credentials | undefined },
  ): Promise<readonly FoundRepository[]>;
}

export interface FoundRepository {
  readonly name: string;
  readonly description: string;
  readonly isOfficial: boolean;
  readonly starCount: number;
}

export interface FetchedManifest {
  /** Digest of the bytes as they came, verified; media type as the registry said, checked against the document's own. */
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

/**
 * One repository. Every error names registry, repository and cause. Requests are tried again with back-off where that
 * can help (connection lost, 429 and 503 with `Retry-After`, 500, 502, 504), never for what the registry refuses.
 */
export interface Repository {
  readonly name: Repository_;
  /** HEAD, or GET where HEAD does not tell. @throws NotFound in docker's words (`manifest for NAME not found: …`) */
  resolve(target: string, call?: Call): Promise<Descriptor>;
  /** By tag or digest; at most 4 MiB. @throws NotFound, DataLoss for another digest than asked for, InvalidArgument */
  getManifest(target: string, call?: Call): Promise<FetchedManifest>;
  /**
   * The blob's bytes from `offset`. A connection that is cut or stalls is taken up again with a Range request, so the
   * iterable ends only when `descriptor.size` bytes have come. The digest is the caller's to verify.
   * @throws DataLoss where the registry sends another length than it said; Unavailable when it gives up
   */
  openBlob(
    descriptor: Pick<Descriptor, 'digest' | 'size'>,
    options?: Call & { readonly offset?: number },
  ): AsyncIterable<Uint8Array>;
  findBlob(digest: Digest, call?: Call): Promise<{ readonly sizeBytes: number } | undefined>;
  /**
   * Brings a blob into the repository: not at all where it is there, mounted from one of `mountFrom` where the registry
   * can, else sent (in chunks that are taken up again after a cut).
   */
  pushBlob(blob: PushableBlob, call?: Call): Promise<'exists' | 'mounted' | 'pushed'>;
  /**
   * `target` is a tag, or the digest. One with a subject is added to the tag of its referrers where the registry does not
   * list it by itself. @throws what the registry refuses, with its reason
   */
  pushManifest(
    target: string,
    manifest: { readonly bytes: Uint8Array; readonly mediaType: string },
    call?: Call,
  ): Promise<{ readonly digest: Digest }>;
  /** Of the registry itself, as referrers are: a mirror may have a part. @throws NotFound */
  listTags(call?: Call): AsyncIterable<string>;
  /** By the referrers API, else by the tag schema. @see distribution-spec, listing referrers */
  listReferrers(digest: Digest, options?: Call & { artifactType?: string }): AsyncIterable<Descriptor>;
}

export interface PushableBlob {
  readonly descriptor: Pick<Descriptor, 'digest' | 'size'>;
  /** The bytes from `offset`; asked for again when an upload is taken up. */
  readonly open: (offset: number) => AsyncIterable<Uint8Array>;
  /** Paths of repositories of the same registry that may have it. */
  readonly mountFrom?: readonly string[] | undefined;
  readonly onProgress?: ((sentBytes: number) => void) | undefined;
}
