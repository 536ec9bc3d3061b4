import { boolean, list } from '../args/flags.ts';
import { debugStep } from '../build/debug.ts';
import { readSecret } from '../build/options.ts';
import { defineCommand, ExitError } from '../command.ts';

export default defineCommand({
  summary: 'Look into what a failed step of a build left',
  description:
    "A shell, or a command, with the step's files, user, variables, folder and mounts. The last four failed steps are kept, until they are left or pruned, or the daemon ends. Without ID it is the last one.",
  arguments: { usage: '[ID [COMMAND...]]', min: 0 },
  interspersed: false,
  flags: {
    keep: boolean('Leave it there when you leave it'),
    secret: list('Secret that the step mounts, id=NAME,src=FILE or id=NAME,env=VARIABLE'),
  },
  examples: [
    ['builder debug', 'a shell where the last build failed'],
    ['builder debug --keep 3f2a91c0de77 cat /app/build.log', 'one file of it'],
  ],
  async run(context, { flags, args }) {
    const [id = (await context.client.builds.failedSteps())[0]?.id, ...command] = args;
    if (id === undefined) throw new ExitError(1, 'no failed step is kept');
    const secrets = new Map(await Promise.all(flags.secret.map((text) => readSecret(text, context.env))));
    return await debugStep(context, id, { command, secrets, keep: flags.keep });
  },
});
