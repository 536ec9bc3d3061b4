import type { HostPath } from '@slipway/base';
import type { Container, ContainerDefinition, RunAdditions } from './container.ts';
import { OutputHub } from './run/output-hub.ts';

/** A container that has never run, as it lives in memory. */
export function newContainer(
  folder: HostPath,
  definition: ContainerDefinition,
  additions?: RunAdditions,
): Container {
  return {
    definition,
    state: { status: 'created', exitCode: 0, error: '' },
    restartCount: 0,
    stoppedByUser: false,
    folder,
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
