import { posix } from 'node:path';
import { SlipwayError } from '@slipway/base';
import { parseDurationNs } from './duration.ts';
import { type Environment, type ExpandOptions, expandWord, expandWords } from './expand.ts';
import type { CommandLine, Escape, Instruction, InstructionKind, InstructionOf } from './instructions.ts';
import { exposedPorts } from './ports.ts';

/**
 * How a container of an image runs, in Docker's names. Other fields an image has are kept.
 * @see https://github.com/opencontainers/image-spec/blob/main/config.md
 */
export interface RunConfig {
  User?: string | undefined;
  ExposedPorts?: Record<string, unknown> | undefined;
  Env?: string[] | undefined;
  Entrypoint?: string[] | undefined;
  Cmd?: string[] | undefined;
  Volumes?: Record<string, unknown> | undefined;
  WorkingDir?: string | undefined;
  Labels?: Record<string, string> | undefined;
  StopSignal?: string | undefined;
  Healthcheck?: Healthcheck | undefined;
  OnBuild?: string[] | undefined;
  Shell?: string[] | undefined;
}

/** Durations are nanoseconds. */
export interface Healthcheck {
  Test?: string[] | undefined;
  Interval?: number | undefined;
  Timeout?: number | undefined;
  StartPeriod?: number | undefined;
  StartInterval?: number | undefined;
  Retries?: number | undefined;
}

export type ConfigInstruction = InstructionOf<(typeof CONFIG_KINDS)[number]>;

/** The instructions that change how the image runs and nothing in its file system. */
export const CONFIG_KINDS = [
  'CMD',
  'ENTRYPOINT',
  'ENV',
  'EXPOSE',
  'HEALTHCHECK',
  'LABEL',
  'ONBUILD',
  'SHELL',
  'STOPSIGNAL',
  'USER',
  'VOLUME',
  'WORKDIR',
] as const satisfies readonly InstructionKind[];

export const isConfigInstruction = (instruction: Instruction): instruction is ConfigInstruction =>
  (CONFIG_KINDS as readonly string[]).includes(instruction.kind);

const DEFAULT_SHELL = ['/bin/sh', '-c'];

/** The arguments that a command line is run with: its own, or those of the shell with the line. */
export const commandArgs = (command: CommandLine, shell: readonly string[] = DEFAULT_SHELL): string[] =>
  command.form === 'exec' ? [...command.args] : [...shell, command.line];

export interface ApplyOptions {
  readonly escape?: Escape;
  /** Whether the same stage has had a CMD. An ENTRYPOINT without one takes away that of the base image. */
  readonly hasCommand?: boolean;
}

/**
 * The configuration as it is after an instruction; `config` stays as it is. `env` is what its words may refer to: the
 * configuration's variables and the arguments that are declared.
 * @throws InvalidArgument for a word that cannot be expanded, a bad port or duration
 */
export function applyToConfig<C extends RunConfig>(
  config: C,
  instruction: ConfigInstruction,
  env: Environment,
  options: ApplyOptions = {},
): C {
  return { ...config, ...changesOf(config, instruction, new Words(env, options), options) };
}

class Words {
  readonly #env: Environment;
  readonly #options: ExpandOptions;

  constructor(env: Environment, { escape: token = '\\' }: ApplyOptions) {
    this.#env = env;
    this.#options = { escape: token };
  }

  one(word: string): string {
    return expandWord(word, this.#env, this.#options);
  }

  all(words: readonly string[]): string[] {
    return words.flatMap((word) => expandWords(word, this.#env, this.#options));
  }
}

function changesOf(
  config: RunConfig,
  instruction: ConfigInstruction,
  words: Words,
  { hasCommand = false }: ApplyOptions,
): RunConfig {
  switch (instruction.kind) {
    case 'CMD':
      return { Cmd: commandArgs(instruction.command, config.Shell) };
    case 'ENTRYPOINT': {
      const Entrypoint = commandArgs(instruction.command, config.Shell);
      return hasCommand ? { Entrypoint } : { Entrypoint, Cmd: undefined };
    }
    case 'ENV':
      return { Env: withVariables(config.Env ?? [], expandPairs(instruction, words)) };
    case 'LABEL':
      return { Labels: { ...config.Labels, ...Object.fromEntries(expandPairs(instruction, words)) } };
    case 'EXPOSE':
      return {
        ExposedPorts: {
          ...config.ExposedPorts,
          ...asKeys(words.all(instruction.ports).flatMap(exposedPorts)),
        },
      };
    case 'VOLUME':
      return { Volumes: { ...config.Volumes, ...asKeys(volumesOf(instruction, words)) } };
    case 'HEALTHCHECK':
      return { Healthcheck: healthcheckOf(instruction) };
    case 'ONBUILD':
      return { OnBuild: [...(config.OnBuild ?? []), instruction.instruction] };
    case 'SHELL':
      return { Shell: [...instruction.args] };
    case 'STOPSIGNAL':
      return { StopSignal: words.one(instruction.signal) };
    case 'USER':
      return { User: words.one(instruction.user) };
    case 'WORKDIR':
      return { WorkingDir: resolveWorkdir(config.WorkingDir, words.one(instruction.path)) };
  }
}

function volumesOf({ paths }: InstructionOf<'VOLUME'>, words: Words): string[] {
  const expanded = paths.map((path) => words.one(path));
  if (expanded.includes('')) {
    throw new SlipwayError('InvalidArgument', 'VOLUME specified can not be an empty string', {
      reason: 'DOCKERFILE',
    });
  }
  return expanded;
}

/** A WORKDIR from the one before it. @throws InvalidArgument for an empty one */
export function resolveWorkdir(current: string | undefined, path: string): string {
  if (path === '') {
    throw new SlipwayError(
      'InvalidArgument',
      'WORKDIR is empty once its variables are replaced: name a folder',
      {
        reason: 'DOCKERFILE',
      },
    );
  }
  return posix.resolve('/', current ?? '', path);
}

/** The variables with those set, each where it was, new ones behind. */
export function withVariables(env: readonly string[], pairs: Iterable<readonly [string, string]>): string[] {
  const result = [...env];
  for (const [name, value] of pairs) {
    const at = result.findIndex((entry) => entry.startsWith(`${name}=`));
    if (at < 0) result.push(`${name}=${value}`);
    else result[at] = `${name}=${value}`;
  }
  return result;
}

/** All values are expanded with what was before the instruction: `ENV a=1 b=$a` takes the old `a`. */
const expandPairs = ({ assignments }: InstructionOf<'ENV' | 'LABEL'>, words: Words): [string, string][] =>
  assignments.map(({ name, value }) => [words.one(name), words.one(value)]);

const asKeys = (keys: readonly string[]): Record<string, Record<string, never>> =>
  Object.fromEntries(keys.map((key) => [key, {}]));

function healthcheckOf(check: InstructionOf<'HEALTHCHECK'>): Healthcheck {
  if (check.command === undefined) return { Test: ['NONE'] };
  const { command } = check;
  const durations = {
    Interval: check.interval,
    Timeout: check.timeout,
    StartPeriod: check.startPeriod,
    StartInterval: check.startInterval,
  };
  return {
    Test: command.form === 'exec' ? ['CMD', ...command.args] : ['CMD-SHELL', command.line],
    ...Object.fromEntries(
      Object.entries(durations).flatMap(([name, text]) => (text ? [[name, parseDurationNs(text)]] : [])),
    ),
    ...(check.retries === undefined ? {} : { Retries: Number(check.retries) }),
  };
}
