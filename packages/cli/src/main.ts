import { systemClock } from '@slipway/base/clock';
import { main } from './cli.ts';
import { exitNow } from './stdio/exit.ts';

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') exitNow(0);
  throw error;
});

const exitCode = await main(process.argv.slice(2), {
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  clock: systemClock,
});
// Standard input may still be open and would keep the process alive; what was written must get out first.
process.exitCode = exitCode;
process.stdin.unref?.();
for (const stream of [process.stdout, process.stderr]) {
  if (stream.writableLength > 0) await new Promise((drained) => stream.write('', drained));
}
exitNow(exitCode);
