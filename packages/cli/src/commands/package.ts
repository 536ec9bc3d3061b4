import { rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isErrno, SlipwayError } from '@slipway/base/errors';
import { boolean, type Flag, text } from '../args/flags.ts';
import { type Context, defineCommand } from '../command.ts';
import { formatSize } from '../format/units.ts';
import { buildImage, type ProjectBuild } from '../package/build-image.ts';
import { writeFunctionZip } from '../package/function-zip.ts';
import type { PackagePlan } from '../package/plan.ts';
import { type Project, readProject } from '../package/project.ts';
import { planPackage } from '../package/recognise.ts';

const DOCKERFILE = 'Dockerfile';

/** `--dockerfile` alone is the usual name. */
const fileFlag: Flag<string> = {
  kind: 'boolean',
  help: 'Write the Dockerfile (=FILE for another name) to keep, and build nothing',
  initial: '',
  complete: 'file',
  read: (value) => (value === 'true' ? DOCKERFILE : value),
};

export default defineCommand({
  summary: 'Build an image of a project that has no Dockerfile',
  description:
    'Recognises Node, Python, Go and Java projects and static sites by their own files, says what it saw, shows the ' +
    'Dockerfile that follows from it, and builds it. With --zip it makes the zip of a function from the same source.',
  arguments: { usage: '[DIR]', min: 0, max: 1, complete: 'file' },
  flags: {
    tag: text("Name of the image (default the folder's)", { short: 't' }),
    base: text(
      'Image to build and run on, instead of the official one; Debian and Ubuntu get packages by apt',
      {
        value: 'image',
        complete: 'image',
      },
    ),
    entry: text('What to start, where it cannot be told: a file, MODULE:OBJECT, a package or a class'),
    print: boolean('Show the Dockerfile, and build nothing'),
    dockerfile: fileFlag,
    force: boolean('Write over a Dockerfile that is there'),
    zip: text("Write a function's zip: code and dependencies as Lambda has them", {
      value: 'file',
      complete: 'file',
    }),
    'no-cache': boolean('Take nothing from the build cache'),
    pull: boolean('Look for newer base images'),
    quiet: boolean("Only the image's id", { short: 'q' }),
  },
  examples: [
    ['package .', 'an image of this project, named as its folder'],
    ['package --base debian:bookworm .', 'on Debian, with its own Node, Python, Go or Java'],
    ['package --dockerfile .', 'the Dockerfile, yours from now on: slipway build .'],
    ['package --zip function.zip .', 'a function, to upload'],
  ],
  async run(context, { flags, args }) {
    const directory = args[0] ?? '.';
    const project = readProject(directory);
    const { base, entry } = flags;
    if (flags.print || flags.dockerfile !== '' || flags.zip !== '' || !project.has(DOCKERFILE)) {
      const plan = planPackage(project, { base, entry, isFunction: flags.zip !== '' });
      if (flags.print) return print(context, plan);
      if (flags.dockerfile !== '') return write(context, plan, { directory, ...flags });
      if (flags.zip !== '') return zip(context, plan, { directory, ...flags }, project);
      if (!flags.quiet) explain(context.stdout, plan, { withDockerfile: true });
      return build(context, plan, { directory, ...flags }, project);
    }
    const own = ownDockerfile(project, { base, entry });
    if (!flags.quiet) explain(context.stdout, own, { withDockerfile: false });
    return build(context, own, { directory, ...flags }, project);
  },
});

interface Choices {
  readonly directory: string;
  readonly tag: string;
  readonly dockerfile: string;
  readonly force: boolean;
  readonly zip: string;
  readonly 'no-cache': boolean;
  readonly pull: boolean;
  readonly quiet: boolean;
}

/** A Dockerfile that is there was written or taken over by a person, who knows better. */
function ownDockerfile(project: Project, { base, entry }: { base: string; entry: string }): PackagePlan {
  if (base !== '' || entry !== '') {
    throw new SlipwayError(
      'InvalidArgument',
      'the project has a Dockerfile, which --base and --entry do not change: edit it, or have a new one written with --dockerfile --force',
    );
  }
  return {
    kind: 'Dockerfile',
    why: ["the project has a Dockerfile: built as it is, as by 'slipway build'"],
    warnings: [],
    dockerfile: project.text(DOCKERFILE) as string,
    ignore: [],
    functionPlan: undefined,
  };
}

