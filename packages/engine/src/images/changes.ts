import { SlipwayError } from '@slipway/base';
import { applyToConfig, isConfigInstruction, parseEnvironment, parseInstruction } from '@slipway/dockerfile';
import type { ImageRunConfig } from '@slipway/oci';

/** The instructions that `docker import --change` and `docker commit --change` take. */
const ALLOWED = [
  'CMD',
  'ENTRYPOINT',
  'ENV',
  'EXPOSE',
  'HEALTHCHECK',
  'LABEL',
  'ONBUILD',
  'STOPSIGNAL',
  'USER',
  'VOLUME',
  'WORKDIR',
];

/**
 * A run configuration changed by Dockerfile instructions, each one line.
 * @throws InvalidArgument naming the instruction
 */
export function applyChanges(changes: readonly string[], base: ImageRunConfig = {}): ImageRunConfig {
  let config = base;
  let hasCommand = false;
  for (const change of changes) {
    const [name = ''] = change.trim().split(/\s/, 1);
    if (!ALLOWED.includes(name.toUpperCase())) {
      throw new SlipwayError(
        'InvalidArgument',
        `${name} is not a valid change command: use one of ${ALLOWED.join(', ')}`,
      );
    }
    const instruction = parseInstruction(change, { name: '--change' });
    if (!isConfigInstruction(instruction)) continue;
    config = applyToConfig(config, instruction, parseEnvironment(config.Env ?? []), { hasCommand });
    hasCommand ||= instruction.kind === 'CMD';
  }
  return config;
}
