import { errorMessage, isSlipwayError, type Logger, systemClock, systemRandom } from '@slipway/base';
import { parseFlags } from './arguments.ts';
import { type Config, loadConfig } from './config.ts';
import { openDaemon } from './daemon.ts';
import { startLean } from './lean-start.ts';
import { exitNow, returnLargeBlocks } from './libc.ts';
import { openLogger } from './logger.ts';
import { releaseMemoryWhenIdle } from './memory.ts';
import { helpText, type RawSettings } from './options.ts';
import { notifyServiceManager } from './service-manager.ts';
import { readCommit, SLIPWAY_VERSION } from './version.ts';

/** What a shell takes for "the command line was wrong". */
const EXIT_USAGE = 2;
const STDERR = 2;

await main();

async function main(): Promise<void> {
  const { flags, config } = readSettings();
  if (flags.help === true) return void process.stdout.write(helpText());
  if (flags.version === true)
    return void process.stdout.write(`slipwayd ${SLIPWAY_VERSION} ${readCommit()}\n`);
  startLean(process.env);
  returnLargeBlocks();
  const format = config.logFormat ?? (process.stderr.isTTY ? 'text' : 'json');
  const logger = openLogger({ clock: systemClock, level: config.logLevel, format, fd: STDERR });
  process.on('uncaughtException', (error) => crash(logger, error));
  process.on('unhandledRejection', (error) => crash(logger, error));
  await run(config, logger);
}

function readSettings(): { flags: RawSettings; config: Config } {
  try {
    const flags = parseFlags(process.argv.slice(2));
    return { flags, config: loadConfig(flags, process.env) };
  } catch (error) {
    process.stderr.write(`slipwayd: ${errorMessage(error)}\n`);
    exitNow(EXIT_USAGE);
  }
}

async function run(config: Config, logger: Logger): Promise<void> {
  const startedAtMs = systemClock.monotonicMs();
  const stop = Promise.withResolvers<string>();
  let daemon: AsyncDisposable;
  try {
    daemon = await openDaemon({ config, clock: systemClock, random: systemRandom, logger });
  } catch (error) {
    if (!isSlipwayError(error)) logger.error({ err: error }, 'cannot start');
    process.stderr.write(`slipwayd: cannot start: ${withCauses(error)}\n`);
    exitNow(1);
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => stop.resolve(signal));
  }
  const ms = Math.round(systemClock.monotonicMs() - startedAtMs);
  logger.info(
    { version: SLIPWAY_VERSION, socket: config.socketPath, dataRoot: config.dataRoot, ms },
    'ready',
  );
  notifyServiceManager(process.env.NOTIFY_SOCKET, 'READY=1');
  using _memory = releaseMemoryWhenIdle(systemClock);
  const signal = await stop.promise;
  notifyServiceManager(process.env.NOTIFY_SOCKET, 'STOPPING=1');
  logger.info({ signal }, 'stopping');
  await daemon[Symbol.asyncDispose]();
  logger.info({}, 'stopped');
  exitNow(0);
}

/** After an error that nobody caught the state is unknown: end; the next start recovers. */
function crash(logger: Logger, error: unknown): void {
  logger.error({ err: error }, 'crashed');
  process.stderr.write(`slipwayd: crashed: ${withCauses(error)}\n`);
  exitNow(1);
}

/** One line: the message, and those of its causes that say something new. */
function withCauses(error: unknown): string {
  let text = errorMessage(error);
  for (
    let cause = error instanceof Error ? error.cause : undefined;
    cause instanceof Error;
    cause = cause.cause
  ) {
    if (!text.includes(cause.message)) text += `: ${cause.message}`;
  }
  return text.replace(/\s*\n\s*/g, ' | ');
}
