import { join } from 'node:path';
import { hostPath } from '@slipway/base';
import type { Container, ContainerDefinition, ContainerRoots, RunAdditions } from './container.ts';
import { OutputHub } from './run/output-hub.ts';

/** A container that has never run, as it lives in memory. */
export function newContainer(
  { root, runRoot }: ContainerRoots,
  definition: ContainerDefinition,
  additions?: RunAdditions,
): Container {
  return {
    definition,
    state: { status: 'created', exitCode: 0, error: '' },
    restartCount: 0,
    stoppedByUser: false,
    folder: hostPath(join(root, definition.id)),
    bundle: hostPath(join(runRoot, definition.id)),
    output: new OutputHub(),
    additions,
    task: undefined,
    sandbox: undefined,
    execs: new Map(),
    health: undefined,
    nextExit: Promise.withResolvers(),
    removed: Promise.withResolvers(),
  };
}
