import type { BuildMessage } from '@slipway/client';
import { boolean, list, text } from '../args/flags.ts';
import { openContext } from '../build/context.ts';
import { debugStep } from '../build/debug.ts';
import { allLogins } from '../build/logins.ts';
import { parseOutput, readPairs, readSecret } from '../build/options.ts';
import { type OutputSink, openOutput } from '../build/output.ts';
import { readAgents } from '../build/session.ts';
import { openProgress, PROGRESS_KINDS } from '../build/show.ts';
import { startBuild } from '../build/start.ts';
import { type Context, defineCommand, ExitError } from '../command.ts';

export default defineCommand({
  summary: 'Build an image from a Dockerfile',
  description:
    'PATH is a folder, the address of an archive or a git repository, or - for an archive or a Dockerfile on standard input.',
  arguments: { usage: 'PATH | URL | -', min: 1, max: 1, complete: 'file' },
  flags: {
    tag: list('Name of the image, NAME[:TAG]', { short: 't' }),
    file: text('The Dockerfile (default PATH/Dockerfile); - for standard input', {
      short: 'f',
      complete: 'file',
    }),
    target: text('Build this stage, not the last'),
    'build-arg': list('Argument of the Dockerfile, NAME=VALUE'),
    label: list('Label of the image, NAME=VALUE'),
    secret: list('Secret for steps that mount it, id=NAME,src=FILE or id=NAME,env=VARIABLE'),
    ssh: list('Agent for steps that mount one: default, or ID=SOCKET'),
    'no-cache': boolean('Run every step again'),
    pull: boolean('Look for newer base images'),
    platform: text('Platform, as in linux/amd64; several with commas between'),
    'cache-from': list("Look for steps in another builder's cache: an image, or type=registry,ref=NAME"),
    'cache-to': list('Give the steps away: type=inline, or type=registry,ref=NAME[,mode=max]'),
    provenance: text('Say with the image how it was built: true, or mode=min|max'),
    sbom: boolean('Say with the image what is in it'),
    network: text('Network of the steps: default, none or host'),
    'add-host': list('Name in the hosts file of the steps, NAME:ADDRESS'),
    output: text('Instead of an image: type=local|tar|oci|docker,dest=PATH', { short: 'o' }),
    progress: text('How to show it: auto, plain, tty or quiet', { complete: PROGRESS_KINDS }),
    quiet: boolean("Only the image's id", { short: 'q' }),
    debug: boolean('When a step fails, open its shell where it failed'),
    check: boolean('Only look for what should be written otherwise'),
  },
  examples: [
    ['build -t app .', 'from the Dockerfile of this folder'],
    ['build --secret id=token,src=token.txt -t app .', 'with a secret that no layer keeps'],
    ['build --ssh default -t app .', 'with the keys of your ssh agent, for RUN --mount=type=ssh'],
    ['build -o out .', "the last stage's files, into a folder"],
    [
      'build --cache-from reg.example/app:cache --cache-to type=registry,ref=reg.example/app:cache,mode=max -t app .',
      'with the steps that another machine made',
    ],
    ['build --platform linux/amd64,linux/arm64 -t reg.example/app .', 'for two platforms, under one name'],
  ],
  async run(context, { flags, args }) {
    const { stdin, stdout, stderr, env } = context;
    const kind = flags.quiet ? 'quiet' : flags.progress || 'auto';
    if (!(PROGRESS_KINDS as readonly string[]).includes(kind)) {
      throw new ExitError(1, `--progress ${kind}: use ${PROGRESS_KINDS.join(', ')}`);
    }
    const output = flags.output === '' ? undefined : parseOutput(flags.output);
    const secrets = new Map(await Promise.all(flags.secret.map((secret) => readSecret(secret, env))));
    const agents = readAgents(flags.ssh, env);
    const source = await openContext(args[0] as string, { file: flags.file, stdin });
    using build = await startBuild(context, source, {
      query: {
        t: flags.tag,
        target: flags.target,
        buildargs: JSON.stringify(readPairs(flags['build-arg'], env)),
        labels: JSON.stringify(readPairs(flags.label, {})),
        nocache: flags['no-cache'],
        pull: flags.pull,
        platform: flags.platform,
        cachefrom: flags['cache-from'],
        cacheto: flags['cache-to'],
        provenance: flags.provenance === 'false' ? '' : flags.provenance,
        sbom: flags.sbom ? 'true' : '',
        networkmode: flags.network,
        extrahosts: flags['add-host'],
        output: flags.check
          ? 'check'
          : output === undefined || output.type === 'image'
            ? 'image'
            : archiveOf(output.type),
      },
      logins: await allLogins(context),
      secrets,
      agents,
    });
    const sink =
      output === undefined || output.type === 'image' ? undefined : await openOutput(output, stdout);
    const ended = await follow(context, build.messages, { kind, sink }).catch(async (error: unknown) => {
      if (!flags.debug || !(error instanceof FailedBuild) || error.failedStep === undefined) throw error;
      stderr.write(`${error.failure}\nIn the failed step; leave it with exit:\n`);
      await debugStep(context, error.failedStep, { command: [], secrets, keep: false });
      throw new ExitError(1);
    });
    await sink?.end();
    report(context, ended, flags);
  },
});

