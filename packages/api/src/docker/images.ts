/** An element of `GET /images/json`. @see Docker Engine API v1.51, ImageSummary */
export interface ImageSummary {
  readonly Id: string;
  readonly ParentId: string;
  readonly RepoTags: readonly string[];
  readonly RepoDigests: readonly string[];
  /** Seconds since the epoch. */
  readonly Created: number;
  readonly Size: number;
  /** -1 when it was not asked for. */
  readonly SharedSize: number;
  /** Before API 1.44. */
  readonly VirtualSize?: number;
  readonly Labels: Readonly<Record<string, string>> | null;
  /** -1 when it was not counted. */
  readonly Containers: number;
}

/** An element of `GET /images/{name}/history`. @see Docker Engine API v1.51, ImageHistory */
export interface ImageHistoryItem {
  /** `<missing>` for all but the newest. */
  readonly Id: string;
  readonly Created: number;
  readonly CreatedBy: string;
  readonly Tags: readonly string[] | null;
  readonly Size: number;
  readonly Comment: string;
}

/** An element of what `DELETE /images/{name}` and prune answer; one of the two. */
export interface ImageDeleteItem {
  readonly Untagged?: string;
  readonly Deleted?: string;
}

/** @see Docker Engine API v1.51, ImagePrune */
export interface ImagePruneReply {
  readonly ImagesDeleted: readonly ImageDeleteItem[] | null;
  readonly SpaceReclaimed: number;
}

/** `GET /images/{name}/json`. @see Docker Engine API v1.51, ImageInspect */
export interface ImageInspect {
  readonly Id: string;
  readonly RepoTags: readonly string[];
  readonly RepoDigests: readonly string[];
  readonly Parent: string;
  readonly Comment: string;
  readonly Created: string;
  readonly DockerVersion: string;
  readonly Author: string;
  readonly Config: Readonly<Record<string, unknown>>;
  readonly Architecture: string;
  readonly Variant?: string;
  readonly Os: string;
  readonly OsVersion?: string;
  readonly Size: number;
  /** Before API 1.44. */
  readonly VirtualSize?: number;
  readonly GraphDriver: { readonly Name: string; readonly Data: Readonly<Record<string, string>> | null };
  readonly RootFS: { readonly Type: 'layers'; readonly Layers?: readonly string[] };
  readonly Metadata: { readonly LastTagTime: string };
  readonly Descriptor?: { readonly mediaType: string; readonly digest: string; readonly size: number };
}
