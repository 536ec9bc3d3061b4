import { SlipwayError } from '@slipway/base/errors';
import {
  type BaseImage,
  chooseBase,
  compareVersions,
  settleVersion,
  stage,
  type Version,
} from '../base-image.ts';
import { cmd, cmdOf, procfileCommand } from '../command-line.ts';
import { COMMON_IGNORE, joinStages, NOT_STARTED, type PackagePlan, type PlanOptions } from '../plan.ts';
import { describeHealth, findHealth, findPort, nodeProbe } from '../probes.ts';
import type { Project } from '../project.ts';
import {
  chooseNodeManager,
  dependencyRanges,
  type Manifest,
  type NodeManager,
  needsWhole,
} from './node-manager.ts';
import { siteOfBuild } from './site-output.ts';

const NODE_IGNORE = ['node_modules', '**/node_modules', 'npm-debug.log*', 'coverage', '*.tsbuildinfo'];
const OUTPUT_IGNORE = ['dist', '.next', '.nuxt', '.output', '.svelte-kit'];
const DEFAULT_VERSION = '22';
const DEFAULT_PORT = 3000;
/** Frameworks that listen on a port, so that a project which has one is a server. */
const SERVERS = [
  ...['express', 'fastify', 'koa', '@hapi/hapi', '@nestjs/core', 'hono', '@hono/node-server', 'next', 'nuxt'],
  ...[
    'restify',
    'polka',
    'h3',
    'socket.io',
    'ws',
    '@remix-run/serve',
    '@sveltejs/adapter-node',
    'apollo-server',
  ],
];
const ENTRIES = ['server', 'index', 'app', 'main', 'src/server', 'src/index', 'src/app', 'src/main'];

/** A Node project: a package.json, or a single script. */
export function planNode(project: Project, options: PlanOptions): PackagePlan | undefined {
  const manifest = readManifest(project);
  if (manifest === undefined || siteOfBuild(project, manifest) !== undefined) return undefined;
  return writeNode(describeNode(project, manifest, options), project, options);
}

/** @throws InvalidArgument for a package.json that is not JSON */
export function readManifest(project: Project): Manifest | undefined {
  const text = project.text('package.json');
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text.replace(/^\uFEFF/, ''));
    if (value instanceof Object && !Array.isArray(value)) return value as Manifest;
    throw new TypeError('it is no object');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SlipwayError('InvalidArgument', `cannot read package.json: ${why}`, { cause });
  }
}

interface NodeProject {
  readonly manager: NodeManager;
  readonly version: string;
  /** The command that compiles; undefined when there is nothing to compile. */
  readonly build: string | undefined;
  readonly cmd: string;
  readonly port: number | undefined;
  readonly sources: readonly string[];
  /** Why the code must be there before dependencies are installed; undefined when they can have a layer of their own. */
  readonly wholeInstall: string | undefined;
  /** Whether it needs packages when it runs. */
  readonly hasModules: boolean;
  readonly why: readonly string[];
  readonly warnings: readonly string[];
}

function describeNode(
  project: Project,
  manifest: Manifest,
  { base, entry, isFunction }: PlanOptions,
): NodeProject {
  const manager = chooseNodeManager(project, manifest);
  const sources = project.files.filter((path) => /\.[cm]?[jt]sx?$/.test(path) && !/\.d\.ts$/.test(path));
  const version = settleVersion(base, 'Node', nodeVersion(project, manifest));
  const build = buildCommand(project, manifest, manager);
  const start = isFunction
    ? NOT_STARTED
    : startCommand(project, manifest, { entry, compiled: build !== undefined });
  const server = Object.keys(manifest.dependencies ?? {}).find((name) => SERVERS.includes(name));
  const found = findPort(project, sources);
  const listens = server !== undefined || sources.some((path) => LISTENS.test(project.text(path) ?? ''));
  const port = listens ? (found ?? DEFAULT_PORT) : undefined;
  const hasAny = dependencyRanges(manifest).length > 0;
  const wholeInstall = needsWhole(project, manifest);
  return {
    ...{ manager, version: version.number, build, cmd: start.cmd, port, sources, wholeInstall },
    hasModules: Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }).length > 0,
    warnings: [...version.warnings, ...(hasAny ? manager.warnings : []), ...npmrcWarning(project)],
    why: [
      'package.json: a Node project',
      version.why,
      ...(hasAny ? [manager.why] : []),
      ...(wholeInstall === undefined
        ? []
        : [`${wholeInstall}: dependencies are installed with the code there`]),
      ...(build === undefined ? [] : [`compiled by "${build}", in a stage of its own`]),
      start.why,
      ...(server === undefined ? [] : [`depends on ${server}: a server`]),
      ...(port === undefined ? [] : [`${found === undefined ? 'usual port' : 'port in the code'}: ${port}`]),
    ],
  };
}

