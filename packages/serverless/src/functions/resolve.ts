import type { Random } from '@slipway/base';
import { functionArn, LATEST, parseFunctionReference } from './arn.ts';
import type {
  EventInvokeConfig,
  FunctionCatalog,
  FunctionUrl,
  ProvisionedConcurrency,
  ProvisionedStatus,
  ResolvedFunction,
} from './catalog.ts';
import type { CodeStore } from './code/code-store.ts';
import { conflict, functionNotFound } from './errors.ts';
import { extensionsKey, readExtensions } from './extensions.ts';
import type { FunctionCode, FunctionVersion } from './function.ts';
import {
  type CorsRecord,
  entryOf,
  type FunctionRecord,
  findVersion,
  type UrlRecord,
  type VersionRecord,
} from './function-record.ts';
import type { FunctionLimits } from './limits.ts';
import { allowsPublicUrl } from './policy.ts';
import type { FunctionRegistry } from './registry.ts';
import { codeSha256, placeOf } from './wire.ts';

export interface CatalogOptions {
  readonly registry: FunctionRegistry;
  readonly codes: CodeStore;
  readonly random: Random;
  readonly limits: FunctionLimits;
  readonly accountId: string;
  readonly provisionedStatus: Map<string, ProvisionedStatus>;
}

/** Lambda's, where a function says nothing. */
const DEFAULT_RETRIES = 2;
const DEFAULT_AGE_SECONDS = 21_600;
/** In what is said of functions that are not there, when the caller names no region. */
const DEFAULT_REGION = 'us-east-1';
/** How finely weights are told apart. */
const WEIGHT_STEPS = 1_000_000;

/** What runs functions, from memory. */
export function openCatalog(options: CatalogOptions): FunctionCatalog {
  const { registry, random, limits, accountId, provisionedStatus } = options;
  const views = new VersionViews(options);
  const get = (name: string, qualifier?: string, region = DEFAULT_REGION): FunctionRecord =>
    registry.get(name, { accountId, region }, qualifier);

  return {
    resolve(reference, given, region): ResolvedFunction {
      const { name, qualifier } = parseFunctionReference(reference, given, accountId);
      const record = get(name, qualifier, region);
      const version = runningVersion(record, chooseVersion(record, qualifier, random));
      const arn = functionArn(placeOf(record, accountId), name, qualifier);
      if (version === undefined) throw functionNotFound(arn);
      if (version.progress.state !== 'Active') throw notReady(version);
      return { version: views.get(record, version), qualifier, invokedArn: arn };
    },

    reservedConcurrency: (name) => get(name).reservedConcurrency,

    provisioned: () =>
      registry.list().flatMap((record) =>
        Object.entries(record.provisioned).flatMap(([qualifier, { count }]): ProvisionedConcurrency[] => {
          const version = findVersion(record, qualifier);
          if (version?.progress.state !== 'Active') return [];
          return [{ version: views.get(record, version), qualifier, count }];
        }),
      ),

    setProvisionedStatus({ version: { name }, qualifier, count }, status) {
      // What was asked may have changed since the pool was told.
      if (entryOf(registry.find(name)?.provisioned ?? {}, qualifier)?.count !== count) return;
      provisionedStatus.set(`${name}:${qualifier}`, status);
    },

    findUrl(id) {
      const found = registry.findUrl(id);
      const url = found?.record.urls[found.qualifier];
      return found && url && toFunctionUrl(found.record, found.qualifier, url);
    },

    eventInvokeConfig({ version: { name, version }, qualifier }): EventInvokeConfig {
      const record = get(name);
      const config = entryOf(record.eventInvokeConfigs, qualifier ?? LATEST);
      return {
        maxRetries: config?.maxRetries ?? DEFAULT_RETRIES,
        maxAgeSeconds: config?.maxAgeSeconds ?? DEFAULT_AGE_SECONDS,
        onSuccess: config?.onSuccess,
        onFailure: config?.onFailure,
        deadLetterTarget: findVersion(record, version)?.configuration.deadLetterTarget,
      };
    },

    accountConcurrency: limits.concurrency,

    get unreservedConcurrency() {
      return limits.concurrency - registry.reservedConcurrency();
    },

    onChange: (listener) => registry.onChange(listener),
  };
}

