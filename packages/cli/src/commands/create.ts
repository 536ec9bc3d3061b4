import { defineCommand } from '../command.ts';
import { attachedStreams } from '../run/config.ts';
import { createContainer } from '../run/create-container.ts';
import { CREATE_FLAGS } from '../run/flags.ts';

export default defineCommand({
  summary: 'Create a new container, without starting it',
  arguments: { usage: 'IMAGE [COMMAND] [ARG...]', min: 1, complete: 'image' },
  flags: CREATE_FLAGS,
  interspersed: false,
  examples: [['create --name job busybox true', 'a container to start later: slipway start -a job']],
  async run(context, input) {
    const id = await createContainer(context, input, attachedStreams(input.flags, false));
    context.stdout.write(`${id}\n`);
  },
});
