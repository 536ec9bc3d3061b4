import { defineCommand } from '../command.ts';
import { splitReference } from '../images/pull.ts';

export default defineCommand({
  summary: 'Give an image a further name',
  arguments: { usage: 'SOURCE[:TAG] TARGET[:TAG]', min: 2, max: 2, complete: 'image' },
  flags: {},
  examples: [['tag busybox tools:1', 'the same image, also called tools:1']],
  run: ({ client }, { args }) => client.images.tag(args[0] as string, splitReference(args[1] as string)),
});
