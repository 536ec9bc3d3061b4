import type { Descriptor, Digest, ImageConfig, Platform } from '@slipway/oci';

/**
 * What a build does, as a graph: each vertex makes a file system from those of its inputs. Pure data; who made it (a
 * Dockerfile) is forgotten.
 */
export interface Vertex {
  readonly operation: Operation;
  readonly inputs: readonly Vertex[];
  /** For people: `[builder 2/5] RUN make`. */
  readonly title: string;
  /** Run it although its result is known (`--no-cache`). */
  readonly ignoreCache: boolean;
  readonly platform: Platform;
  /** Seconds since the epoch (`SOURCE_DATE_EPOCH`): no file of its layer is younger. */
  readonly sourceDateEpochS?: number | undefined;
}

export type Operation =
  | { readonly kind: 'scratch' }
  /** An image that is here or in a registry. The digest was resolved when the graph was made. */
  | { readonly kind: 'image'; readonly reference: string; readonly manifest: Descriptor }
  /** Files that the client sends: the build context, or another `--build-context`. */
  | {
      readonly kind: 'local';
      readonly name: string;
      /** `.dockerignore` patterns. */
      readonly excludes: readonly string[];
      /** Only what is below these paths or patterns is asked of the client; empty for everything. */
      readonly followPaths: readonly string[];
    }
  | {
      readonly kind: 'http';
      readonly url: string;
      readonly checksum: Digest | undefined;
      readonly fileName: string;
    }
  | {
      readonly kind: 'git';
      readonly url: string;
      readonly ref: string | undefined;
      readonly subdirectory: string | undefined;
      readonly checksum: string | undefined;
      readonly keepGitDir: boolean;
    }
  /** Input 0 is the root file system; mounts name other inputs. */
  | RunOperation
  /** Input 0 is what is copied into; sources name other inputs. */
  | { readonly kind: 'files'; readonly actions: readonly FileAction[] }
  /** Input 1's layers on top of input 0's. They are what they are alone, whatever is below them. */
  | { readonly kind: 'merge' };

export interface RunOperation {
  readonly kind: 'run';
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly network: 'default' | 'none' | 'host';
  readonly security: 'sandbox' | 'insecure';
  readonly mounts: readonly BuildMount[];
  /** Proxy variables and the like: the process sees them, the cache key and the image do not. */
  readonly hiddenEnv: readonly string[];
  readonly extraHosts: readonly string[];
  readonly hostname: string | undefined;
  readonly shmSizeBytes: number;
  readonly ulimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
}

export type BuildMount = { readonly target: string; readonly readonly: boolean } & (
  | { readonly type: 'bind'; readonly input: number; readonly source: string }
  | {
      readonly type: 'cache';
      readonly id: string;
      readonly sharing: 'shared' | 'private' | 'locked';
      /** The input whose files a new cache begins with. */
      readonly input: number | undefined;
      readonly source: string;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    }
  | { readonly type: 'tmpfs'; readonly sizeBytes: number | undefined }
  | {
      readonly type: 'secret';
      readonly id: string;
      readonly required: boolean;
      /** Also, or only, as a variable. */
      readonly env: string | undefined;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    }
  | {
      readonly type: 'ssh';
      readonly id: string;
      readonly required: boolean;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    }
);

export type FileAction =
  | {
      readonly kind: 'copy';
      /** An input's number; or bytes that the Dockerfile itself brings (a here-document). */
      readonly from: number | { readonly content: string; readonly fileName: string };
      /** Within the input, wildcards allowed. */
      readonly source: string;
      readonly destination: string;
      readonly owner: Owner | undefined;
      /** Octal mode, or symbolic as `u+x,go=r`. */
      readonly mode: string | undefined;
      /** COPY of a folder copies what is in it. */
      readonly contentsOnly: boolean;
      /** Tar archives are unpacked. */
      readonly unpack: boolean;
      readonly parents: boolean;
      readonly excludes: readonly string[];
      /** A source that is missing, or a pattern that fits nothing, is an error unless this is set. */
      readonly allowNothing: boolean;
    }
  | {
      readonly kind: 'mkdir';
      readonly path: string;
      readonly owner: Owner | undefined;
      readonly mode: number;
    };

/** Names are looked up in the file system that is copied into. */
export interface Owner {
  readonly user: string;
  readonly group: string | undefined;
}

/** An image's configuration but for its layers. */
export type PlannedConfig = {
  [Key in keyof ImageConfig as string extends Key ? never : Exclude<Key, 'rootfs'>]: ImageConfig[Key];
};

/** What a Dockerfile comes to. */
export interface BuildPlan {
  readonly vertex: Vertex;
  /** History has an entry for every instruction. */
  readonly config: PlannedConfig;
  readonly platform: Platform;
}
