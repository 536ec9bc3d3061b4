import { defineCommand } from '../command.ts';

export default defineCommand({
  summary: "Show what changed in a container's file system",
  arguments: { usage: 'CONTAINER', min: 1, max: 1, complete: 'container' },
  flags: {},
  examples: [['diff web', 'A for added, C for changed, D for deleted']],
  async run({ client, stdout }, { args }) {
    for (const { Kind, Path } of (await client.containers.changes(args[0] as string)) ?? []) {
      stdout.write(`${'CAD'[Kind] ?? '?'} ${Path}\n`);
    }
  },
});