function report(
  { stdout, stderr }: Context,
  { imageId, names, warnings }: Ended,
  { quiet, check }: { quiet: boolean; check: boolean },
): void {
  for (const warning of warnings) (check ? stdout : stderr).write(warning);
  if (check && warnings.length === 0) stdout.write('Check complete, no warnings found.\n');
  if (imageId === undefined) return;
  if (quiet) stdout.write(`${imageId}\n`);
  else stderr.write(`Built ${imageId}${names.length === 0 ? '' : ` as ${names.join(', ')}`}\n`);
}

/** What a build came to. */
export interface Ended {
  readonly imageId: string | undefined;
  readonly names: readonly string[];
  readonly warnings: readonly string[];
}

const archiveOf = (type: 'tar' | 'local' | 'oci' | 'docker') => (type === 'local' ? 'tar' : type);

/** Shows the build until its end. @throws ExitError with the failed step's log */
export async function follow(
  { stderr, clock }: Context,
  messages: AsyncIterable<BuildMessage>,
  { kind, sink }: { kind: string; sink: OutputSink | undefined },
): Promise<Ended> {
  let ended: Ended = { imageId: undefined, names: [], warnings: [] };
  let failure: Extract<BuildMessage, { kind: 'error' }> | undefined;
  const progress = openProgress(kind, stderr, clock);
  {
    using _shown = progress;
    for await (const message of messages) {
      progress.take(message);
      if (message.kind === 'image') ended = { ...ended, imageId: message.id, names: message.names };
      if (message.kind === 'warning')
        ended = { ...ended, warnings: [...ended.warnings, formatWarning(message)] };
      if (message.kind === 'error') failure = message;
      if (message.kind === 'output') await sink?.write(Buffer.from(message.data, 'base64'));
    }
  }
  if (failure === undefined) return ended;
  for (const warning of ended.warnings) stderr.write(warning);
  throw new FailedBuild(`${progress.failure()}${failure.message}`, failure.failedStep);
}

/** What the failed step was and said. */
export class FailedBuild extends ExitError {
  readonly failure: string;
  /** It can be looked into. */
  readonly failedStep: string | undefined;

  constructor(failure: string, failedStep: string | undefined) {
    const hint = failedStep === undefined ? '' : `\nTo look into it: slipway builder debug ${failedStep}`;
    super(1, `${failure}${hint}`);
    this.failure = failure;
    this.failedStep = failedStep;
  }
}

const formatWarning = ({ warning }: Extract<BuildMessage, { kind: 'warning' }>): string => {
  const line = warning.ranges[0]?.start.line;
  return `WARNING: ${warning.rule}: ${warning.detail}${line === undefined ? '' : ` (line ${line})`}\n`;
};