const LISTENS = /\.listen\(|createServer\(/;

function nodeVersion(project: Project, manifest: Manifest): Version {
  const places: readonly (readonly [string, string | undefined])[] = [
    ['.nvmrc', project.text('.nvmrc')],
    ['.node-version', project.text('.node-version')],
    ['engines.node in package.json', manifest.engines?.['node']],
  ];
  for (const [place, text] of places) {
    const number = /\d+/.exec(text ?? '')?.[0];
    // A lower bound that is long out of support is met by what is supported today.
    const isOpen = />/.test(text ?? '') && compareVersions(number ?? '0', DEFAULT_VERSION) < 0;
    if (number !== undefined && !isOpen) return { number, place };
  }
  return { number: DEFAULT_VERSION, place: undefined };
}

function buildCommand(project: Project, manifest: Manifest, manager: NodeManager): string | undefined {
  if (manifest.scripts?.['build'] !== undefined) return manager.run('build');
  const typescript = manifest.devDependencies?.['typescript'] ?? manifest.dependencies?.['typescript'];
  return typescript !== undefined && project.has('tsconfig.json') ? 'npx tsc' : undefined;
}

function startCommand(
  project: Project,
  manifest: Manifest,
  { entry, compiled }: { entry: string; compiled: boolean },
): { cmd: string; why: string } {
  if (entry !== '') return { cmd: cmdOf(['node', entry]), why: `started by node ${entry}, as --entry says` };
  const procfile = procfileCommand(project.text('Procfile'));
  if (procfile !== undefined) return { cmd: cmd(procfile), why: `Procfile: started by "${procfile}"` };
  const start = manifest.scripts?.['start'];
  if (start !== undefined) {
    // Node itself as the first process gets the signals, which npm would not hand on.
    if (/^node\s[^;&|$<>"'`]+$/.test(start)) return { cmd: cmd(start), why: `scripts.start: ${start}` };
    return { cmd: cmdOf(['npm', 'start']), why: `scripts.start by npm: ${start}` };
  }
  const file = entryFile(project, manifest, compiled);
  if (file !== undefined) return { cmd: cmdOf(['node', file]), why: `started by node ${file}` };
  throw new SlipwayError(
    'InvalidArgument',
    'cannot tell what starts this Node project: package.json has neither scripts.start nor a main that is there, and ' +
      `there is none of ${ENTRIES.map((name) => `${name}.js`).join(', ')}. Add scripts.start, or name the file with --entry`,
  );
}

function entryFile(project: Project, manifest: Manifest, compiled: boolean): string | undefined {
  const main = manifest.main?.replace(/^\.\//, '');
  // What is compiled is not there yet.
  if (main !== undefined && (compiled || project.has(main))) return main;
  const names = ENTRIES.flatMap((name) => [`${name}.js`, `${name}.mjs`, `${name}.cjs`]);
  const source = ENTRIES.find((name) => project.has(`${name}.ts`));
  if (!compiled || source === undefined) return names.find((path) => project.has(path));
  const outDir = /"outDir"\s*:\s*"(?:\.\/)?([\w./-]+?)\/?"/.exec(project.text('tsconfig.json') ?? '')?.[1];
  return `${outDir === undefined ? '' : `${outDir}/`}${outDir === undefined ? source : source.replace(/^src\//, '')}.js`;
}

function writeNode(node: NodeProject, project: Project, options: PlanOptions): PackagePlan {
  const official = { image: `node:${node.version}-bookworm-slim`, user: 'node' };
  const needsNpm = node.cmd.startsWith('CMD ["npm"');
  const tools = chooseBase(options.base, official, ['nodejs', 'npm', 'ca-certificates']);
  const runtime = chooseBase(options.base, official, ['nodejs', ...(needsNpm ? ['npm'] : [])]);
  const health = node.port === undefined ? undefined : findHealth(project, node.sources);
  const end = [
    ...(node.port === undefined ? [] : [`ENV PORT=${node.port}`, `EXPOSE ${node.port}`]),
    `USER ${runtime.user}`,
    health !== undefined && nodeProbe(health, node.port as number),
    node.cmd,
  ];
  const made = madeStages(node, tools);
  return {
    kind: 'Node',
    why: [...node.why, ...(health === undefined ? [] : [describeHealth(health)])],
    warnings: node.warnings,
    dockerfile: joinStages(...made.stages, [
      ...stage(runtime, 'app'),
      ...runtime.addUser,
      'ENV NODE_ENV=production',
      'WORKDIR /app',
      ...made.copies('./'),
      ...end,
    ]),
    ignore: [...COMMON_IGNORE, ...NODE_IGNORE, ...(node.build === undefined ? [] : OUTPUT_IGNORE)],
    functionPlan: {
      dockerfile: joinStages(...made.stages, ['FROM scratch', ...made.copies('/')]),
      runtime: `nodejs${node.version}.x`,
      handler: functionHandler(project),
    },
  };
}

/** The stages before the last, and how the last takes what they made. */
function madeStages(node: NodeProject, image: BaseImage) {
  const { manager, build, hasModules } = node;
  const tools = [...stage(image, 'tools'), ...manager.setup, 'WORKDIR /app'];
  if (node.wholeInstall !== undefined) {
    const compile = build === undefined ? [] : [`RUN ${build}`];
    const lines = ['FROM tools AS build', 'COPY . .', manager.installAll, ...compile, `RUN ${manager.prune}`];
    return { stages: [tools, lines], copies: (to: string) => [`COPY --from=build /app ${to}`] };
  }
  const files = `COPY ${manager.files.join(' ')} ./`;
  const deps = hasModules ? [['FROM tools AS deps', files, manager.installProduction]] : [];
  const modules = (to: string) =>
    hasModules ? [`COPY --from=deps /app/node_modules ${to}node_modules`] : [];
  if (build === undefined) {
    const stages = hasModules ? [tools, ...deps] : [];
    return { stages, copies: (to: string) => [...modules(to), `COPY . ${to}`] };
  }
  // What the build made goes on without the development dependencies that it was made with.
  const last = ['COPY . .', `RUN ${build} && rm -rf node_modules`];
  const compile = ['FROM tools AS build', files, manager.installAll, ...last];
  return {
    stages: [tools, ...deps, compile],
    copies: (to: string) => [...modules(to), `COPY --from=build /app ${to}`],
  };
}

function npmrcWarning(project: Project): readonly string[] {
  if (!project.has('.npmrc')) return [];
  return [
    '.npmrc stays out of the image, for it may hold a token; --dockerfile, and COPY it in the deps stage if not',
  ];
}

/** `index.handler`, when there is a file that exports one. */
function functionHandler(project: Project): string | undefined {
  const exported = /exports\.handler\s*=|export\s+(?:const|async\s+function|function)\s+handler\b/;
  const file = project.files.find(
    (path) => /^[\w./-]+\.[cm]?js$/.test(path) && exported.test(project.text(path) ?? ''),
  );
  return file === undefined ? undefined : `${file.replace(/\.[cm]?js$/, '')}.handler`;
}
