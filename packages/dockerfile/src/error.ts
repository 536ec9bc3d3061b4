import { SlipwayError } from '@slipway/base';
import { formatExcerpt } from './excerpt.ts';
import type { Range } from './instructions.ts';

/** A Dockerfile that cannot be read: InvalidArgument with the reason `DOCKERFILE`, in BuildKit's words. */
export class DockerfileError extends SlipwayError {
  /** Where it is; empty for what the whole file lacks. */
  readonly ranges: readonly Range[];
  /** What was probably meant; the message has it too. */
  readonly suggestion: string | undefined;
  /** The file as it was read. */
  readonly file: { readonly name: string; readonly text: string };

  constructor(
    message: string,
    options: {
      readonly ranges: readonly Range[];
      readonly file: { readonly name: string; readonly text: string };
      readonly suggestion?: string | undefined;
      readonly cause?: unknown;
    },
  ) {
    super('InvalidArgument', message, { reason: 'DOCKERFILE', cause: options.cause });
    this.name = 'DockerfileError';
    this.ranges = options.ranges;
    this.suggestion = options.suggestion;
    this.file = options.file;
  }

  /** The lines that the message is about, as docker prints them above it. */
  get excerpt(): string {
    const [range] = this.ranges;
    return range === undefined ? '' : formatExcerpt(this.file.text, range, this.file.name);
  }
}

/** What is wrong in one instruction, before it is known where that stands. `parse.ts` makes a DockerfileError of it. */
export class Flaw extends Error {
  readonly suggestion: string | undefined;

  constructor(message: string, suggestion?: string) {
    super(suggestion === undefined ? message : `${message} (did you mean ${suggestion}?)`);
    this.suggestion = suggestion;
  }
}
