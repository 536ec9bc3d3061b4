import type { ContainerConfig } from '@slipway/api/docker';
import type { ChainId, Descriptor, DiffId, Digest, ImageConfig, ImageId, ImageRunConfig } from '@slipway/oci';

/** What an image brings to its containers. */
export type ImageDefaults = Pick<
  ContainerConfig,
  | 'User'
  | 'ExposedPorts'
  | 'Env'
  | 'Entrypoint'
  | 'Cmd'
  | 'Volumes'
  | 'WorkingDir'
  | 'Labels'
  | 'StopSignal'
  | 'Healthcheck'
  | 'Shell'
> & { readonly OnBuild?: readonly string[] | undefined };

/** An image as it is stored; fixed but for its names, which live beside it. */
export interface ImageRecord {
  readonly id: ImageId;
  /** The manifest blob, which names the configuration and the layers. */
  readonly manifest: Descriptor;
  /** The layers' blobs, bottom to top, as they came (plain, gzip or zstd). */
  readonly layers: readonly Descriptor[];
  /** The configuration, every field kept. */
  readonly document: ImageConfig;
  /** What the unpacked layers take on disk. */
  readonly sizeBytes: number;
  /** When it came here. */
  readonly addedAtMs: number;
  /** When it last got a name here; undefined when it never did. */
  readonly lastTaggedAtMs: number | undefined;
}

/** An image, as the other slices see it. Immutable: a new name makes a new value. */
export interface Image extends ImageRecord {
  readonly diffIds: readonly DiffId[];
  /** The snapshot that containers stand on; undefined for an image without layers. */
  readonly chainId: ChainId | undefined;
  /** Every layer's chainID, bottom to top. */
  readonly chainIds: readonly ChainId[];
  /** What the image brings to its containers. */
  readonly config: ImageDefaults;
  readonly architecture: string;
  readonly variant: string | undefined;
  readonly os: string;
  /** RFC 3339; undefined when the image does not say. */
  readonly createdAt: string | undefined;
  /** `busybox:latest`, sorted. */
  readonly repoTags: readonly string[];
  /** `busybox@sha256:…`, sorted. */
  readonly repoDigests: readonly string[];
}

/** What garbage collection must keep for the images. */
export interface ImageRoots {
  readonly blobs: readonly Digest[];
  readonly snapshots: readonly ChainId[];
}

/** The image's run configuration in the form that a container's has. */
export function toDefaults(config: ImageRunConfig | undefined): ImageDefaults {
  if (config === undefined) return {};
  return {
    User: config.User,
    ExposedPorts: keysOf(config.ExposedPorts),
    Env: config.Env,
    Entrypoint: config.Entrypoint,
    Cmd: config.Cmd,
    Volumes: keysOf(config.Volumes),
    WorkingDir: config.WorkingDir,
    Labels: config.Labels,
    StopSignal: config.StopSignal,
    Healthcheck: config.Healthcheck as ImageDefaults['Healthcheck'],
    Shell: config.Shell,
    OnBuild: config.OnBuild,
  };
}

const keysOf = (set: Readonly<Record<string, unknown>> | undefined): string[] | undefined =>
  set === undefined ? undefined : Object.keys(set);
