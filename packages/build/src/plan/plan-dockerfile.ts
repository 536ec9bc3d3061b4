import { isSlipwayError, SlipwayError } from '@slipway/base';
import {
  checkDockerfile,
  type Dockerfile,
  DockerfileError,
  type ExpandOptions,
  expandWord,
  type Instruction,
  parseInstruction,
  type Stage,
  type Warning,
} from '@slipway/dockerfile';
import { formatPlatform, normalizePlatform, type Platform, parsePlatform } from '@slipway/oci';
import type { Vertex } from '../graph.ts';
import { type Argument, platformArguments, unusedArguments } from './arguments.ts';
import { configure } from './configure.ts';
import { ContextSources } from './contexts.ts';
import { addCopy } from './copy.ts';
import { checkFrontend } from './frontend.ts';
import type { DockerfilePlan, PlannedStage, PlanOptions, ResolveImage } from './options.ts';
import { addRun } from './run.ts';
import { findNamedContext, imageTitle, scratchVertex, sourceVertex } from './sources.ts';
import { addChange, DEFAULT_PATH, environment, type StageState, stepTitle } from './stage.ts';

/**
 * Turns a Dockerfile into the graph that builds one of its stages, with the image's configuration and history as BuildKit
 * makes them. Stages that the target does not need are not looked at. Nothing but `resolveImage` reaches outside.
 * @throws InvalidArgument in BuildKit's words; what `resolveImage` throws
 * @see https://docs.docker.com/reference/dockerfile/
 */
export async function planDockerfile(
  dockerfile: Dockerfile,
  options: PlanOptions,
  {
    resolveImage,
    contexts = new ContextSources(options.platform),
  }: {
    readonly resolveImage: ResolveImage;
    /** Shared by plans that are solved together, once all are made. */
    readonly contexts?: ContextSources | undefined;
  },
): Promise<DockerfilePlan> {
  checkFrontend(dockerfile, options.buildArgs);
  const planner = new Planner(dockerfile, options, { resolveImage, contexts });
  const target = findTarget(dockerfile, options.target);
  const state = withLabels(await planner.stage(target), options.labels);
  const { config, document, history, vertex, platform } = state;
  return {
    vertex,
    platform,
    config: {
      ...document,
      architecture: platform.architecture,
      os: platform.os,
      ...(platform.variant === undefined ? {} : { variant: platform.variant }),
      config,
      history: history.map((entry) => entry.document),
    },
    historyVertices: history.map((entry) => entry.vertex),
    stages: await planner.planned(),
    warnings: planner.check(),
    epochMs: planner.epochS === undefined ? undefined : planner.epochS * 1000,
    unusedArgs: unusedArguments(options.buildArgs, planner.declared),
  };
}

/** The stage's number. Names are not told apart by case. */
function findTarget({ stages }: Dockerfile, target: string | undefined): number {
  if (target === undefined || target === '') return stages.length - 1;
  const named = stages.findIndex(({ from }) => from.name?.toLowerCase() === target.toLowerCase());
  if (named !== -1) return named;
  if (/^\d+$/.test(target) && Number(target) < stages.length) return Number(target);
  const names = stages.flatMap(({ from }) => (from.name === undefined ? [] : [from.name]));
  throw new SlipwayError(
    'InvalidArgument',
    `target stage "${target}" could not be found${names.length === 0 ? '' : `: there are ${names.join(', ')}`}`,
  );
}

function epochOf(buildArgs: ReadonlyMap<string, string>): number | undefined {
  const text = buildArgs.get('SOURCE_DATE_EPOCH');
  if (text === undefined || text === '') return undefined;
  if (/^\d{1,12}$/.test(text)) return Number(text);
  throw new SlipwayError(
    'InvalidArgument',
    `invalid SOURCE_DATE_EPOCH: "${text}" is not a number of seconds`,
  );
}

const withLabels = (state: StageState, labels: ReadonlyMap<string, string>): StageState =>
  labels.size === 0
    ? state
    : {
        ...state,
        config: {
          ...state.config,
          Labels: {
            ...state.config.Labels,
            ...Object.fromEntries([...labels].toSorted(([a], [b]) => (a < b ? -1 : 1))),
          },
        },
      };

