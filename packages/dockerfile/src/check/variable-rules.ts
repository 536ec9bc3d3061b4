import { posix } from 'node:path';
import { type Expansion, expand } from '../expand.ts';
import { createIgnoreMatcher } from '../ignore.ts';
import type { Dockerfile, Instruction, InstructionOf, Stage } from '../instructions.ts';
import { suggest } from '../suggest.ts';
import { checkPort } from './file-rules.ts';
import type { Report } from './rules.ts';

export interface KnownVariables {
  /** What `--build-arg` gives. */
  readonly buildArgs?: ReadonlyMap<string, string>;
  /** TARGETPLATFORM and the like. */
  readonly platformArgs?: ReadonlyMap<string, string>;
  /**
   * The variables of an image that a stage begins with, as `NAME=value`; undefined when they are not known, and then no use of
   * a variable is called undefined. Without this function an image has PATH alone.
   */
  readonly imageEnv?: (reference: string) => readonly string[] | undefined;
  /** The patterns of `.dockerignore`. */
  readonly ignorePatterns?: readonly string[];
}

/** What platform arguments come to where nobody says it; names of images need some value. */
const PLATFORM_PARTS = { PLATFORM: 'linux/amd64', OS: 'linux', ARCH: 'amd64', VARIANT: '', OSVERSION: '' };

const PLATFORM_ARGS: readonly (readonly [string, string])[] = [
  ...['TARGET', 'BUILD'].flatMap((side) =>
    Object.entries(PLATFORM_PARTS).map(([part, value]) => [`${side}${part}`, value] as const),
  ),
  ['TARGETSTAGE', 'default'],
];

/** Read by the build itself, wherever they are declared. */
const BUILD_SETTINGS = ['BUILDKIT_SBOM_SCAN_CONTEXT', 'BUILDKIT_SBOM_SCAN_STAGE'];

/** What a stage leaves to those that begin with it. */
interface StageEnd {
  /** Undefined when the image below is not known. */
  readonly env: ReadonlyMap<string, string> | undefined;
  /** Arguments, with a value or without: a stage that begins with this one has them too. */
  readonly declared: ReadonlySet<string>;
  readonly hasWorkdir: boolean;
}

/** What can be seen once variables have values. */
export function checkVariables(dockerfile: Dockerfile, known: KnownVariables, report: Report): void {
  const globals = globalScope(dockerfile, known.buildArgs ?? new Map(), known);
  const defaults = globalScope(dockerfile, new Map(), known);
  const ends = new Map<string, StageEnd>();
  const ignores = ignoresOf(known);
  for (const [index, stage] of dockerfile.stages.entries()) {
    checkFrom(stage, globals, defaults, dockerfile, report);
    const begin = beginOf(stage, globals, ends, known, dockerfile);
    const end = new StageCheck(begin, globals, known, dockerfile, ignores, report).run(stage.instructions);
    ends.set(String(index), end);
    if (stage.from.name !== undefined) ends.set(stage.from.name, end);
  }
}

/** Static checks cannot tell what patterns that keep leave of a folder, so with those nothing is said. */
function ignoresOf({ ignorePatterns = [] }: KnownVariables): (path: string) => boolean {
  if (ignorePatterns.length === 0 || ignorePatterns.some((pattern) => pattern.startsWith('!'))) {
    return () => false;
  }
  const matcher = createIgnoreMatcher(ignorePatterns);
  return (path) => matcher(path, false).ignored;
}

/** The arguments before the first FROM. */
function globalScope(
  dockerfile: Dockerfile,
  buildArgs: ReadonlyMap<string, string>,
  known: KnownVariables,
): Map<string, string> {
  const scope = new Map(PLATFORM_ARGS.map(([name, value]) => [name, known.platformArgs?.get(name) ?? value]));
  for (const { args } of dockerfile.globalArgs) {
    for (const { name, value } of args) {
      const given = buildArgs.get(name) ?? (value && tryExpand(value, scope, dockerfile)?.text) ?? value;
      scope.set(name, given ?? '');
    }
  }
  return scope;
}

/** Undefined for what cannot be expanded: that is an error of the build, not a finding. */
function tryExpand(
  word: string,
  env: ReadonlyMap<string, string>,
  { escape: token }: Dockerfile,
  quotes = true,
): Expansion | undefined {
  try {
    return expand(word, env, { escape: token, quotes });
  } catch {
    return undefined;
  }
}

