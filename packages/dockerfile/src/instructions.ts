/** A place in the file; lines and columns count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** From the first character to behind the last. */
export interface Range {
  readonly start: Position;
  readonly end: Position;
}

/** A here-document that belongs to an instruction. */
export interface Heredoc {
  readonly name: string;
  /** `<<EOF` expands variables, `<<"EOF"` does not. */
  readonly expand: boolean;
  /** Its lines with their ends; for `<<-` without the tabs that they begin with. */
  readonly content: string;
}

interface Located {
  /** The whole instruction, its here-documents too. */
  readonly range: Range;
  /** As it is written, continuation lines joined; what `docker history` shows. */
  readonly original: string;
  /** The instruction's name as it is written: `from`. */
  readonly keyword: string;
  /** The comment lines directly above, without `#`; an empty line or comment ends them. */
  readonly comments: readonly string[];
}

/** `NAME=VALUE` as it is written: quotes and variables are left to the expansion. */
export interface Assignment {
  readonly name: string;
  readonly value: string;
}

interface Assigning {
  readonly assignments: readonly Assignment[];
  /** The old form, `ENV NAME the rest of the line`. */
  readonly legacy: boolean;
}

/** Exec form (a JSON array), or a line for a shell. */
export type CommandLine =
  | { readonly form: 'exec'; readonly args: readonly string[] }
  | { readonly form: 'shell'; readonly line: string; readonly heredocs: readonly Heredoc[] };

export interface RunMount {
  readonly type: 'bind' | 'cache' | 'tmpfs' | 'secret' | 'ssh';
  /**
   * The options as they are written, before expansion, without `type`. A name without `=` (`readonly`) has the value `true`;
   * short names are the long ones: `src` is `source`, `dst` and `destination` are `target`, `ro` is `readonly`, `rw` is `readwrite`.
   */
  readonly options: ReadonlyMap<string, string>;
}

/** What COPY and ADD take. */
interface Copying extends Located {
  /** Words before expansion. Here-documents are sources too. */
  readonly sources: readonly (string | Heredoc)[];
  readonly destination: string;
  readonly from: string | undefined;
  readonly chown: string | undefined;
  readonly chmod: string | undefined;
  readonly link: boolean;
  readonly parents: boolean;
  readonly exclude: readonly string[];
}

/**
 * One instruction, its flags read and its words still to be expanded.
 * @see https://docs.docker.com/reference/dockerfile/
 */
export type Instruction = Located &
  (
    | {
        readonly kind: 'FROM';
        readonly image: string;
        readonly platform: string | undefined;
        /** In lower case. */
        readonly name: string | undefined;
        /** `AS` and the name as they are written. */
        readonly written: { readonly as: string; readonly name: string } | undefined;
      }
    | { readonly kind: 'ARG'; readonly args: readonly { name: string; value: string | undefined }[] }
    | ({ readonly kind: 'ENV' } & Assigning)
    | ({ readonly kind: 'LABEL' } & Assigning)
    | {
        readonly kind: 'RUN';
        readonly command: CommandLine;
        readonly mounts: readonly RunMount[];
        readonly network: 'default' | 'none' | 'host';
        readonly security: 'sandbox' | 'insecure';
        readonly devices: readonly string[];
      }
    | (Copying & { readonly kind: 'COPY' })
    | (Copying & {
        readonly kind: 'ADD';
        readonly checksum: string | undefined;
        readonly keepGitDir: boolean;
        readonly unpack: boolean | undefined;
      })
    | { readonly kind: 'CMD'; readonly command: CommandLine }
    | { readonly kind: 'ENTRYPOINT'; readonly command: CommandLine }
    | { readonly kind: 'SHELL'; readonly args: readonly string[] }
    | { readonly kind: 'WORKDIR'; readonly path: string }
    | { readonly kind: 'USER'; readonly user: string }
    | { readonly kind: 'VOLUME'; readonly paths: readonly string[] }
    | { readonly kind: 'EXPOSE'; readonly ports: readonly string[] }
    | { readonly kind: 'STOPSIGNAL'; readonly signal: string }
    | {
        readonly kind: 'HEALTHCHECK';
        /** Undefined for `HEALTHCHECK NONE`. */
        readonly command: CommandLine | undefined;
        /** Go durations as they are written. */
        readonly interval: string | undefined;
        readonly timeout: string | undefined;
        readonly startPeriod: string | undefined;
        readonly startInterval: string | undefined;
        readonly retries: string | undefined;
      }
    | { readonly kind: 'ONBUILD'; readonly instruction: string }
    | { readonly kind: 'MAINTAINER'; readonly name: string }
  );

export type Escape = '\\' | '`';

export type InstructionKind = Instruction['kind'];
export type InstructionOf<K extends InstructionKind> = Extract<Instruction, { kind: K }>;

/** A stage: its FROM and what follows. */
export interface Stage {
  readonly from: InstructionOf<'FROM'>;
  readonly instructions: readonly Instruction[];
}

export interface Dockerfile {
  /** How errors call it: `Dockerfile`. */
  readonly name: string;
  /** What takes a character's meaning and joins lines: a backslash unless `# escape=` says otherwise. */
  readonly escape: Escape;
  /** `# syntax=`, `# escape=`, `# check=`. */
  readonly directives: ReadonlyMap<string, string>;
  /** ARGs before the first FROM. */
  readonly globalArgs: readonly InstructionOf<'ARG'>[];
  readonly stages: readonly Stage[];
  /** The last lines of instructions with empty lines between their continuation lines. */
  readonly emptyContinuations: readonly Range[];
  /** The text, for excerpts in errors. */
  readonly text: string;
}

/** A finding of the build checks, as `docker build --check` prints it. */
export interface Warning {
  /** `StageNameCasing`, `FromAsCasing`, `JSONArgsRecommended`, … */
  readonly rule: string;
  readonly description: string;
  readonly url: string;
  readonly detail: string;
  readonly ranges: readonly Range[];
}
