import type { Clock } from '@slipway/base/clock';
import type { Client } from '@slipway/client';
import type { Completion, FlagTable, FlagValues } from './args/flags.ts';

/** What a command sees of the world around it. */
export interface Context {
  /** Connects with the first request. */
  readonly client: Client;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly clock: Clock;
  /** All commands, for those that speak of the others. */
  readonly tree: CommandTree;
}

/** A word of the command line: a command, loaded when it is used, or a noun with commands below it. */
export type Node = Leaf | Noun;

/** A command that is not loaded yet. */
export interface Leaf {
  readonly load: () => Promise<{ readonly default: Command }>;
}

/** A word that has commands below it. */
export interface Noun {
  readonly summary: string;
  readonly commands: Readonly<Record<string, Node>>;
}

/** Every command there is. */
export interface CommandTree {
  readonly root: Noun;
  /** The root's commands as the help groups them: how one learns them, not the alphabet. */
  readonly groups: Readonly<Record<string, Readonly<Record<string, Node>>>>;
  /** The flags that stand before the command. */
  readonly globalFlags: FlagTable;
}

export interface Arguments {
  /** As the usage line shows them: `CONTAINER [CONTAINER...]`. */
  readonly usage: string;
  readonly min: number;
  /** Without it, any number. */
  readonly max?: number;
  readonly complete?: Completion;
}

/** A command as data. Help, completion and the reference are made from it. */
export interface Command<F extends FlagTable = FlagTable> {
  /** One line, without a full stop. */
  readonly summary: string;
  /** More than the summary, for whoever asks for help. */
  readonly description?: string;
  readonly arguments: Arguments;
  readonly flags: F;
  /** False when flags end at the first argument, because the rest is a command of its own. */
  readonly interspersed?: boolean;
  /** Command lines without `slipway`, each with what it does. */
  readonly examples: readonly (readonly [line: string, does: string])[];
  /** The exit code; a number, or 0 when it is none. */
  readonly run: (context: Context, input: Input<F>) => Promise<unknown>;
}

export interface Input<F extends FlagTable> {
  readonly flags: FlagValues<F>;
  readonly args: readonly string[];
  /** The names of the flags that were given. */
  readonly given: ReadonlySet<string>;
}

/** Types `flags` by what the command declares. */
export function defineCommand<const F extends FlagTable>(command: Command<F>): Command {
  return command as unknown as Command;
}

/** Ends a command with a code other than 0 and a message; `message` of undefined says nothing more. */
export class ExitError extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message = '', options?: { cause?: unknown }) {
    super(message, options);
    this.exitCode = exitCode;
  }
}
