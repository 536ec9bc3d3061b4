import type { Clock, Logger } from '@slipway/base';
import type { Credentials } from '@slipway/distribution/client';
import type { Platform, Reference } from '@slipway/oci';
import type { BuildService } from '../service.ts';
import type { Jobs } from './job.ts';
import type { Sessions } from './sessions.ts';

/** What BuildKit's door stands on. */
export interface BuildKitOptions {
  readonly builds: BuildService;
  /** What this machine runs. */
  readonly platform: Platform;
  /** Names this daemon among builders. */
  readonly workerId: string;
  /** Slipway's. */
  readonly version: string;
  /** Sends an image that is here to its registry. @throws before the first message what cannot be sent */
  readonly push: (
    request: { readonly reference: Reference; readonly credentials: Credentials | undefined },
    signal: AbortSignal,
  ) => Promise<AsyncIterable<unknown>>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface BuildKitContext extends BuildKitOptions {
  readonly sessions: Sessions;
  readonly jobs: Jobs;
}
