import { DockerfileError, Flaw } from './error.ts';
import type { Dockerfile, Escape, Instruction, InstructionOf, Range, Stage } from './instructions.ts';
import { FlawInLines, type LogicalLine, type SplitText, splitLines } from './lines.ts';
import { readInstruction } from './read-instruction.ts';

/**
 * Reads a Dockerfile. Variables are left as they are: what they come to is known when it is built.
 * @throws {DockerfileError} InvalidArgument, with the place and what was probably meant
 * @see https://docs.docker.com/reference/dockerfile/
 */
export function parseDockerfile(text: string, { name = 'Dockerfile' }: { name?: string } = {}): Dockerfile {
  const file = { name, text };
  const { directives, escape: token, lines } = split(file);
  if (lines.length === 0) {
    const message = text.trim() === '' ? 'the Dockerfile cannot be empty' : 'file with no instructions';
    throw new DockerfileError(message, { ranges: [], file });
  }
  const globalArgs: InstructionOf<'ARG'>[] = [];
  const stages: { from: InstructionOf<'FROM'>; instructions: Instruction[] }[] = [];
  for (const line of lines) {
    const instruction = read(line, token, file);
    const stage = stages.at(-1);
    if (instruction.kind === 'FROM') stages.push({ from: instruction, instructions: [] });
    else if (stage !== undefined) stage.instructions.push(instruction);
    else if (instruction.kind === 'ARG') globalArgs.push(instruction);
    else throw new DockerfileError('no build stage in current context', { ranges: [line.range], file });
  }
  if (stages.length === 0) {
    throw new DockerfileError('dockerfile contains no stages to build', { ranges: [], file });
  }
  const emptyContinuations = lines.flatMap(({ emptyContinuation }) => emptyContinuation ?? []);
  return { name, escape: token, directives, globalArgs, stages: stages as Stage[], emptyContinuations, text };
}

/**
 * One instruction by itself: an image's ONBUILD trigger, or what `--change` is given.
 * @throws {DockerfileError} InvalidArgument; `name` says in errors where the text is from
 */
export function parseInstruction(
  text: string,
  { name = 'instruction', escape: token = '\\' }: { name?: string; escape?: Escape } = {},
): Instruction {
  const file = { name, text };
  const { lines } = split(file, token);
  const [line, second] = lines;
  if (line === undefined) throw new DockerfileError('no instruction given', { ranges: [], file });
  if (second !== undefined) {
    throw new DockerfileError(`more than one instruction: ${second.text}`, { ranges: [second.range], file });
  }
  return read(line, token, file);
}

function split(file: { readonly name: string; readonly text: string }, token?: Escape): SplitText {
  try {
    return splitLines(file.text, token);
  } catch (error) {
    if (!(error instanceof FlawInLines)) throw error;
    const range: Range = {
      start: { line: error.first, column: 1 },
      end: { line: error.last, column: (file.text.split('\n')[error.last - 1] ?? '').length + 1 },
    };
    throw new DockerfileError(`dockerfile parse error on line ${error.first}: ${error.message}`, {
      ranges: [range],
      file,
      cause: error,
    });
  }
}

function read(
  line: LogicalLine,
  token: Escape,
  file: { readonly name: string; readonly text: string },
): Instruction {
  try {
    const { keyword, body } = readInstruction(line.text, { escape: token, heredocs: line.heredocs });
    return { ...body, range: line.range, original: line.text, keyword, comments: line.comments };
  } catch (error) {
    if (!(error instanceof Flaw)) throw error;
    throw new DockerfileError(`dockerfile parse error on line ${line.range.start.line}: ${error.message}`, {
      ranges: [line.range],
      file,
      suggestion: error.suggestion,
      cause: error,
    });
  }
}