/** The stages of one plan, each made once, when it is first needed. */
class Planner {
  /** The names that an ARG declares somewhere. */
  readonly declared = new Set<string>();
  readonly epochS: number | undefined;
  readonly #dockerfile: Dockerfile;
  readonly #options: PlanOptions;
  readonly #resolveImage: ResolveImage;
  readonly #globals: ReadonlyMap<string, string | undefined>;
  readonly #stages = new Map<number, Promise<StageState>>();
  readonly #contexts: ContextSources;
  /** The variables of the images that were resolved. */
  readonly #imageEnv = new Map<string, readonly string[]>();

  constructor(
    dockerfile: Dockerfile,
    options: PlanOptions,
    { resolveImage, contexts }: { resolveImage: ResolveImage; contexts: ContextSources },
  ) {
    this.#dockerfile = dockerfile;
    this.#options = options;
    this.#resolveImage = resolveImage;
    this.epochS = epochOf(options.buildArgs);
    this.#contexts = contexts;
    for (const { instructions } of dockerfile.stages) {
      for (const instruction of instructions) {
        if (instruction.kind === 'ARG') for (const { name } of instruction.args) this.declared.add(name);
      }
    }
    this.#globals = this.#globalArguments();
  }

  stage(index: number): Promise<StageState> {
    let made = this.#stages.get(index);
    if (made === undefined) {
      made = this.#makeStage(index);
      // Its first asker hears of a failure; who asks later hears of it again.
      made.catch(() => {});
      this.#stages.set(index, made);
    }
    return made;
  }

  /** The stages that were needed, in the order of the file. */
  async planned(): Promise<PlannedStage[]> {
    const made = [...this.#stages].toSorted(([a], [b]) => a - b);
    return await Promise.all(
      made.map(async ([index, state]) => ({
        name: this.#dockerfile.stages[index]?.from.name ?? String(index),
        steps: (await state).steps,
      })),
    );
  }

  /** What builds but should be written otherwise. Of images that were not needed nothing is known. */
  check(): readonly Warning[] {
    const { buildArgs, context, platform, buildPlatform, target } = this.#options;
    return checkDockerfile(this.#dockerfile, {
      settings: buildArgs.get('BUILDKIT_DOCKERFILE_CHECK') ?? this.#dockerfile.directives.get('check') ?? '',
      buildArgs,
      platformArgs: platformArguments(platform, buildPlatform, target || 'default'),
      imageEnv: (reference) => this.#imageEnv.get(reference),
      ignorePatterns: context.kind === 'local' ? context.excludes : [],
    }).warnings;
  }