function explain(
  out: NodeJS.WriteStream,
  plan: PackagePlan,
  { withDockerfile }: { withDockerfile: boolean },
) {
  const lines = [
    ...plan.why.map((why) => `  ${why}`),
    ...plan.warnings.map((warning) => `  note: ${warning}`),
  ];
  out.write(`${plan.kind}\n${lines.join('\n')}\n\n`);
  if (withDockerfile) out.write(`${plan.dockerfile.replace(/^(?=.)/gm, '  | ').trimEnd()}\n\n`);
}

/** The Dockerfile alone on standard output, so that it can be redirected. */
function print({ stdout, stderr }: Context, plan: PackagePlan): void {
  explain(stderr, plan, { withDockerfile: false });
  stdout.write(plan.dockerfile);
}

/** Writes the Dockerfile, and the `.dockerignore` unless there is one. */
async function write({ stdout }: Context, plan: PackagePlan, choices: Choices): Promise<void> {
  const path = resolve(choices.directory, choices.dockerfile);
  explain(stdout, plan, { withDockerfile: false });
  await writeOwned(path, plan.dockerfile, choices.force);
  stdout.write(`wrote ${path}\n`);
  const ignore = join(choices.directory, '.dockerignore');
  try {
    await writeOwned(ignore, `${plan.ignore.join('\n')}\n`, false);
    stdout.write(`wrote ${ignore}\n`);
  } catch (error) {
    if (!(error instanceof SlipwayError) || error.code !== 'AlreadyExists') throw error;
    stdout.write(`kept ${ignore}\n`);
  }
  const file = choices.dockerfile === DOCKERFILE ? '' : ` -f ${path}`;
  stdout.write(`They are yours now; build with: slipway build${file} ${choices.directory}\n`);
}

/** @throws AlreadyExists, unless `force` */
async function writeOwned(path: string, content: string, force: boolean): Promise<void> {
  try {
    if (!force) return await writeFile(path, content, { flag: 'wx' });
    const partial = `${path}.slipway-${process.pid}`;
    await writeFile(partial, content);
    await rename(partial, path);
  } catch (cause) {
    if (!isErrno(cause, 'EEXIST')) throw cause;
    throw new SlipwayError(
      'AlreadyExists',
      `${path} is there already: --force writes over it, --dockerfile=FILE writes another, --print only shows it`,
      { cause },
    );
  }
}

async function build(context: Context, plan: PackagePlan, choices: Choices, project: Project): Promise<void> {
  const { stdout } = context;
  const tag = choices.tag || imageName(project.name);
  const id = await buildImage(context, projectBuild(plan.dockerfile, { plan, choices, project }), tag);
  if (choices.quiet) return void stdout.write(`${id}\n`);
  const size = await imageSize(context, id);
  const port = /^EXPOSE (\d+)/m.exec(plan.dockerfile)?.[1];
  const publish = port === undefined ? '' : ` -p ${port}:${port}`;
  stdout.write(
    `\nPackaged ${choices.directory} as ${tag}${size}\nRun it: slipway run --rm${publish} ${tag}\n`,
  );
}

async function imageSize({ client }: Context, id: string): Promise<string> {
  const image = (await client.images.list()).find(({ Id }) => Id === id);
  return image === undefined ? '' : ` (${formatSize(image.Size)})`;
}

async function zip(context: Context, plan: PackagePlan, choices: Choices, project: Project): Promise<void> {
  const { functionPlan } = plan;
  if (functionPlan === undefined) {
    throw new SlipwayError(
      'InvalidArgument',
      `${plan.kind} "${project.name}" cannot be a function's zip: package it as an image, without --zip`,
    );
  }
  if (!choices.quiet) explain(context.stdout, plan, { withDockerfile: false });
  const build = projectBuild(functionPlan.dockerfile, { plan, choices, project });
  await writeFunctionZip(context, build, choices.zip);
  const handler = functionPlan.handler ?? 'the one that you wrote: none was found';
  context.stdout.write(
    choices.quiet
      ? `${choices.zip}\n`
      : `\nPackaged ${choices.directory} as ${choices.zip}\nruntime: ${functionPlan.runtime}\nhandler: ${handler}\n`,
  );
}

function projectBuild(
  dockerfile: string,
  { plan, choices, project }: { plan: PackagePlan; choices: Choices; project: Project },
): ProjectBuild {
  const { directory, pull, quiet, 'no-cache': noCache } = choices;
  const ignore = project.text('.dockerignore') ?? `${plan.ignore.join('\n')}\n`;
  return { directory, dockerfile, ignore, pull, quiet, noCache };
}

/** A folder's name as an image's. */
function imageName(folder: string): string {
  const name = folder
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return `${name || 'app'}:latest`;
}
