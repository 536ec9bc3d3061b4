import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ALL_CAPABILITIES, lookupUser, type OciProcess, type OciSpec, type Task } from '@slipway/runtime';
import type { Container, ExecConfig } from '../container.ts';

/** What an exec'd command runs as: as the container's first process does, but for what was asked otherwise. */
export async function execProcess(
  container: Container,
  task: Pick<Task, 'root'>,
  config: ExecConfig,
  startSize: ExecConfig['consoleSize'],
): Promise<OciProcess> {
  // The specification that this run was started with has every default and limit in it already. It is small and in memory:
  // less time on this thread than four turns through the thread pool take.
  const spec = JSON.parse(readFileSync(join(container.bundle, 'config.json'), 'utf8')) as OciSpec;
  const { consoleSize: _own, ...base } = spec.process;
  const user =
    config.user === undefined
      ? base.user
      : await lookupUser(task.root, config.user, container.definition.hostConfig.GroupAdd ?? []);
  const size = startSize ?? config.consoleSize;
  return {
    ...base,
    terminal: config.tty,
    ...(config.tty && size !== undefined ? { consoleSize: { height: size.rows, width: size.columns } } : {}),
    user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids ?? [] },
    args: config.args,
    env: execEnv(base.env, config),
    cwd: config.workingDir || container.definition.config.WorkingDir || '/',
    ...capabilitiesFor(base, config, user.uid),
  };
}

/** The exec's own variables over the container's. */
function execEnv(base: readonly string[], { env, tty }: ExecConfig): string[] {
  const byName = new Map<string, string>();
  for (const variable of [...(tty ? ['TERM=xterm'] : []), ...base, ...env]) {
    byName.set(variable.split('=', 1)[0] as string, variable);
  }
  return [...byName.values()].filter((variable) => variable.includes('='));
}

/** Root has all that the container may have, others have nothing until they exec a file that grants it. */
function capabilitiesFor(
  base: OciProcess,
  config: ExecConfig,
  uid: number,
): Pick<OciProcess, 'capabilities'> {
  if (!config.privileged && config.user === undefined) return {};
  const bounding = config.privileged ? ALL_CAPABILITIES : (base.capabilities?.bounding ?? []);
  const held = uid === 0 ? bounding : [];
  return { capabilities: { bounding, effective: held, permitted: held, inheritable: [], ambient: [] } };
}
