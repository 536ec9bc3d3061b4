import { boolean, parsed } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { formatBinarySize } from '../format/units.ts';
import { parseBytes } from '../run/values.ts';

/** `none` takes a quota away. */
const parseQuota = (text: string): number | 'none' =>
  text === 'none' || text === '-1' ? 'none' : parseBytes(text);

export default defineCommand({
  summary: "Change what holds for a repository of the daemon's registry",
  description: 'Without flags: shows it.',
  arguments: { usage: 'REPOSITORY', min: 1, max: 1 },
  flags: {
    'immutable-tags': boolean('A tag that is there cannot be pushed again'),
    quota: parsed('The most that it may hold, as in 10g, or none', parseQuota, { value: 'bytes' }),
  },
  examples: [
    ['registry settings team/app --quota 10g', 'pushes beyond it are refused'],
    ['registry settings team/app --immutable-tags', 'and with =false no more'],
  ],
  async run({ client, stdout }, { flags, args, given }) {
    const name = args[0] as string;
    const { immutableTags, quotaBytes } = await client.registry.configure(name, {
      ...(given.has('immutable-tags') ? { immutableTags: flags['immutable-tags'] } : {}),
      ...(flags.quota === undefined ? {} : { quotaBytes: flags.quota === 'none' ? null : flags.quota }),
    });
    stdout.write(`Immutable tags: ${immutableTags}\n`);
    stdout.write(`Quota: ${quotaBytes === undefined ? 'none' : formatBinarySize(quotaBytes)}\n`);
  },
});
