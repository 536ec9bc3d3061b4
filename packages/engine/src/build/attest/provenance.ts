import type { BuildMount, DockerfilePlan, Vertex } from '@slipway/build';
import { vertexDigest } from '@slipway/build';
import { type Descriptor, formatPlatform, type Platform, parseReference } from '@slipway/oci';
import type { ImageStatement } from '../../images/index.ts';
import { packageUrl } from '../../transfer/index.ts';
import type { ProvenanceRequest } from './request.ts';
import { describeStep, type NumberedStep, numberSteps } from './steps.ts';

/** What is known of a build beside its plan. */
export interface BuildFacts {
  /** What people call the image; what was built where it has no name. */
  readonly name: string;
  /** The same for all platforms of one build. */
  readonly invocationId: string;
  readonly startedAtMs: number;
  /** As the client gave them. */
  readonly args: Readonly<Record<string, string>>;
  readonly dockerfile: { readonly name: string; readonly text: string };
  /** Where the context is when the client does not send it. */
  readonly remoteContext: string | undefined;
  readonly buildPlatform: Platform;
}

export interface ProvenanceSubject {
  readonly plan: DockerfilePlan;
  readonly layers: readonly Descriptor[];
}

const METADATA = 'https://mobyproject.org/buildkit@v1#metadata';
const HERMETIC = 'https://mobyproject.org/buildkit@v1#hermetic';

/** Say of the machine or the client, not of the build; or are told of elsewhere in a provenance. */
const NOT_TOLD = new Set([
  'cgroup-parent',
  'image-resolve-mode',
  'platform',
  'cache-imports',
  'filename',
  'context',
  'frontend.caps',
]);

/**
 * How something was built, in BuildKit's form of SLSA provenance. Values of secrets are nowhere; in `min` neither are build
 * arguments, labels and the names of secrets.
 * @see https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md
 */
export function provenanceOf(
  subject: ProvenanceSubject,
  request: ProvenanceRequest,
  facts: BuildFacts,
  finishedAtMs: number,
): ImageStatement {
  const { version } = request;
  const steps = numberSteps(subject.plan.vertex);
  const known = { subject, request, facts, steps, finishedAtMs };
  const predicate = version === 'v1' ? predicateV1(known) : predicateV02(known);
  return { predicateType: `https://slsa.dev/provenance/${version}`, predicate };
}

interface Known {
  readonly subject: ProvenanceSubject;
  readonly request: ProvenanceRequest;
  readonly facts: BuildFacts;
  readonly steps: readonly NumberedStep[];
  readonly finishedAtMs: number;
}

function predicateV02({ subject, request, facts, steps, finishedAtMs }: Known): object {
  const { builderId, mode, isReproducible } = request;
  const { isWhole, isHermetic } = completenessOf(steps);
  return {
    builder: { id: builderId },
    buildType: 'https://mobyproject.org/buildkit@v1',
    materials: materialsOf(steps),
    invocation: {
      configSource: { ...remoteOf(facts), entryPoint: facts.dockerfile.name },
      parameters: parametersOf(facts, steps, mode),
      environment: { platform: formatPlatform(facts.buildPlatform) },
    },
    ...(mode === 'min' ? {} : { buildConfig: buildConfigOf(steps) }),
    metadata: {
      buildInvocationID: facts.invocationId,
      buildStartedOn: new Date(facts.startedAtMs).toISOString(),
      buildFinishedOn: new Date(finishedAtMs).toISOString(),
      completeness: { parameters: hasAllParameters(facts, mode), environment: true, materials: isWhole },
      reproducible: isReproducible,
      [HERMETIC]: isHermetic,
      [METADATA]: metadataOf(subject, facts, steps, mode),
    },
  };
}

function predicateV1({ subject, request, facts, steps, finishedAtMs }: Known): object {
  const { builderId, mode, isReproducible } = request;
  const { isWhole, isHermetic } = completenessOf(steps);
  return {
    buildDefinition: {
      buildType: 'https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md',
      externalParameters: {
        configSource: { ...remoteOf(facts), path: facts.dockerfile.name },
        request: parametersOf(facts, steps, mode),
      },
      internalParameters: {
        builderPlatform: formatPlatform(facts.buildPlatform),
        ...(mode === 'min' ? {} : { buildConfig: buildConfigOf(steps) }),
      },
      resolvedDependencies: materialsOf(steps),
    },
    runDetails: {
      builder: { id: builderId },
      metadata: {
        invocationID: facts.invocationId,
        startedOn: new Date(facts.startedAtMs).toISOString(),
        finishedOn: new Date(finishedAtMs).toISOString(),
        buildkit_metadata: metadataOf(subject, facts, steps, mode),
        buildkit_hermetic: isHermetic,
        buildkit_completeness: { request: hasAllParameters(facts, mode), resolvedDependencies: isWhole },
        buildkit_reproducible: isReproducible,
      },
    },
  };
}

const isHidden = (key: string): boolean => key.startsWith('build-arg:') || key.startsWith('label:');

const hasAllParameters = ({ args }: BuildFacts, mode: ProvenanceRequest['mode']): boolean =>
  mode === 'max' || !Object.keys(args).some(isHidden);

