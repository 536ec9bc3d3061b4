import { boolean } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { forEachArgument } from '../each.ts';

export default defineCommand({
  summary: "Remove repositories, tags or manifests from the daemon's registry",
  description: 'A name with a tag is that tag alone; with a digest it is the manifest and all its tags.',
  arguments: { usage: 'REPOSITORY[:TAG|@DIGEST]...', min: 1 },
  flags: { force: boolean('Also a repository that holds images', { short: 'f' }) },
  examples: [
    ['registry rm team/app:1', 'one tag; the image stays while another tag or its digest names it'],
    ['registry rm --force team/app', 'with all its images; registry gc frees the room'],
  ],
  run: (context, { flags, args }) =>
    forEachArgument(context, args, (name) => {
      const [, repository = name, reference] = /^([^:@]+)[:@](.+)$/.exec(name) ?? [];
      return reference === undefined
        ? context.client.registry.remove(name, flags)
        : context.client.registry.removeManifest(repository, reference);
    }),
});
