import { systemClock } from '@slipway/base/clock';
import { main } from './cli.ts';
import { exitNow } from './stdio/exit.ts';

const opened = new Set<NodeJS.WriteStream>();

function open(stream: NodeJS.WriteStream): NodeJS.WriteStream {
  if (!opened.has(stream) && stream === process.stdout) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') exitNow(0);
      throw error;
    });
  }
  opened.add(stream);
  return stream;
}

const exitCode = await main(process.argv.slice(2), {
  env: process.env,
  // Each stream costs Node a millisecond or two when it is first looked at.
  get stdin() {
    return process.stdin;
  },
  get stdout() {
    return open(process.stdout);
  },
  get stderr() {
    return open(process.stderr);
  },
  clock: systemClock,
});
// What was written must get out first.
for (const stream of opened) {
  if (stream.writableLength > 0) await new Promise((drained) => stream.write('', drained));
}
exitNow(exitCode);
