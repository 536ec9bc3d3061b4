import type { Range } from '@slipway/dockerfile';
import type { ImageConfig, ImageRunConfig, Platform } from '@slipway/oci';
import type { FileAction, Operation, PlannedConfig, Vertex } from '../graph.ts';
import type { Argument } from './arguments.ts';
import { HISTORY_COMMENT } from './history.ts';
import type { PlannedStep } from './options.ts';
import { scratchVertex } from './sources.ts';

/** A stage while its instructions are gone through. Each instruction makes a new one. */
export interface StageState {
  readonly name: string;
  readonly platform: Platform;
  /** The file system so far. */
  readonly vertex: Vertex;
  /** What the image says beside how it is run. */
  readonly document: PlannedConfig;
  readonly config: ImageRunConfig;
  /** In the order of their declaration; of one name the last counts. */
  readonly args: readonly Argument[];
  readonly history: readonly HistoryEntry[];
  readonly steps: readonly PlannedStep[];
  readonly titles: { readonly prefix: string; readonly at: number; readonly total: number };
  readonly ignoreCache: boolean;
  /** Whether a CMD was in this stage: an ENTRYPOINT forgets only that of the base. */
  readonly setsCommand: boolean;
  /** `SOURCE_DATE_EPOCH`, in seconds. */
  readonly epochS: number | undefined;
}

export interface HistoryEntry {
  readonly document: NonNullable<ImageConfig['history']>[number];
  /** What made its layer. */
  readonly vertex: Vertex | undefined;
}

/** An instruction, as a step of the stage. */
export interface StepText {
  readonly original: string;
  readonly range: Range;
}

export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What variables an instruction sees: the image's environment wins over arguments. */
export function environment({ config, args }: Pick<StageState, 'config' | 'args'>): Map<string, string> {
  const env = new Map<string, string>();
  for (const { name, value } of args) {
    if (value === undefined) env.delete(name);
    else env.set(name, value);
  }
  for (const entry of config.Env ?? []) {
    const equals = entry.indexOf('=');
    if (equals > 0) env.set(entry.slice(0, equals), entry.slice(equals + 1));
  }
  return env;
}

/** The arguments that have a value, the last of each name. */
export function argumentsOf({ args }: Pick<StageState, 'args'>): Argument[] {
  return [...new Map(args.map((argument) => [argument.name, argument])).values()];
}

/** The title of the stage's next step that has one: `[builder 2/5] RUN make`. */
export function stepTitle({ titles }: StageState, text: string): string {
  const number = String(titles.at + 1).padStart(String(titles.total).length);
  const prefix = titles.prefix === '' ? '' : `${titles.prefix} `;
  return `[${prefix}${number}/${titles.total}] ${text.replace(/\s+/g, ' ')}`;
}

/** The stage with one more vertex on top of its file system. */
export function addVertex(
  state: StageState,
  step: StepText,
  {
    operation,
    inputs,
    isLinked = false,
    createdBy,
  }: {
    readonly operation: Operation;
    readonly inputs: readonly Vertex[];
    /** It is made on nothing, and what it comes to is put on top. */
    readonly isLinked?: boolean;
    readonly createdBy: string;
  },
): StageState {
  const { platform } = state;
  const title = stepTitle(state, step.original);
  const vertex: Vertex = {
    operation,
    inputs: [isLinked ? scratchVertex(platform) : state.vertex, ...inputs],
    title,
    ignoreCache: state.ignoreCache,
    platform,
    sourceDateEpochS: state.epochS,
  };
  const merged = { operation: { kind: 'merge' }, title, ignoreCache: false, platform } as const;
  return {
    ...state,
    vertex: isLinked ? { ...merged, inputs: [state.vertex, vertex] } : vertex,
    steps: [...state.steps, { ...step, vertex }],
    titles: { ...state.titles, at: state.titles.at + 1 },
    history: [...state.history, { document: { created_by: createdBy, comment: HISTORY_COMMENT }, vertex }],
  };
}

/** The stage with another configuration; its file system stays. */
export function addChange(
  state: StageState,
  step: StepText,
  createdBy: string,
  change: Partial<Pick<StageState, 'config' | 'args' | 'document' | 'setsCommand'>> = {},
): StageState {
  return {
    ...state,
    ...change,
    steps: [...state.steps, { ...step, vertex: undefined }],
    history: [
      ...state.history,
      {
        document: { created_by: createdBy, comment: HISTORY_COMMENT, empty_layer: true },
        vertex: undefined,
      },
    ],
  };
}

/** WORKDIR makes the folder; `/` is there. */
export function addFolder(state: StageState, step: StepText, path: string): StageState {
  const createdBy = `WORKDIR ${path}`;
  if (path === '/') return { ...addChange(state, step, createdBy), titles: nextTitle(state) };
  const action: FileAction = { kind: 'mkdir', path, owner: undefined, mode: 0o755 };
  return addVertex(state, step, { operation: { kind: 'files', actions: [action] }, inputs: [], createdBy });
}

const nextTitle = ({ titles }: StageState): StageState['titles'] => ({ ...titles, at: titles.at + 1 });
