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
  readonly content: string;
}

interface Located {
  /** The whole instruction, its here-documents too. */
  readonly range: Range;
  /** As it is written, continuation lines joined; what `docker history` shows. */
  readonly original: string;
}

/** `NAME=VALUE` as it is written: quotes and variables are left to the expansion. */
export interface Assignment {
  readonly name: string;
  readonly value: string;
}

/** Exec form (a JSON array), or a line for a shell. */
export type CommandLine =
  | { readonly form: 'exec'; readonly args: readonly string[] }
  | { readonly form: 'shell'; readonly line: string; readonly heredocs: readonly Heredoc[] };

export interface RunMount {
  readonly type: 'bind' | 'cache' | 'tmpfs' | 'secret' | 'ssh';
  /** The options as they are written, before expansion, without `type`. */
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
        readonly name: string | undefined;
      }
    | { readonly kind: 'ARG'; readonly args: readonly { name: string; value: string | undefined }[] }
    | { readonly kind: 'ENV'; readonly assignments: readonly Assignment[] }
    | { readonly kind: 'LABEL'; readonly assignments: readonly Assignment[] }
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

/** A stage: its FROM and what follows. */
export interface Stage {
  readonly from: Extract<Instruction, { kind: 'FROM' }>;
  readonly instructions: readonly Instruction[];
}

export interface Dockerfile {
  /** `# syntax=`, `# escape=`, `# check=`. */
  readonly directives: ReadonlyMap<string, string>;
  /** ARGs before the first FROM. */
  readonly globalArgs: readonly Extract<Instruction, { kind: 'ARG' }>[];
  readonly stages: readonly Stage[];
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
