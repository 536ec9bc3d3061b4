import { defineCommand } from '../command.ts';
import { CredentialStore } from '../registry/credential-store.ts';
import { hostOfAddress } from '../registry/name.ts';

export default defineCommand({
  summary: 'Forget the login at a registry',
  description: 'Without a host: Docker Hub.',
  arguments: { usage: '[HOST]', min: 0, max: 1 },
  flags: {},
  examples: [['logout localhost:5000', 'what slipway login or docker login kept']],
  async run({ env, stdout }, { args }) {
    const host = hostOfAddress(args[0] ?? '');
    const known = await new CredentialStore(env).erase(host);
    stdout.write(known ? `Removing login credentials for ${host}\n` : `Not logged in to ${host}\n`);
  },
});