  #globalArguments(): ReadonlyMap<string, string | undefined> {
    const { platform, buildPlatform, buildArgs, target } = this.#options;
    const automatic = platformArguments(platform, buildPlatform, target || 'default');
    const values = new Map<string, string | undefined>(automatic);
    for (const { args } of this.#dockerfile.globalArgs) {
      for (const { name, value } of args) {
        this.declared.add(name);
        const given = buildArgs.get(name);
        const fallback = value === undefined ? values.get(name) : this.#expand(value, defined(values));
        values.set(name, given ?? fallback);
      }
    }
    for (const name of automatic.keys()) if (buildArgs.has(name)) values.set(name, buildArgs.get(name));
    return values;
  }

  #expand(word: string, env: ReadonlyMap<string, string>, options: ExpandOptions = {}): string {
    return expandWord(word, env, { escape: this.#dockerfile.escape, ...options });
  }

  async #makeStage(index: number): Promise<StageState> {
    const stage = this.#dockerfile.stages[index] as Stage;
    const base = await this.#openBase(stage, index);
    const { OnBuild: triggers = [], ...config } = base.config;
    // A base image's ONBUILD, as if it stood below FROM.
    const inherited = triggers.map((trigger) => parseInstruction(trigger, { name: 'ONBUILD' }));
    const instructions = [...inherited, ...stage.instructions];
    const total = 1 + instructions.filter(makesVertex).length;
    let state: StageState = {
      ...base,
      config: withPath(config),
      titles: { ...base.titles, total },
      setsCommand: false,
    };
    const fromTitle = stepTitle({ ...state, titles: { ...state.titles, at: 0 } }, '');
    if (state.vertex.operation.kind === 'image' && !state.vertex.title.startsWith('[')) {
      state = { ...state, vertex: { ...state.vertex, title: `${fromTitle}${state.vertex.title}` } };
    }
    state = {
      ...state,
      steps: [{ original: stage.from.original, range: stage.from.range, vertex: state.vertex }],
    };
    for (const instruction of instructions) {
      state = await this.#placing(instruction, () => this.#apply(state, instruction, index));
    }
    return state;
  }

  /** What FROM names: nothing, an earlier stage, a context, or an image. */
  async #openBase(stage: Stage, index: number): Promise<StageState> {
    const { from } = stage;
    const globals = defined(this.#globals);
    const name = this.#expand(from.image, globals);
    if (name === '') {
      throw new SlipwayError(
        'InvalidArgument',
        `base name (${from.image}) should not be blank: an ARG before FROM must give it a value`,
      );
    }
    const platformText = from.platform === undefined ? '' : this.#expand(from.platform, globals);
    const platform =
      platformText === '' ? this.#options.platform : normalizePlatform(parsePlatform(platformText));
    const several = this.#dockerfile.stages.length > 1;
    const title = from.name ?? (several ? `stage-${index}` : '');
    const { noCache } = this.#options;
    const empty: StageState = {
      name: from.name ?? String(index),
      platform,
      vertex: scratchVertex(platform),
      document: { architecture: platform.architecture, os: platform.os },
      config: { WorkingDir: '/' },
      args: [],
      history: [],
      steps: [],
      titles: { prefix: `${this.#platformTitle(platform)} ${title}`.trim(), at: 1, total: 1 },
      ignoreCache:
        typeof noCache === 'boolean'
          ? noCache
          : noCache.some((other) => other.toLowerCase() === from.name?.toLowerCase()),
      setsCommand: false,
      epochS: this.epochS,
    };
    const context = findNamedContext(this.#options.namedContexts, name);
    if (context !== undefined && context.kind !== 'image' && context.kind !== 'scratch') {
      return { ...empty, vertex: this.#contexts.open(context, '/') };
    }
    if (context?.kind === 'scratch' || (context === undefined && name === 'scratch')) return empty;
    const earlier = context === undefined ? this.#findStage(name, index) : undefined;
    if (earlier !== undefined) {
      const { titles, name: own, ignoreCache } = empty;
      const before = await this.stage(earlier);
      const inherits = from.platform === undefined ? {} : { platform };
      return { ...before, ...inherits, titles, name: own, ignoreCache: ignoreCache || before.ignoreCache };
    }
    return await this.#openImage(empty, context?.kind === 'image' ? context.reference : name);
  }

  /** `linux/amd64`, or `linux/amd64->arm64` of a stage that runs here and makes things for another platform. */
  #platformTitle(platform: Platform): string {
    const { showsPlatform = false, platform: target } = this.#options;
    if (!showsPlatform) return '';
    const text = formatPlatform(platform);
    if (text === formatPlatform(target)) return text;
    return `${text}->${target.os === platform.os ? target.architecture : formatPlatform(target)}`;
  }

  async #openImage(empty: StageState, reference: string): Promise<StageState> {
    const { manifest, config: image } = await this.#resolveImage(reference, empty.platform);
    this.#imageEnv.set(reference, image.config?.Env ?? []);
    const { rootfs: _layers, config = {}, history = [], created: _created, ...document } = image;
    return {
      ...empty,
      platform: imagePlatform(image, empty.platform),
      vertex: imageVertex(reference, manifest, empty.platform),
      document,
      config,
      history: history.map((entry) => ({ document: entry, vertex: undefined })),
    };
  }

  /** The earlier stage of this name, the nearest first. */
  #findStage(name: string, before: number): number | undefined {
    const { stages } = this.#dockerfile;
    for (let index = before - 1; index >= 0; index--) {
      if (stages[index]?.from.name?.toLowerCase() === name.toLowerCase()) return index;
    }
    return undefined;
  }

  /** The file system that a `from=` names, of which `path` is wanted. */
  async #openSource(
    from: string | undefined,
    path: string,
    before: number,
    platform: Platform,
  ): Promise<Vertex> {
    if (from === undefined) return this.#contexts.open(this.#options.context, path);
    const context = findNamedContext(this.#options.namedContexts, from);
    if (context !== undefined && context.kind !== 'image') return this.#contexts.open(context, path);
    if (context === undefined) {
      if (from === 'scratch') return scratchVertex(platform);
      const earlier = this.#findStage(from, before) ?? stageNumber(from, before);
      if (earlier !== undefined) return (await this.stage(earlier)).vertex;
    }
    const reference = context?.reference ?? from;
    const { manifest } = await this.#resolveImage(reference, platform);
    return imageVertex(reference, manifest, platform);
  }

  /** Says of an error in an instruction where that stands. */
  async #placing<T>({ range }: Instruction, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof DockerfileError || !isSlipwayError(error, 'InvalidArgument')) throw error;
      throw new DockerfileError(error.message, { ranges: [range], file: this.#dockerfile, cause: error });
    }
  }

  async #apply(state: StageState, instruction: Instruction, index: number): Promise<StageState> {
    const env = environment(state);
    const expand = (word: string) => this.#expand(word, env);
    const openSource = (from: string | undefined, path: string) =>
      this.#openSource(from === undefined ? undefined : expand(from), path, index, state.platform);
    switch (instruction.kind) {
      case 'ARG':
        return this.#declare(state, instruction);
      case 'RUN':
        return await addRun(state, instruction, { options: this.#options, expand, openSource });
      case 'COPY':
      case 'ADD':
        return await addCopy(state, instruction, {
          expand,
          expandText: (text) => this.#expand(text, env, { quotes: false }),
          openSource,
        });
      case 'MAINTAINER':
        return addChange(state, instruction, `MAINTAINER ${instruction.name}`, {
          document: { ...state.document, author: instruction.name },
        });
      case 'FROM':
        throw new SlipwayError('InvalidArgument', 'FROM cannot stand within a stage');
      default:
        return configure(state, instruction, {
          escape: this.#dockerfile.escape,
          hasCommand: state.setsCommand,
        });
    }
  }

  /** ARG: from the command line, else the file's own default, else what the global scope has. */
  #declare(state: StageState, instruction: Extract<Instruction, { kind: 'ARG' }>): StageState {
    const args: Argument[] = [...state.args];
    const words: string[] = [];
    for (const { name, value } of instruction.args) {
      const fallback =
        value === undefined
          ? this.#globals.get(name)
          : this.#expand(value, environment({ config: state.config, args }));
      args.push({ name, value: this.#options.buildArgs.get(name) ?? fallback });
      words.push(value === undefined ? name : `${name}=${fallback}`);
    }
    return addChange(state, instruction, `ARG ${words.join(' ')}`, { args });
  }
}

const makesVertex = ({ kind }: Instruction): boolean => ['RUN', 'COPY', 'ADD', 'WORKDIR'].includes(kind);

const stageNumber = (name: string, before: number): number | undefined =>
  /^\d+$/.test(name) && Number(name) < before ? Number(name) : undefined;

const imageVertex = (
  reference: string,
  manifest: Awaited<ReturnType<ResolveImage>>['manifest'],
  platform: Platform,
): Vertex =>
  sourceVertex(
    { kind: 'image', reference, manifest },
    `FROM ${imageTitle(reference, manifest.digest)}`,
    platform,
  );

/** What the image says that it is for; what was asked for where it says nothing. */
const imagePlatform = (
  { os, architecture, variant }: { os: string; architecture: string; variant?: string | undefined },
  asked: Platform,
): Platform =>
  architecture === '' ? asked : { os, architecture, ...(variant === undefined ? {} : { variant }) };

const withPath = (config: StageState['config']): StageState['config'] =>
  config.Env?.some((entry) => entry.startsWith('PATH=')) === true
    ? config
    : { ...config, Env: [...(config.Env ?? []), `PATH=${DEFAULT_PATH}`] };

const defined = (values: ReadonlyMap<string, string | undefined>): ReadonlyMap<string, string> =>
  new Map([...values].filter((entry): entry is [string, string] => entry[1] !== undefined));
