import { defineCommand } from '../command.ts';
import { ACCOUNT_FLAGS, readNewPassword } from '../registry/account-flags.ts';

export default defineCommand({
  summary: "Let somebody use the daemon's TCP port",
  description:
    'From the first account with a password on, the registry asks for a login. A pattern names repositories; * stands for any characters.',
  arguments: { usage: 'NAME', min: 1, max: 1 },
  flags: ACCOUNT_FLAGS,
  examples: [
    ['registry users add --admin ada', 'asks for a password'],
    [
      "registry users add --grant 'team/*:pull,push' --grant 'base/*:pull' --password-stdin ci < password.txt",
      'may push what its team makes, and pull what that is made from',
    ],
  ],
  async run(context, { flags, args }) {
    const { name } = await context.client.accounts.add({
      name: args[0] as string,
      password: await readNewPassword(context, flags['password-stdin']),
      isAdmin: flags.admin,
      grants: flags.grant,
    });
    context.stdout.write(`${name}\n`);
  },
});
