import type { BuildMessage } from '@slipway/client';

/** How a build is shown while it goes. */
export interface BuildProgress extends Disposable {
  take(message: BuildMessage): void;
  /** The log of the step that failed, for those who have not seen it. */
  failure(): string;
}
