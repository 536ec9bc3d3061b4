import type { Dockerfile, Instruction } from '../instructions.ts';
import { parsePortSpec } from '../ports.ts';
import type { Report } from './rules.ts';

/** What can be seen without knowing any variable's value. */
export function checkFile(dockerfile: Dockerfile, report: Report): void {
  for (const range of dockerfile.emptyContinuations) {
    report('NoEmptyContinuation', 'Empty continuation line', range);
  }
  checkCasing(dockerfile, report);
  checkStageNames(dockerfile, report);
  for (const arg of dockerfile.globalArgs) {
    checkDescription(
      arg,
      arg.args.map(({ name }) => name),
      report,
    );
  }
  for (const { from, instructions } of dockerfile.stages) {
    checkDescription(from, from.name === undefined ? [] : [from.name], report);
    for (const instruction of instructions) checkInstruction(instruction, report);
    checkRepeated(instructions, report);
    checkShellForms(instructions, report);
  }
}

const isLower = (text: string) => text === text.toLowerCase();
const isUpper = (text: string) => text === text.toUpperCase();

function checkCasing({ globalArgs, stages }: Dockerfile, report: Report): void {
  const all = [...globalArgs, ...stages.flatMap(({ from, instructions }) => [from, ...instructions])];
  const lower = all.filter(({ keyword }) => isLower(keyword)).length;
  const upper = all.filter(({ keyword }) => isUpper(keyword)).length;
  const [fits, name] = lower > upper ? [isLower, 'lowercase'] : [isUpper, 'uppercase'];
  for (const { keyword, range } of all) {
    if (fits(keyword)) continue;
    report(
      'ConsistentInstructionCasing',
      `Command '${keyword}' should match the case of the command majority (${name})`,
      range,
    );
  }
}

const RESERVED = new Set(['context', 'scratch']);

function checkStageNames({ stages }: Dockerfile, report: Report): void {
  const names = new Set<string>();
  for (const { from } of stages) {
    if (from.name === undefined || from.written === undefined) continue;
    const { name, written, keyword, range } = from;
    if (!isLower(written.name)) {
      report('StageNameCasing', `Stage name '${written.name}' should be lowercase`, range);
    }
    const mismatch = isLower(keyword)
      ? !isLower(written.as)
      : isUpper(keyword)
        ? !isUpper(written.as)
        : false;
    if (mismatch) {
      report('FromAsCasing', `'${written.as}' and '${keyword}' keywords' casing do not match`, range);
    }
    if (RESERVED.has(name)) {
      report(
        'ReservedStageName',
        `Stage name should not use the same name as reserved stage "${name}"`,
        range,
      );
    }
    if (names.has(name)) {
      report('DuplicateStageName', `Duplicate stage name "${name}", stage names should be unique`, range);
    }
    names.add(name);
  }
}

function checkInstruction(instruction: Instruction, report: Report): void {
  const { range } = instruction;
  switch (instruction.kind) {
    case 'MAINTAINER':
      report('MaintainerDeprecated', 'Maintainer instruction is deprecated in favor of using label', range);
      break;
    case 'ENV':
    case 'LABEL':
      if (instruction.legacy) {
        const { kind } = instruction;
        report(
          'LegacyKeyValueFormat',
          `"${kind} key=value" should be used instead of legacy "${kind} key value" format`,
          range,
        );
      }
      if (instruction.kind === 'ENV') {
        for (const { name } of instruction.assignments) checkSecret('ENV', name, instruction, report);
      }
      break;
    case 'ARG': {
      const names = instruction.args.map(({ name }) => name);
      for (const name of names) checkSecret('ARG', name, instruction, report);
      checkDescription(instruction, names, report);
      break;
    }
  }
}

const SECRET = /(?:_|^)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)/i;
const HARMLESS = /(?:_|^)(?:public|file|version)(?:_|$)/i;

function checkSecret(kind: 'ARG' | 'ENV', name: string, { range }: Instruction, report: Report): void {
  if (!SECRET.test(name) || HARMLESS.test(name)) return;
  report(
    'SecretsUsedInArgOrEnv',
    `Do not use ARG or ENV instructions for sensitive data (${kind} "${name}")`,
    range,
  );
}

function checkDescription(instruction: Instruction, names: readonly string[], report: Report): void {
  const [example] = names;
  const comment = instruction.comments.at(-1);
  if (example === undefined || comment === undefined) return;
  if (names.includes(comment.split(' ', 1)[0] as string)) return;
  const shown = names.length > 1 ? '<arg_key>' : example;
  report(
    'InvalidDefinitionDescription',
    `Comment for ${instruction.kind} should follow the format: \`# ${shown} <description>\``,
    instruction.range,
  );
}

function checkRepeated(instructions: readonly Instruction[], report: Report): void {
  const before = new Map<string, Instruction>();
  for (const instruction of instructions) {
    const { kind } = instruction;
    if (kind !== 'CMD' && kind !== 'ENTRYPOINT' && kind !== 'HEALTHCHECK') continue;
    const earlier = before.get(kind);
    // The earlier one is the one without effect.
    if (earlier !== undefined) {
      report(
        'MultipleInstructionsDisallowed',
        `Multiple ${kind} instructions should not be used in the same stage because only the last one will be used`,
        earlier.range,
      );
    }
    before.set(kind, instruction);
  }
}

/** Who has set a shell means to use it. */
function checkShellForms(instructions: readonly Instruction[], report: Report): void {
  for (const instruction of instructions) {
    if (instruction.kind === 'SHELL') return;
    if (instruction.kind !== 'CMD' && instruction.kind !== 'ENTRYPOINT') continue;
    if (instruction.command.form === 'exec') continue;
    report(
      'JSONArgsRecommended',
      `JSON arguments recommended for ${instruction.kind} to prevent unintended behavior related to OS signals`,
      instruction.range,
    );
  }
}

/** A word of EXPOSE, its variables replaced. What is no port at all is the build's to refuse. */
export function checkPort(word: string, { range }: Instruction, report: Report): void {
  let spec: ReturnType<typeof parsePortSpec>;
  try {
    spec = parsePortSpec(word);
  } catch {
    return;
  }
  if (spec.protocol !== spec.protocol.toLowerCase()) {
    report(
      'ExposeProtoCasing',
      `Defined protocol '${word}' in EXPOSE instruction should be lowercase`,
      range,
    );
  }
  if (spec.host !== undefined) {
    report(
      'ExposeInvalidFormat',
      `EXPOSE instruction should not define an IP address or host-port mapping, found '${word}'`,
      range,
    );
  }
}
