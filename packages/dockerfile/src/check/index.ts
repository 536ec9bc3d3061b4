import type { Dockerfile, Range, Warning } from '../instructions.ts';
import { checkFile } from './file-rules.ts';
import { parseCheckSettings, type RuleName, warningOf } from './rules.ts';
import { checkVariables, type KnownVariables } from './variable-rules.ts';

export type { KnownVariables } from './variable-rules.ts';

export interface CheckOptions extends KnownVariables {
  /** Settings that go before those of `# check=`, as the build argument BUILDKIT_DOCKERFILE_CHECK gives them. */
  readonly settings?: string;
}

export interface CheckResult {
  /** In the order of the file. */
  readonly warnings: readonly Warning[];
  /** Whether findings fail the build, by `# check=error=true`. */
  readonly isError: boolean;
}

/**
 * Looks for what builds but should be written otherwise.
 * @see https://docs.docker.com/reference/build-checks/
 */
export function checkDockerfile(dockerfile: Dockerfile, options: CheckOptions = {}): CheckResult {
  const settings = parseCheckSettings(options.settings ?? dockerfile.directives.get('check') ?? '');
  const found = new Map<string, Warning>();
  const report = (rule: RuleName, detail: string, range: Range) => {
    const warning = warningOf(rule, detail, range, settings);
    if (warning !== undefined) found.set(`${range.start.line} ${rule} ${detail}`, warning);
  };
  checkFile(dockerfile, report);
  checkVariables(dockerfile, options, report);
  const warnings = [...found.values()].sort((a, b) => lineOf(a) - lineOf(b));
  return { warnings, isError: settings.error && warnings.length > 0 };
}

const lineOf = ({ ranges }: Warning): number => ranges[0]?.start.line ?? 0;
