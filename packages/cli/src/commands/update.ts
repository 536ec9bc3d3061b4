import { integer, number, parsed, text } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { forEachArgument } from '../each.ts';
import { parseBytes, parseRestart } from '../run/values.ts';

export default defineCommand({
  summary: 'Change the limits of containers',
  arguments: { usage: 'CONTAINER [CONTAINER...]', min: 1, complete: 'container' },
  flags: {
    cpus: number('Number of CPUs'),
    'cpu-shares': integer('CPU weight', { short: 'c' }),
    memory: parsed('Memory limit', parseBytes, { short: 'm' }),
    'memory-swap': parsed('Memory and swap together', parseBytes),
    'pids-limit': integer('Limit of processes'),
    restart: text('Restart policy'),
  },
  examples: [['update -m 512m --memory-swap 512m web', 'gives it half a GiB']],
  run: (context, { flags, args }) => {
    const resources = {
      NanoCpus: flags.cpus === undefined ? undefined : Math.round(flags.cpus * 1e9),
      CpuShares: flags['cpu-shares'],
      Memory: flags.memory,
      MemorySwap: flags['memory-swap'],
      PidsLimit: flags['pids-limit'],
      RestartPolicy: flags.restart === '' ? undefined : parseRestart(flags.restart),
    };
    return forEachArgument(context, args, (name) => context.client.containers.update(name, resources));
  },
});
