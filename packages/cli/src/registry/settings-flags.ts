import { boolean, parsed } from '../args/flags.ts';
import { parseBytes } from '../run/values.ts';

/** `none` takes a quota away. */
const parseQuota = (text: string): number | 'none' =>
  text === 'none' || text === '-1' ? 'none' : parseBytes(text);

/** What holds for a repository, as `registry create` and `registry settings` take it. */
export const SETTINGS_FLAGS = {
  'immutable-tags': boolean('A tag that is there cannot be pushed again'),
  quota: parsed('The most that it may hold, as in 10g, or none', parseQuota, { value: 'bytes' }),
};

/** The settings that were given, as the API takes them. */
export const givenSettings = (
  flags: { readonly 'immutable-tags': boolean; readonly quota: number | 'none' | undefined },
  given: ReadonlySet<string>,
) => ({
  ...(given.has('immutable-tags') ? { immutableTags: flags['immutable-tags'] } : {}),
  ...(flags.quota === undefined ? {} : { quotaBytes: flags.quota === 'none' ? null : flags.quota }),
});
