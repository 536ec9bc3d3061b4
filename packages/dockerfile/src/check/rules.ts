import type { Range, Warning } from '../instructions.ts';

/** Rules that run only when asked for by `# check=experimental=`. */
const EXPERIMENTAL = new Set<RuleName>(['CopyIgnoredFile', 'InvalidDefinitionDescription']);

/** The rules with what docker says of each. @see https://docs.docker.com/reference/build-checks/ */
const DESCRIPTIONS = {
  StageNameCasing: 'Stage names should be lowercase',
  FromAsCasing: "The 'as' keyword should match the case of the 'from' keyword",
  NoEmptyContinuation: 'Empty continuation lines will become errors in a future release',
  ConsistentInstructionCasing:
    'All commands within the Dockerfile should use the same casing (either upper or lower)',
  DuplicateStageName: 'Stage names should be unique',
  ReservedStageName: 'Reserved words should not be used as stage names',
  JSONArgsRecommended:
    'JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals',
  MaintainerDeprecated:
    'The MAINTAINER instruction is deprecated, use a label instead to define an image author',
  UndefinedArgInFrom: 'FROM command must use declared ARGs',
  UndefinedVar: 'Variables should be defined before their use',
  WorkdirRelativePath:
    'Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes',
  InvalidDefaultArgInFrom: 'Default value for global ARG results in an empty or invalid base image name',
  FromPlatformFlagConstDisallowed: 'FROM --platform flag should not use a constant value',
  CopyIgnoredFile: 'Attempting to Copy file that is excluded by .dockerignore',
  SecretsUsedInArgOrEnv: 'Sensitive data should not be used in the ARG or ENV commands',
  LegacyKeyValueFormat: 'Legacy key/value format with whitespace separator should not be used',
  MultipleInstructionsDisallowed:
    'Multiple instructions of the same type should not be used in the same stage',
  RedundantTargetPlatform:
    'Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior',
  InvalidDefinitionDescription:
    'Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment.',
  ExposeProtoCasing: 'Protocol in EXPOSE instruction should be lowercase',
  ExposeInvalidFormat:
    'IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release',
} as const;

export type RuleName = keyof typeof DESCRIPTIONS;

/** What a rule tells its findings to. */
export type Report = (rule: RuleName, detail: string, range: Range) => void;

/** What `# check=skip=A,B;error=true;experimental=C` asks for; `all` in a list stands for every rule. */
export interface CheckSettings {
  readonly skip: readonly string[];
  readonly experimental: readonly string[];
  /** The build fails when there are findings. */
  readonly error: boolean;
}

/** The value of `# check=`, or of the build argument BUILDKIT_DOCKERFILE_CHECK. Unknown settings are ignored. */
export function parseCheckSettings(text: string): CheckSettings {
  const values = new Map(
    text.split(';').map((setting) => {
      const equals = setting.indexOf('=');
      return [setting.slice(0, equals).trim(), setting.slice(equals + 1).trim()];
    }),
  );
  const list = (name: string) => (values.get(name) ?? '').split(',').map((rule) => rule.trim());
  return {
    skip: list('skip'),
    experimental: list('experimental'),
    error: values.get('error')?.toLowerCase() === 'true',
  };
}

/** A finding's warning; undefined for a rule that the settings leave out. */
export function warningOf(
  rule: RuleName,
  detail: string,
  range: Range,
  { skip, experimental }: CheckSettings,
): Warning | undefined {
  const named = (rules: readonly string[]) =>
    rules.some((name) => name === 'all' || name.toLowerCase() === rule.toLowerCase());
  // What is named by itself is run although `skip=all`; only an experimental rule can be.
  if (EXPERIMENTAL.has(rule) ? !named(experimental) : named(skip)) return undefined;
  const page = rule.replace(/(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, '-').toLowerCase();
  return {
    rule,
    description: DESCRIPTIONS[rule],
    url: `https://docs.docker.com/go/dockerfile/rule/${page}/`,
    detail,
    ranges: [range],
  };
}