/** The version that a qualifier means now: of an alias with weights, one of them by lot. */
function chooseVersion(record: FunctionRecord, qualifier: string | undefined, random: Random): string {
  const alias = qualifier === undefined ? undefined : entryOf(record.aliases, qualifier);
  if (alias === undefined) return qualifier ?? LATEST;
  const weights = Object.entries(alias.weights);
  if (weights.length === 0) return alias.version;
  let lot = random.below(WEIGHT_STEPS);
  for (const [version, weight] of weights) {
    lot -= weight * WEIGHT_STEPS;
    if (lot < 0) return version;
  }
  return alias.version;
}

/** While `$LATEST` is being updated, what was before runs. */
const runningVersion = (record: FunctionRecord, version: string): VersionRecord | undefined =>
  version === LATEST ? (record.previous ?? record.latest) : entryOf(record.published, version);

const notReady = ({ progress }: VersionRecord) =>
  conflict(
    `The operation cannot be performed at this time. The function is currently in the following state: ${progress.state}`,
  );

/** Versions as they are run. What did not change is the same object. */
class VersionViews {
  readonly #options: Pick<CatalogOptions, 'codes' | 'accountId'>;
  readonly #known = new WeakMap<FunctionRecord, Map<VersionRecord, FunctionVersion>>();

  constructor(options: Pick<CatalogOptions, 'codes' | 'accountId'>) {
    this.#options = options;
  }

  get(record: FunctionRecord, version: VersionRecord): FunctionVersion {
    let known = this.#known.get(record);
    if (known === undefined) {
      known = new Map();
      this.#known.set(record, known);
    }
    let view = known.get(version);
    if (view === undefined) {
      view = this.#make(record, version);
      known.set(version, view);
    }
    return view;
  }

  #make(record: FunctionRecord, version: VersionRecord): FunctionVersion {
    const { codes, accountId } = this.#options;
    const { configuration } = version;
    // Environments of another network, isolation or folder are those of another revision.
    const extensions = extensionsKey(record.tags);
    return {
      name: record.name,
      version: version.version,
      functionArn: functionArn(placeOf(record, accountId), record.name),
      accountId,
      region: record.region,
      revisionId: extensions === '' ? version.revisionId : `${version.revisionId} ${extensions}`,
      code: this.#codeOf(version),
      handler: configuration.handler ?? '',
      memoryMb: configuration.memoryMb,
      timeoutMs: configuration.timeoutSeconds * 1000,
      ephemeralStorageMb: configuration.ephemeralStorageMb,
      variables: configuration.variables ?? {},
      layers: configuration.layers.map(({ code }) => codes.folder(code.digest)),
      ...readExtensions(record.tags),
      logging: {
        group: configuration.logging.group,
        format: configuration.logging.format,
        applicationLevel: configuration.logging.applicationLevel ?? 'INFO',
        systemLevel: configuration.logging.systemLevel ?? 'INFO',
      },
    };
  }

  #codeOf({ code, configuration }: VersionRecord): FunctionCode {
    const sha256 = codeSha256(code) ?? '';
    if (code.kind === 'Zip') {
      return {
        packageType: 'Zip',
        runtime: configuration.runtime ?? '',
        folder: this.#options.codes.folder(code.digest),
        sha256,
        sizeBytes: code.sizeBytes,
      };
    }
    return {
      packageType: 'Image',
      image: code.resolved?.id ?? code.uri,
      entryPoint: configuration.image?.entryPoint,
      command: configuration.image?.command,
      workingDirectory: configuration.image?.workingDirectory,
      sha256,
    };
  }
}

function toFunctionUrl(record: FunctionRecord, qualifier: string, url: UrlRecord): FunctionUrl {
  return {
    id: url.id,
    functionName: record.name,
    qualifier: qualifier === LATEST ? undefined : qualifier,
    authType: url.authType,
    invokeMode: url.invokeMode,
    cors: url.cors === undefined ? undefined : toUrlCors(url.cors),
    isPublic: allowsPublicUrl(entryOf(record.policies, qualifier)),
  };
}

const toUrlCors = (cors: CorsRecord): NonNullable<FunctionUrl['cors']> => ({
  allowCredentials: cors.AllowCredentials ?? false,
  allowHeaders: cors.AllowHeaders ?? [],
  allowMethods: cors.AllowMethods ?? [],
  allowOrigins: cors.AllowOrigins ?? [],
  exposeHeaders: cors.ExposeHeaders ?? [],
  maxAgeSeconds: cors.MaxAge,
});
