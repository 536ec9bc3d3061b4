import { z } from 'zod';
import { action, type EcrAction } from './action.ts';
import { type EcrCall, type EcrContext, openRepository } from './context.ts';
import { ecrError } from './errors.ts';
import { parseRepositoryArn } from './wire.ts';

const MOST_TAGS = 50;

const key = z.string().min(1).max(128);
export const tags = z.array(z.object({ Key: key, Value: z.string().max(256).nullish() })).max(200);

/**
 * The tags with these added.
 * @throws InvalidArgument InvalidTagParameterException for one of AWS's own, ResourceExhausted TooManyTagsException
 */
export function mergeTags(
  present: Readonly<Record<string, string>>,
  added: z.infer<typeof tags>,
): Readonly<Record<string, string>> {
  const merged = new Map(Object.entries(present));
  for (const { Key, Value } of added) {
    if (Key.toLowerCase().startsWith('aws:')) {
      throw ecrError('InvalidTagParameterException', `the tag key "${Key}": keys must not begin with aws:`);
    }
    merged.set(Key, Value ?? '');
  }
  if (merged.size > MOST_TAGS) {
    throw ecrError(
      'TooManyTagsException',
      `a repository has at most ${MOST_TAGS} tags; these are ${merged.size}`,
    );
  }
  return Object.fromEntries(merged);
}

/** The tags of repositories themselves, which are keys with values and nothing to do with those of images. */
export function tagActions(ecr: EcrContext): EcrAction[] {
  const resource = { resourceArn: z.string() };
  const find = (resourceArn: string, call: EcrCall, leave: 'pull' | 'push') =>
    openRepository(ecr, call, parseRepositoryArn(resourceArn), leave);
  return [
    action('TagResource', z.object({ ...resource, tags }), async (input, call) => {
      const repository = await find(input.resourceArn, call, 'push');
      ecr.records.update(repository, { tags: mergeTags(ecr.records.get(repository).tags, input.tags) });
      return {};
    }),
    action(
      'UntagResource',
      z.object({ ...resource, tagKeys: z.array(key).max(200) }),
      async (input, call) => {
        const repository = await find(input.resourceArn, call, 'push');
        const kept = Object.entries(ecr.records.get(repository).tags).filter(
          ([name]) => !input.tagKeys.includes(name),
        );
        ecr.records.update(repository, { tags: Object.fromEntries(kept) });
        return {};
      },
    ),
    action('ListTagsForResource', z.object(resource), async (input, call) => {
      const repository = await find(input.resourceArn, call, 'pull');
      const present = Object.entries(ecr.records.get(repository).tags);
      return { tags: present.map(([Key, Value]) => ({ Key, Value })) };
    }),
  ];
}
