import { SlipwayError } from '@slipway/base/errors';
import { allLogins } from '../build/logins.ts';
import { openOutput } from '../build/output.ts';
import { startBuild } from '../build/start.ts';
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
  const { directory: folder, dockerfile: text, ignore, noCache: nocache, pull } = build;
  const source = { kind: 'folder', folder, dockerfile: 'Dockerfile', text, ignore } as const;
  using started = await startBuild(context, source, {
    query: { ...('tag' in result ? { t: [result.tag], output: 'image' } : { output: 'tar' }), nocache, pull },
    logins: await allLogins(context),
    secrets: new Map(),
    agents: new Map(),
  });
  const sink =
    'folder' in result
      ? await openOutput({ type: 'local', destination: result.folder }, context.stdout)
      : undefined;
  const { imageId } = await follow(context, started.messages, { kind: build.quiet ? 'quiet' : 'auto', sink });
  await sink?.end();
  return imageId;
}