function checkFrom(
  { from }: Stage,
  globals: ReadonlyMap<string, string>,
  defaults: ReadonlyMap<string, string>,
  dockerfile: Dockerfile,
  report: Report,
): void {
  for (const word of [from.image, from.platform ?? '']) {
    for (const name of tryExpand(word, globals, dockerfile)?.undefined ?? []) {
      const near = suggest(name, globals.keys(), true);
      const hint = near === undefined ? '' : ` (did you mean ${near}?)`;
      report('UndefinedArgInFrom', `FROM argument '${name}' is not declared${hint}`, from.range);
    }
  }
  const byDefault = tryExpand(from.image, defaults, dockerfile);
  if (byDefault !== undefined && !isReference(byDefault.text)) {
    report(
      'InvalidDefaultArgInFrom',
      `Default value for ARG ${from.image} results in empty or invalid base image name`,
      from.range,
    );
  }
  if (from.platform !== undefined) checkPlatform(from, from.platform, globals, dockerfile, report);
}

function checkPlatform(
  from: InstructionOf<'FROM'>,
  platform: string,
  globals: ReadonlyMap<string, string>,
  dockerfile: Dockerfile,
  report: Report,
): void {
  const expansion = tryExpand(platform, globals, dockerfile);
  if (expansion === undefined) return;
  const names = [...expansion.used, ...expansion.undefined];
  if (names.length === 1 && expansion.used.has('TARGETPLATFORM')) {
    report(
      'RedundantTargetPlatform',
      `Setting platform to predefined ${platform} in FROM is redundant as this is the default behavior`,
      from.range,
    );
  }
  // A stage that is called after its platform is meant to be of that one.
  const parts = expansion.text.split('/').slice(0, 2);
  if (names.length === 0 && !parts.some((part) => part !== '' && from.name?.includes(part))) {
    report(
      'FromPlatformFlagConstDisallowed',
      `FROM --platform flag should not use constant value "${platform}"`,
      from.range,
    );
  }
}

