import { type ApplyOptions, applyToConfig, type ConfigInstruction } from '@slipway/dockerfile';
import type { ImageRunConfig } from '@slipway/oci';
import { describeHealthcheck, plainWords, quotedWords } from './history.ts';
import { addChange, addFolder, environment, type StageState } from './stage.ts';

/** The stage after an instruction that changes its configuration; WORKDIR makes its folder too. @throws InvalidArgument */
export function configure(
  state: StageState,
  instruction: ConfigInstruction,
  options: ApplyOptions,
): StageState {
  const env = environment(state);
  const { Shell, WorkingDir } = state.config;
  // By itself, for the history, which shows what this instruction sets and not what was set before.
  const alone = applyToConfig({ Shell, WorkingDir }, instruction, env, options);
  const config = applyToConfig(state.config, instruction, env, options);
  if (instruction.kind === 'WORKDIR') {
    return addFolder({ ...state, config }, instruction, config.WorkingDir as string);
  }
  return addChange(state, instruction, describe(instruction, alone), {
    config,
    setsCommand: state.setsCommand || instruction.kind === 'CMD',
  });
}

const mapOf = (keys: Readonly<Record<string, unknown>> | undefined): string =>
  `map[${Object.keys(keys ?? {})
    .map((key) => `${key}:{}`)
    .join(' ')}]`;

/** As BuildKit's history has it. */
function describe(
  instruction: Exclude<ConfigInstruction, { kind: 'WORKDIR' }>,
  alone: ImageRunConfig,
): string {
  const { kind } = instruction;
  switch (kind) {
    case 'ENV':
      return ['ENV', ...(alone.Env ?? [])].join(' ');
    case 'LABEL':
      return ['LABEL', ...Object.entries(alone.Labels ?? {}).map((pair) => pair.join('='))].join(' ');
    case 'CMD':
      return `CMD ${quotedWords(alone.Cmd ?? [])}`;
    case 'ENTRYPOINT':
      return `ENTRYPOINT ${quotedWords(alone.Entrypoint ?? [])}`;
    case 'SHELL':
      return `SHELL ${plainWords(alone.Shell ?? [])}`;
    case 'USER':
      return `USER ${alone.User}`;
    case 'VOLUME':
      return `VOLUME ${plainWords(Object.keys(alone.Volumes ?? {}))}`;
    case 'EXPOSE':
      return `EXPOSE ${mapOf(alone.ExposedPorts)}`;
    case 'STOPSIGNAL':
      return `STOPSIGNAL ${alone.StopSignal}`;
    case 'HEALTHCHECK':
      return describeHealthcheck(alone.Healthcheck);
    case 'ONBUILD':
      return `ONBUILD ${instruction.instruction}`;
  }
}
