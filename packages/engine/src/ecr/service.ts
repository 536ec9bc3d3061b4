import type { Clock, Logger } from '@slipway/base';
import type { Database } from '@slipway/store';
import type { Accounts } from '../accounts/index.ts';
import type { Registry } from '../registry/index.ts';
import type { EcrContext } from './context.ts';
import { LifecycleKeeper } from './lifecycle/keeper.ts';
import { EcrRecords } from './records.ts';

export interface EcrOptions {
  readonly registry: Registry;
  readonly accounts: Accounts;
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** ECR over the registry. Disposing ends its timers; dispose it before the registry. */
export interface Ecr extends AsyncDisposable {
  readonly context: EcrContext;
}

/** Opens ECR's side of the repositories; from now on their lifecycle policies are applied. */
export function openEcr({ registry, accounts, database, clock, logger }: EcrOptions): Ecr {
  const records = new EcrRecords(database);
  const lifecycle = new LifecycleKeeper({ registry, records, clock, logger });
  return {
    context: { registry, accounts, records, lifecycle, clock, logger },
    [Symbol.asyncDispose]: () => lifecycle[Symbol.asyncDispose](),
  };
}