/** A name as registries know it, with tag and digest. @see https://pkg.go.dev/github.com/distribution/reference */
const isReference = (text: string): boolean =>
  text.length <= 512 &&
  /^(?:(?:[\w.-]+|\[[0-9a-fA-F:]+\])(?::\d+)?\/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*(?::\w[\w.-]{0,127})?(?:@[A-Za-z][\w.+-]*:[0-9a-fA-F]{32,})?$/.test(
    text,
  );

function beginOf(
  { from }: Stage,
  globals: ReadonlyMap<string, string>,
  ends: ReadonlyMap<string, StageEnd>,
  known: KnownVariables,
  dockerfile: Dockerfile,
): StageEnd {
  const image = tryExpand(from.image, globals, dockerfile)?.text ?? from.image;
  const base = ends.get(image.toLowerCase());
  if (base !== undefined) return base;
  const path: [string, string] = ['PATH', ''];
  const declared = new Set<string>();
  if (image === 'scratch' || known.imageEnv === undefined)
    return { env: new Map([path]), declared, hasWorkdir: false };
  const entries = known.imageEnv(image);
  const pairs = entries?.map((entry): [string, string] => {
    const [name = ''] = entry.split('=', 1);
    return [name, entry.slice(name.length + 1)];
  });
  return { env: pairs && new Map([path, ...pairs]), declared, hasWorkdir: false };
}

/** Follows a stage's variables from one instruction to the next. */
class StageCheck {
  readonly #env: Map<string, string>;
  /** Variables of the image below are not known, so none can be called undefined. */
  readonly #isOpen: boolean;
  readonly #declared: Set<string>;
  readonly #globals: ReadonlyMap<string, string>;
  readonly #known: KnownVariables;
  readonly #dockerfile: Dockerfile;
  readonly #ignores: (path: string) => boolean;
  readonly #report: Report;
  #hasWorkdir: boolean;

  constructor(
    begin: StageEnd,
    globals: ReadonlyMap<string, string>,
    known: KnownVariables,
    dockerfile: Dockerfile,
    ignores: (path: string) => boolean,
    report: Report,
  ) {
    this.#env = new Map(begin.env);
    this.#declared = new Set([...BUILD_SETTINGS, ...begin.declared]);
    this.#isOpen = begin.env === undefined;
    this.#hasWorkdir = begin.hasWorkdir;
    this.#globals = globals;
    this.#known = known;
    this.#dockerfile = dockerfile;
    this.#ignores = ignores;
    this.#report = report;
  }

  run(instructions: readonly Instruction[]): StageEnd {
    const args = new Set<string>();
    for (const instruction of instructions) this.#check(instruction, args);
    return {
      env: this.#isOpen ? undefined : this.#env,
      declared: this.#declared,
      hasWorkdir: this.#hasWorkdir,
    };
  }

  #check(instruction: Instruction, args: Set<string>): void {
    const words = (list: readonly string[]) => list.map((word) => this.#expand(word, instruction));
    switch (instruction.kind) {
      case 'ARG':
        for (const arg of instruction.args) this.#declare(arg, instruction, args);
        break;
      case 'ENV': {
        const values = words(instruction.assignments.map(({ value }) => value));
        for (const [index, { name }] of instruction.assignments.entries()) {
          args.delete(name);
          this.#env.set(name, values[index]?.text ?? '');
        }
        break;
      }
      case 'LABEL':
        words(instruction.assignments.flatMap(({ name, value }) => [name, value]));
        break;
      case 'COPY':
      case 'ADD':
        this.#checkCopy(instruction);
        break;
      case 'RUN':
        words(instruction.mounts.flatMap(({ options }) => [...options.values()]));
        break;
      case 'WORKDIR':
        this.#checkWorkdir(instruction);
        break;
      case 'EXPOSE':
        // Docker does not look for undefined variables here.
        for (const word of instruction.ports) {
          for (const port of tryExpand(word, this.#env, this.#dockerfile)?.words ?? [])
            checkPort(port, instruction, this.#report);
        }
        break;
      case 'USER':
        words([instruction.user]);
        break;
      case 'VOLUME':
        words(instruction.paths);
        break;
      case 'STOPSIGNAL':
        words([instruction.signal]);
        break;
    }
  }

  #declare(
    { name, value }: InstructionOf<'ARG'>['args'][number],
    instruction: Instruction,
    args: Set<string>,
  ): void {
    const byDefault = value === undefined ? undefined : this.#expand(value, instruction)?.text;
    this.#declared.add(name);
    // A variable of the image goes before an argument of the same name.
    if (this.#env.has(name) && !args.has(name)) return;
    const given = this.#known.buildArgs?.get(name) ?? byDefault ?? this.#globals.get(name);
    if (given === undefined) return;
    args.add(name);
    this.#env.set(name, given);
  }

  #checkCopy(instruction: InstructionOf<'COPY' | 'ADD'>): void {
    const paths = instruction.sources.filter((source) => typeof source === 'string');
    for (const word of [
      instruction.destination,
      instruction.chown,
      instruction.chmod,
      ...instruction.exclude,
    ]) {
      if (word !== undefined) this.#expand(word, instruction);
    }
    for (const source of instruction.sources) {
      if (typeof source !== 'string' && source.expand) this.#expand(source.content, instruction, false);
    }
    for (const path of paths) {
      const text = this.#expand(path, instruction)?.text;
      if (text === undefined || instruction.from !== undefined || /^[a-z+]+:\/\/|^git@/.test(text)) continue;
      const source = posix.normalize(text).replace(/^\/+|\/+$/g, '');
      if (!this.#ignores(source)) continue;
      const verb = instruction.kind === 'ADD' ? 'Add' : 'Copy';
      this.#report(
        'CopyIgnoredFile',
        `Attempting to ${verb} file "${source}" that is excluded by .dockerignore`,
        instruction.range,
      );
    }
  }

  #checkWorkdir(instruction: InstructionOf<'WORKDIR'>): void {
    const expansion = this.#expand(instruction.path, instruction);
    if (expansion === undefined) return;
    if (!expansion.text.startsWith('/') && !this.#hasWorkdir) {
      this.#report(
        'WorkdirRelativePath',
        `Relative workdir "${expansion.text}" can have unexpected results if the base image changes`,
        instruction.range,
      );
    }
    this.#hasWorkdir = true;
  }

  /** Undefined when the word cannot be expanded; variables it uses that nothing has set are told of. */
  #expand(word: string, { range }: Instruction, quotes = true): Expansion | undefined {
    const expansion = tryExpand(word, this.#env, this.#dockerfile, quotes);
    if (this.#isOpen) return expansion;
    for (const name of expansion?.undefined ?? []) {
      if (this.#declared.has(name)) continue;
      const near = suggest(name, this.#env.keys(), true);
      const hint = near === undefined ? '' : ` (did you mean $${near}?)`;
      this.#report('UndefinedVar', `Usage of undefined variable '$${name}'${hint}`, range);
    }
    return expansion;
  }
}
