import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SlipwayError } from '@slipway/base/errors';
import { openContext } from '../build/context.ts';
import { allLogins } from '../build/logins.ts';
import { openOutput } from '../build/output.ts';
import type { Context } from '../command.ts';
import { follow } from '../commands/build.ts';

/** A build of a project with a Dockerfile that is not in it. */
export interface ProjectBuild {
  readonly directory: string;
  readonly dockerfile: string;
  /** The text of the `.dockerignore`. */
  readonly ignore: string;
  readonly noCache: boolean;
  readonly pull: boolean;
  readonly quiet: boolean;
}

/** Builds an image and gives it a name. @returns its id */
export async function buildImage(context: Context, build: ProjectBuild, tag: string): Promise<string> {
  const id = await run(context, build, { tag });
  if (id === undefined) throw new SlipwayError('Internal', 'the daemon did not say which image it built');
  return id;
}

/** Builds, and writes the files of the last stage to a folder; there is no image. */
export async function buildFiles(context: Context, build: ProjectBuild, folder: string): Promise<void> {
  await run(context, build, { folder });
}

type Result = { readonly tag: string } | { readonly folder: string };

async function run(context: Context, build: ProjectBuild, result: Result): Promise<string | undefined> {
  const scratch = await mkdtemp(join(tmpdir(), 'slipway-package-'));
  try {
    const file = join(scratch, 'Dockerfile');
    await writeFile(file, build.dockerfile);
    await writeFile(`${file}.dockerignore`, build.ignore);
    await using source = await openContext(build.directory, { file, stdin: context.stdin });
    source.packed.catch(() => {});
    const what = 'tag' in result ? { t: [result.tag], output: 'image' } : { output: 'tar' };
    const { noCache: nocache, pull } = build;
    const messages = await context.client.builds.build(source.body, {
      query: { ...what, dockerfile: source.dockerfile, nocache, pull },
      logins: await allLogins(context),
      secrets: new Map(),
    });
    await source.packed;
    const sink =
      'folder' in result
        ? await openOutput({ type: 'local', destination: result.folder }, context.stdout)
        : undefined;
    const { imageId } = await follow(context, messages, { kind: build.quiet ? 'quiet' : 'auto', sink });
    await sink?.end();
    return imageId;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
