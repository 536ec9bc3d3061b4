import { join } from 'node:path';
import { type Clock, type HostPath, hostPath, type Logger, type Random } from '@slipway/base';
import type { ImageId } from '@slipway/oci';
import type { Store } from '@slipway/store';
import type { AwsOperation } from '../aws/index.ts';
import type { FunctionCatalog, ProvisionedStatus } from './catalog.ts';
import { CodeStore } from './code/code-store.ts';
import { CodeDownloads } from './code/download.ts';
import type { ImageSource } from './code/image-source.ts';
import type { FunctionsContext, TaggedResources } from './context.ts';
import { findLayerUses } from './layer-uses.ts';
import type { FunctionLimits } from './limits.ts';
import { FunctionRecords } from './records.ts';
import { FunctionRegistry } from './registry.ts';
import { openCatalog } from './resolve.ts';
import { functionOperations } from './routes.ts';
import { Settler, type SettlerOptions } from './settle.ts';
import { checkTarget } from './targets.ts';

export interface FunctionsOptions {
  readonly store: Store;
  readonly images: ImageSource;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Code is kept in `code/` below it. */
  readonly root: HostPath;
  readonly accountId: string;
  readonly limits: FunctionLimits;
  /** Runtime identifiers that are served: `nodejs22.x`. */
  readonly runtimes: readonly string[];
  /** Makes what a runtime runs in, unless it is there; a function is Pending until then. */
  readonly prepareRuntime: SettlerOptions['prepareRuntime'];
  /** Of this machine. */
  readonly architecture: 'x86_64' | 'arm64';
  /** OCI runtimes by name that a function may ask for. */
  readonly isolations: readonly string[];
  /** The folder that is the object store; undefined: there is none. */
  readonly codeRoot: HostPath | undefined;
  /** Of the TCP door. */
  readonly port: number;
  /** Frees what nothing needs in the content store. */
  readonly collectStore: () => Promise<unknown>;
}

/** What functions are: Lambda's control plane. */
export interface Functions extends AsyncDisposable {
  readonly catalog: FunctionCatalog;
  readonly operations: readonly AwsOperation[];
  /** Where packages are fetched by the URLs that GetFunction gives: for the TCP door, without signatures of AWS's. */
  readonly downloads: Pick<CodeDownloads, 'routes' | 'matches'>;
  /** The functions that stand on an image. */
  usersOf(image: ImageId): readonly string[];
  /** What else has tags, by the kind in its ARN: `event-source-mapping`. */
  setTagged(kind: string, resources: TaggedResources): void;
}

/** After the longest invocation, what ran on code that was replaced has ended. */
const GRACE_BEYOND_MS = 60_000;

/** Opens the records and the code, and goes on with what an earlier process began. */
export async function openFunctions(options: FunctionsOptions): Promise<Functions> {
  const { store, images, clock, random, logger, limits, accountId } = options;
  await using stack = new AsyncDisposableStack();
  const registry = new FunctionRegistry(new FunctionRecords(store.database));
  const codes = stack.use(
    await CodeStore.open({
      root: hostPath(join(options.root, 'code')),
      store,
      clock,
      random,
      logger,
      limits,
      graceMs: limits.timeoutSeconds * 1000 + GRACE_BEYOND_MS,
      named: () => registry.zips(),
      collectStore: options.collectStore,
    }),
  );
  stack.use(registry.onDrop((zip) => codes.dropLater(zip)));
  const settler = stack.use(
    new Settler({ registry, codes, images, prepareRuntime: options.prepareRuntime, logger }),
  );
  const provisionedStatus = new Map<string, ProvisionedStatus>();
  const downloads = new CodeDownloads({ content: store.content, clock, random });
  const context: FunctionsContext = {
    registry,
    codes,
    downloads,
    images,
    settler,
    clock,
    random,
    limits,
    rules: {
      limits,
      runtimes: options.runtimes,
      architecture: options.architecture,
      findLayers: (arns) => findLayerUses(registry, arns, { most: limits.layers, accountId }),
      checkTarget,
    },
    isolations: options.isolations,
    codeRoot: options.codeRoot,
    port: options.port,
    provisionedStatus,
    tagged: new Map(),
  };
  settler.resume();
  const owned = stack.move();
  return {
    catalog: openCatalog({
      registry,
      codes,
      random,
      limits,
      accountId,
      provisionedStatus,
    }),
    operations: functionOperations(context),
    downloads,
    usersOf: (image) => registry.usersOf(image),
    setTagged: (kind, resources) => void context.tagged.set(kind, resources),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
