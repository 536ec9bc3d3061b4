import type { Range, Warning } from '@slipway/dockerfile';
import type { Descriptor, ImageConfig, Platform } from '@slipway/oci';
import type { BuildPlan, RunOperation, Vertex } from '../graph.ts';

/** Where files come from that are no stage: the build context, or a `--build-context`. */
export type ContextSource =
  | { readonly kind: 'local'; readonly name: string; readonly excludes: readonly string[] }
  | { readonly kind: 'git'; readonly url: string }
  | { readonly kind: 'http'; readonly url: string }
  | { readonly kind: 'image'; readonly reference: string }
  | { readonly kind: 'scratch' };

/** What is said beside the Dockerfile. */
export interface PlanOptions {
  /** The stage to build, by name or number; the last one when it is not given. */
  readonly target?: string | undefined;
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly labels: ReadonlyMap<string, string>;
  /** What the image is for. */
  readonly platform: Platform;
  /** What the build runs on. */
  readonly buildPlatform: Platform;
  /** Titles name the platform, as there are several in the build. */
  readonly showsPlatform?: boolean | undefined;
  /** True for all stages, or the names of some. */
  readonly noCache: boolean | readonly string[];
  readonly context: ContextSource;
  /** By name. They stand in for images and stages of that name too. */
  readonly namedContexts: ReadonlyMap<string, ContextSource>;
  readonly network: RunOperation['network'];
  readonly extraHosts: readonly string[];
  readonly hostname?: string | undefined;
  readonly shmSizeBytes: number;
  readonly ulimits: RunOperation['ulimits'];
}

/** Asks for an image's manifest and configuration. */
export type ResolveImage = (
  reference: string,
  platform: Platform,
) => Promise<{ readonly manifest: Descriptor; readonly config: ImageConfig }>;

/** One instruction of a stage that is built, in the order of the file. */
export interface PlannedStep {
  /** As it is written. */
  readonly original: string;
  readonly range: Range;
  /** What makes its file system; undefined for one that changes the configuration alone. */
  readonly vertex: Vertex | undefined;
}

/** A stage that is built. */
export interface PlannedStage {
  /** Its name, or its number. */
  readonly name: string;
  readonly steps: readonly PlannedStep[];
}

/** A plan with all that its doors show of it. */
export interface DockerfilePlan extends BuildPlan {
  readonly warnings: readonly Warning[];
  /** The stages that are built, in the order of the file. */
  readonly stages: readonly PlannedStage[];
  /** What made each entry of the configuration's history that may have a layer; undefined for those of the base and without one. */
  readonly historyVertices: readonly (Vertex | undefined)[];
  /** `SOURCE_DATE_EPOCH`, in milliseconds: the times of everything that is made. */
  readonly epochMs: number | undefined;
  /** Build arguments that no instruction declares. */
  readonly unusedArgs: readonly string[];
}
