import { defineCommand } from '../command.ts';
import { forEachArgument } from '../each.ts';

export default defineCommand({
  summary: 'Wait until containers have exited, and print their exit codes',
  arguments: { usage: 'CONTAINER [CONTAINER...]', min: 1, complete: 'running' },
  flags: {},
  examples: [['wait job', 'its exit code, when it has one']],
  async run(context, { args }) {
    const codes = new Map<string, number>();
    await forEachArgument(
      context,
      args,
      async (name) => codes.set(name, (await (await context.client.containers.wait(name)).exit).StatusCode),
      (name) => String(codes.get(name)),
    );
  },
});