function parametersOf(
  { args }: BuildFacts,
  steps: readonly NumberedStep[],
  mode: ProvenanceRequest['mode'],
): object {
  const told = Object.entries(args).filter(
    ([key]) =>
      !NOT_TOLD.has(key) &&
      !key.startsWith('attest:') &&
      !key.startsWith('vcs:') &&
      (mode === 'max' || !isHidden(key)),
  );
  const locals = new Set(['dockerfile']);
  for (const { vertex } of steps) {
    if (vertex.operation.kind === 'local') locals.add(vertex.operation.name);
  }
  return {
    frontend: 'dockerfile.v0',
    args: Object.fromEntries(told.map(([key, value]) => [key, withoutLogin(value)])),
    ...(mode === 'min' ? {} : mountsOf(steps)),
    locals: [...locals].sort().map((name) => ({ name })),
  };
}

/** Which secrets and agents steps ask for. */
function mountsOf(steps: readonly NumberedStep[]): object {
  const named = (type: 'secret' | 'ssh') => {
    const mounts = steps.flatMap(({ vertex: { operation } }): readonly BuildMount[] =>
      operation.kind === 'run' ? operation.mounts : [],
    );
    const found = new Map<string, boolean>();
    for (const mount of mounts) {
      if (mount.type !== type) continue;
      found.set(mount.id, (found.get(mount.id) ?? true) && !mount.required);
    }
    return [...found].map(([id, optional]) => ({ id, ...(optional ? { optional } : {}) }));
  };
  const [secrets, ssh] = [named('secret'), named('ssh')];
  return {
    ...(secrets.length === 0 ? {} : { secrets }),
    ...(ssh.length === 0 ? {} : { ssh }),
  };
}

function materialsOf(steps: readonly NumberedStep[]): object[] {
  const materials = new Map<string, object>();
  for (const { vertex } of steps) {
    const material = materialOf(vertex);
    if (material !== undefined) materials.set(material.uri, material);
  }
  return [...materials.values()];
}

function materialOf({ operation, platform }: Vertex): { uri: string; digest?: object } | undefined {
  switch (operation.kind) {
    case 'image': {
      const url = packageUrl(parseReference(operation.reference));
      return {
        uri: `${url}?platform=${encodeURIComponent(formatPlatform(platform))}`,
        digest: digestSet(operation.manifest.digest),
      };
    }
    case 'http': {
      const uri = withoutLogin(operation.url);
      return operation.checksum === undefined ? { uri } : { uri, digest: digestSet(operation.checksum) };
    }
    case 'git': {
      const uri = `${withoutLogin(operation.url)}${operation.ref === undefined ? '' : `#${operation.ref}`}`;
      const commit = operation.checksum ?? operation.ref ?? '';
      return /^[0-9a-f]{40}$/.test(commit) ? { uri, digest: { sha1: commit } } : { uri };
    }
    default:
      return undefined;
  }
}

function digestSet(digest: string): object {
  const [algorithm = '', hex] = digest.split(':');
  return { [algorithm]: hex };
}

const remoteOf = ({ remoteContext }: BuildFacts): object =>
  remoteContext === undefined || remoteContext.startsWith('http://buildkit-session/')
    ? {}
    : { uri: withoutLogin(remoteContext) };

/** A web address without what lets one in. */
const withoutLogin = (text: string): string => text.replace(/^([a-z+]+:\/\/)[^/@\s]+@/, '$1xxxxx@');

/** Of files that the client sent nothing is known; what a step with a network fetched, neither. */
function completenessOf(steps: readonly NumberedStep[]): { isWhole: boolean; isHermetic: boolean } {
  const operations = steps.map(({ vertex: { operation } }) => operation);
  const isWhole = !operations.some(({ kind }) => kind === 'local');
  const hasNetwork = operations.some((operation) => operation.kind === 'run' && operation.network !== 'none');
  return { isWhole, isHermetic: isWhole && !hasNetwork };
}

const buildConfigOf = (steps: readonly NumberedStep[]): object => ({
  llbDefinition: steps.map(describeStep),
  digestMapping: Object.fromEntries(steps.map(({ id, vertex }) => [vertexDigest(vertex), id])),
});

function metadataOf(
  { plan, layers }: ProvenanceSubject,
  { args, dockerfile }: BuildFacts,
  steps: readonly NumberedStep[],
  mode: ProvenanceRequest['mode'],
): object {
  const vcs = Object.entries(args).flatMap(([key, value]) =>
    key.startsWith('vcs:') && value !== '' ? [[key.slice('vcs:'.length), withoutLogin(value)]] : [],
  );
  return {
    ...(vcs.length === 0 ? {} : { vcs: Object.fromEntries(vcs) }),
    ...(mode === 'min'
      ? {}
      : {
          source: {
            locations: locationsOf(plan, steps),
            infos: [
              {
                filename: dockerfile.name,
                language: 'Dockerfile',
                data: Buffer.from(dockerfile.text).toString('base64'),
              },
            ],
          },
          layers: { [`${steps.at(-1)?.id}:0`]: [layers] },
        }),
  };
}

/** Where in the Dockerfile each step is written. */
function locationsOf({ stages }: DockerfilePlan, steps: readonly NumberedStep[]): object {
  const ranges = new Map(
    stages.flatMap((stage) =>
      stage.steps.flatMap(({ vertex, range }) =>
        vertex === undefined ? [] : [[vertexDigest(vertex), range] as const],
      ),
    ),
  );
  return Object.fromEntries(
    steps.flatMap(({ id, vertex }) => {
      const range = ranges.get(vertexDigest(vertex));
      if (range === undefined) return [];
      const { start, end } = range;
      const lines = { start: { line: start.line }, end: { line: end.line } };
      return [[id, { locations: [{ ranges: [lines] }] }]];
    }),
  );
}
