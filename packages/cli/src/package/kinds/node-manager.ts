import type { Project } from '../project.ts';

/** As much of package.json as packaging looks at. */
export interface Manifest {
  readonly name?: string;
  readonly main?: string;
  readonly type?: string;
  readonly packageManager?: string;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly engines?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly workspaces?: unknown;
}

/** How a project's dependencies are installed. */
export interface NodeManager {
  readonly name: 'npm' | 'Yarn' | 'pnpm';
  /** Files that say which dependencies there are; copied before the code. */
  readonly files: readonly string[];
  /** Lines that bring the package manager where it is not npm. */
  readonly setup: readonly string[];
  readonly installAll: string;
  readonly installProduction: string;
  /** Takes the development dependencies away again. */
  readonly prune: string;
  readonly run: (script: string) => string;
  readonly why: string;
  readonly warnings: readonly string[];
}

/** The package manager by the project's lock file. */
export function chooseNodeManager(project: Project, manifest: Manifest): NodeManager {
  if (project.has('pnpm-lock.yaml')) return pnpm(project, manifest);
  if (project.has('yarn.lock')) return yarn(project, manifest);
  const lock = ['package-lock.json', 'npm-shrinkwrap.json'].find((path) => project.has(path));
  const verb = lock === undefined ? 'npm install --no-package-lock' : 'npm ci';
  const run = (rest: string) =>
    `RUN --mount=type=cache,target=/root/.npm ${verb} --no-audit --no-fund${rest}`;
  return {
    name: 'npm',
    files: present(project, ['package.json', 'package-lock.json', 'npm-shrinkwrap.json']),
    setup: [],
    installAll: run(''),
    installProduction: run(' --omit=dev'),
    prune: 'npm prune --omit=dev --ignore-scripts --no-audit --no-fund',
    run: (script) => `npm run ${script}`,
    why: lock === undefined ? 'no lock file: dependencies by npm install' : `${lock}: dependencies by npm ci`,
    warnings: lock === undefined ? [NO_LOCK] : [],
  };
}

const NO_LOCK =
  'there is no lock file, so each build may get other versions; "npm install --package-lock-only" writes one';

function pnpm(project: Project, manifest: Manifest): NodeManager {
  const [npm, version] = ['npm install -g pnpm', pinned(manifest, 'pnpm')];
  const install = (rest: string) =>
    `RUN --mount=type=cache,target=/root/.local/share/pnpm/store pnpm install --frozen-lockfile${rest}`;
  return {
    name: 'pnpm',
    files: present(project, ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml', '.pnpmfile.cjs']),
    // Newer Node has no corepack, and Debian's never had. Any pnpm will do where none is asked for.
    setup: [version === '' ? `RUN command -v pnpm > /dev/null || ${npm}` : `RUN ${npm}${version}`],
    installAll: install(''),
    installProduction: install(' --prod'),
    prune: 'CI=true pnpm prune --prod --ignore-scripts',
    run: (script) => `pnpm run ${script}`,
    why: 'pnpm-lock.yaml: dependencies by pnpm',
    warnings: [],
  };
}

function yarn(project: Project, manifest: Manifest): NodeManager {
  const berry = project.has('.yarnrc.yml') || /^yarn@[2-9]/.test(manifest.packageManager ?? '');
  return berry ? yarnBerry(project, manifest) : yarnClassic(project);
}

function yarnClassic(project: Project): NodeManager {
  const install = (rest: string) =>
    `RUN --mount=type=cache,target=/usr/local/share/.cache/yarn yarn install --frozen-lockfile --non-interactive${rest}`;
  return {
    name: 'Yarn',
    files: present(project, ['package.json', 'yarn.lock', '.yarnrc']),
    setup: ['RUN command -v yarn > /dev/null || npm install -g yarn@1'],
    installAll: install(''),
    installProduction: install(' --production'),
    prune: 'yarn install --production --ignore-scripts --frozen-lockfile --offline --non-interactive',
    run: (script) => `yarn run ${script}`,
    why: 'yarn.lock: dependencies by Yarn 1',
    warnings: [],
  };
}

/** Yarn from 2 on; it is not on npm under its own name. */
function yarnBerry(project: Project, manifest: Manifest): NodeManager {
  const install = (line: string) =>
    `RUN --mount=type=cache,target=/root/.yarn/berry/cache YARN_NODE_LINKER=node-modules ${line}`;
  return {
    name: 'Yarn',
    files: [
      ...present(project, ['package.json', 'yarn.lock', '.yarnrc.yml']),
      ...(project.files.some((path) => path.startsWith('.yarn/')) ? ['.yarn'] : []),
    ],
    setup: [`RUN npm install -g @yarnpkg/cli-dist${pinned(manifest, 'yarn')}`],
    installAll: install('yarn install --immutable'),
    installProduction: install('yarn workspaces focus --production'),
    prune: 'YARN_NODE_LINKER=node-modules yarn workspaces focus --production',
    run: (script) => `yarn run ${script}`,
    why: 'yarn.lock and .yarnrc.yml: dependencies by Yarn, into node_modules',
    warnings: [],
  };
}

/** `@9.1.0` of `"packageManager": "pnpm@9.1.0+sha512.…"`. */
function pinned(manifest: Manifest, name: string): string {
  const match = /^(\w+)@(\d[\w.-]*)/.exec(manifest.packageManager ?? '');
  return match?.[1] === name ? `@${match[2]}` : '';
}

const present = (project: Project, paths: readonly string[]): readonly string[] =>
  paths.filter((path) => project.has(path));

const LIFECYCLE = ['preinstall', 'install', 'postinstall', 'prepare'];

/** Of all dependencies, whatever they are for. */
export const dependencyRanges = ({
  dependencies,
  devDependencies,
  optionalDependencies,
}: Manifest): string[] => Object.values({ ...dependencies, ...devDependencies, ...optionalDependencies });

/** Why the project must be there before its dependencies can be installed; undefined when its lock file is enough. */
export function needsWhole(project: Project, manifest: Manifest): string | undefined {
  const { scripts, workspaces } = manifest;
  if (dependencyRanges(manifest).some((range) => /^(?:file|link|portal|workspace):/.test(range))) {
    return 'it depends on folders or archives of its own';
  }
  if (workspaces !== undefined || project.has('pnpm-workspace.yaml')) return 'the project has workspaces';
  const script = LIFECYCLE.find(
    (name) => scripts?.[name] !== undefined && !/husky|lefthook/.test(scripts[name]),
  );
  return script === undefined ? undefined : `scripts.${script} runs at each install`;
}
