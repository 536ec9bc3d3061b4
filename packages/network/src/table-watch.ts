import { type Clock, errorMessage, type Logger } from '@slipway/base';

/** How long published ports and the walls between networks may be gone, at most. */
const CHECK_MS = 5_000;

export interface TableWatchOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** One request to the kernel. */
  readonly isThere: () => Promise<boolean>;
  readonly restore: () => Promise<void>;
}

/**
 * Makes the table of rules again when an administrator has flushed all rules, as a restart of Debian's nftables service
 * does: nobody would think of restarting containers for it.
 */
export function watchTable({ clock, logger, isThere, restore }: TableWatchOptions): AsyncDisposable {
  let isClosed = false;
  let checking: Promise<void> | undefined;
  const check = async (): Promise<void> => {
    try {
      if (!(await isThere()) && !isClosed) {
        logger.warn({}, 'the table of rules is gone, as after "nft flush ruleset": it is made again');
        await restore();
      }
    } catch (error) {
      logger.warn({ error: errorMessage(error) }, 'the table of rules could not be looked after');
    }
    checking = undefined;
  };
  const interval = clock.interval(CHECK_MS, () => {
    checking ??= check();
  });
  return {
    async [Symbol.asyncDispose]() {
      isClosed = true;
      interval[Symbol.dispose]();
      await checking;
    },
  };
}
