import { boolean } from '../args/flags.ts';
import { defineCommand, ExitError } from '../command.ts';
import { ACCOUNT_FLAGS, readNewPassword } from '../registry/account-flags.ts';

export default defineCommand({
  summary: "Change a password, or what somebody may do at the daemon's TCP port",
  description: 'Grants take the place of those that were.',
  arguments: { usage: 'NAME', min: 1, max: 1 },
  flags: { ...ACCOUNT_FLAGS, password: boolean('Ask for a new password') },
  examples: [
    ['registry users update --password ada', 'asks for a new password'],
    ["registry users update --admin=false --grant '*:pull' ada", 'may pull everything, and no more'],
  ],
  async run(context, { flags, args, given }) {
    if (given.size === 0) throw new ExitError(1, 'nothing to change: give --password, --admin or --grant');
    const asks = flags.password || flags['password-stdin'];
    const { name } = await context.client.accounts.update(args[0] as string, {
      ...(asks ? { password: await readNewPassword(context, flags['password-stdin']) } : {}),
      ...(given.has('admin') ? { isAdmin: flags.admin } : {}),
      ...(given.has('grant') ? { grants: flags.grant } : {}),
    });
    context.stdout.write(`${name}\n`);
  },
});
