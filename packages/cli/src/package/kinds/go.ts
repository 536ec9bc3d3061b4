import { SlipwayError } from '@slipway/base/errors';
import { chooseBase, compareVersions, settleVersion, stage, type Version } from '../base-image.ts';
import { COMMON_IGNORE, joinStages, type PackagePlan, type PlanOptions } from '../plan.ts';
import { bashProbe, describeHealth, findHealth, findPort } from '../probes.ts';
import type { Project } from '../project.ts';

const DEFAULT_VERSION = '1.23';
const RUNTIME_IMAGE = 'debian:bookworm-slim';
const DEFAULT_PORT = 8080;
/** Folders that programs read while they run. */
const DATA_FOLDERS = ['templates', 'views', 'static', 'public', 'assets', 'migrations', 'locales'];
const CACHES = '--mount=type=cache,target=/root/.cache/go-build --mount=type=cache,target=/go/pkg/mod';
/** Modules that are bindings of C libraries. */
const C_MODULES = /github\.com\/mattn\/go-sqlite3|github\.com\/confluentinc\/confluent-kafka-go/;

/** A Go project: a go.mod. @throws InvalidArgument when there is no main package, or more than one */
export function planGo(project: Project, options: PlanOptions): PackagePlan | undefined {
  const module = project.text('go.mod');
  if (module === undefined) return undefined;
  const main = mainPackage(project, module, options.entry);
  const version = settleVersion(options.base, 'Go', goVersion(module));
  const sources = project.files.filter((path) => path.endsWith('.go') && !path.endsWith('_test.go'));
  const usesC =
    C_MODULES.test(module) || sources.some((path) => /^import "C"$/m.test(project.text(path) ?? ''));
  const listens = sources.some((path) =>
    /ListenAndServe|net\.Listen\(|\.Run\(|\.Listen\(|\.Start\(/.test(project.text(path) ?? ''),
  );
  const found = listens ? findPort(project, sources) : undefined;
  const isServer =
    listens &&
    /net\/http|gin-gonic|labstack\/echo|gofiber|go-chi/.test(
      [module, ...sources.map((path) => project.text(path))].join(),
    );
  const port = isServer ? (found ?? DEFAULT_PORT) : undefined;
  const health = port === undefined ? undefined : findHealth(project, sources);
  const compile = buildStage(project, options.base, { main, version: version.number, usesC });
  const runtime = chooseBase(options.base, { image: RUNTIME_IMAGE }, []);
  const folders = DATA_FOLDERS.filter((folder) =>
    project.files.some((path) => path.startsWith(`${folder}/`)),
  );
  return {
    kind: 'Go',
    why: [
      'go.mod: a Go project',
      version.why,
      `main package: ${main}`,
      usesC ? 'binds C libraries: linked with them' : 'linked statically',
      ...(folders.length > 0 ? [`taken along: ${folders.join(', ')}`] : []),
      ...(health === undefined
        ? []
        : [`${found === undefined ? 'usual port' : 'port in the code'}: ${port}`, describeHealth(health)]),
    ],
    warnings: version.warnings,
    dockerfile: joinStages(compile('/app'), [
      ...stage(runtime, 'app'),
      ...runtime.addUser,
      'WORKDIR /app',
      'COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/',
      ...folders.map((folder) => `COPY ${folder} ${folder}`),
      'COPY --from=build /app /usr/local/bin/app',
      ...(port === undefined ? [] : [`ENV PORT=${port}`, `EXPOSE ${port}`]),
      `USER ${runtime.user}`,
      health !== undefined && bashProbe(health, port as number),
      'CMD ["app"]',
    ]),
    ignore: [...COMMON_IGNORE, 'bin', '*.test', '*.out'],
    functionPlan: {
      dockerfile: joinStages(compile('/bootstrap'), [
        'FROM scratch',
        `COPY --from=build /bootstrap /bootstrap`,
        ...folders.map((folder) => `COPY ${folder} /${folder}`),
      ]),
      runtime: 'provided.al2023',
      handler: 'bootstrap',
    },
  };
}

function buildStage(
  project: Project,
  base: string,
  { main, version, usesC }: { main: string; version: string; usesC: boolean },
): (output: string) => readonly string[] {
  const apt = ['golang-go', 'ca-certificates', 'git', ...(usesC ? ['gcc', 'libc6-dev'] : [])];
  // A newer Go compiles what was written for an older one.
  const official = compareVersions(version, DEFAULT_VERSION) < 0 ? DEFAULT_VERSION : version;
  const image = chooseBase(base, { image: `golang:${official}-bookworm` }, apt);
  const vendored = project.has('vendor/modules.txt');
  const sums = project.has('go.sum') ? 'go.mod go.sum' : 'go.mod';
  const hasModules = /^require\b/m.test(project.text('go.mod') ?? '');
  return (output) => [
    ...stage(image, 'build'),
    `ENV CGO_ENABLED=${usesC ? 1 : 0} GOPATH=/go`,
    'WORKDIR /src',
    ...(vendored || !hasModules ? [] : [`COPY ${sums} ./`, `RUN ${CACHES} go mod download`]),
    'COPY . .',
    `RUN ${CACHES} go build -trimpath -ldflags='-s -w' -o ${output} ${main}`,
  ];
}

/** The package to build, as `go build` takes it: `.`, `./cmd/server`. */
function mainPackage(project: Project, module: string, entry: string): string {
  const folders = project.files
    .filter((path) => /\.go$/.test(path) && !/_test\.go$|(?:^|\/)(?:vendor|testdata)\//.test(path))
    .filter(
      (path) =>
        /^package main\b/m.test(project.text(path) ?? '') &&
        !/^\/\/go:build ignore/m.test(project.text(path) ?? ''),
    )
    .map((path) => path.split('/').slice(0, -1).join('/'));
  const packages = [...new Set(folders)].map((folder) => (folder === '' ? '.' : `./${folder}`));
  if (entry !== '') {
    const wanted = entry === '.' ? '.' : `./${entry.replace(/^\.\//, '').replace(/\/$/, '')}`;
    if (packages.includes(wanted)) return wanted;
    throw new SlipwayError(
      'InvalidArgument',
      `--entry ${entry} is no main package of this Go project: ${tell(packages)}`,
    );
  }
  if (packages.includes('.')) return '.';
  const name = /^module\s+(\S+)/m
    .exec(module)?.[1]
    ?.replace(/\/v\d+$/, '')
    .split('/')
    .at(-1);
  const likely = packages.filter((path) =>
    [name, 'server', 'api', 'app', 'web'].includes(path.split('/').at(-1)),
  );
  const only = packages.length === 1 ? packages[0] : likely.length === 1 ? likely[0] : undefined;
  if (only !== undefined) return only;
  throw new SlipwayError(
    'InvalidArgument',
    packages.length === 0
      ? 'this Go project is a library: it has go.mod, but no file with "package main"'
      : `this Go project has several programs: ${tell(packages)}. Name one with --entry`,
  );
}

const tell = (packages: readonly string[]): string => packages.join(', ') || 'there is none';

function goVersion(module: string): Version {
  const number = /^go (\d+\.\d+)/m.exec(module)?.[1];
  if (number === undefined) return { number: DEFAULT_VERSION, place: undefined };
  return { number, place: 'go.mod' };
}
