import { join } from 'node:path';
import { type HostPath, hostPath } from '@slipway/base';

/** How a runtime is made, and how its process is started. */
export interface RuntimeDefinition {
  /** `nodejs22.x` */
  readonly name: string;
  /** What the engine's image store has it as, once it is made. */
  readonly image: string;
  readonly recipe: Recipe;
  /** What is executed in `/var/task`. */
  readonly args: readonly string[];
  readonly debugArgs: ((port: number) => readonly string[]) | undefined;
  /**
   * `process`: its own client can be started without a function, and told later whose it is. `gate`: it has to be
   * started with the function in place; then the sandbox alone is prepared, with a process that becomes the runtime.
   */
  readonly preparation: 'process' | 'gate';
  /** Its client, put at `/var/runtime`. */
  readonly files: HostPath | undefined;
  readonly variables: Readonly<Record<string, string>>;
  /** Whether its client writes line breaks within an event as carriage returns. */
  readonly joinsLines: boolean;
}

/** What its image is made of. */
export interface Recipe {
  /** Of Debian. */
  readonly suite: string;
  readonly packages: readonly string[];
  /** A program from the npm registry: `package@version`, and which of its files goes where. */
  readonly npm?: { readonly package: string; readonly file: string; readonly target: string } | undefined;
  /** Java sources that are compiled into this jar. */
  readonly java?: { readonly compiler: string; readonly sources: HostPath; readonly jar: string } | undefined;
}

export const TASK_ROOT = '/var/task';
export const RUNTIME_ROOT = '/var/runtime';
export const LAYER_ROOT = '/opt';
export const EXTENSIONS_ROOT = `${LAYER_ROOT}/extensions`;
/** Where the program is put that waits in place of a runtime. */
export const GATE_PATH = '/var/slipway-gate';

const CLIENTS = join(import.meta.dirname, '../../../runtimes');
const client = (name: string): HostPath => hostPath(join(CLIENTS, name));

/** What every runtime's process has, as on Lambda. */
const COMMON = {
  LANG: 'C.UTF-8',
  TZ: ':UTC',
  PATH: '/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin',
  LD_LIBRARY_PATH:
    '/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib',
  LAMBDA_TASK_ROOT: TASK_ROOT,
  LAMBDA_RUNTIME_DIR: RUNTIME_ROOT,
};

const BASE_PACKAGES = ['ca-certificates'];

const nodejs = (major: number): RuntimeDefinition => ({
  name: `nodejs${major}.x`,
  image: `slipway/lambda-nodejs:${major}`,
  recipe: {
    suite: 'bookworm',
    packages: [...BASE_PACKAGES, 'libstdc++6', 'libatomic1'],
    npm: {
      package: `node-linux-${process.arch}@${major}`,
      file: 'package/bin/node',
      target: '/var/lang/bin/node',
    },
  },
  args: ['/var/lang/bin/node', `${RUNTIME_ROOT}/bootstrap.cjs`],
  debugArgs: (port) => [
    '/var/lang/bin/node',
    `--inspect-wait=127.0.0.1:${port}`,
    `${RUNTIME_ROOT}/bootstrap.cjs`,
  ],
  preparation: 'process',
  files: client('nodejs'),
  variables: {
    ...COMMON,
    NODE_PATH: `/opt/nodejs/node${major}/node_modules:/opt/nodejs/node_modules:${RUNTIME_ROOT}/node_modules:${RUNTIME_ROOT}:${TASK_ROOT}`,
  },
  joinsLines: true,
});

const python = (version: string, suite: string): RuntimeDefinition => ({
  name: `python${version}`,
  image: `slipway/lambda-python:${version}`,
  recipe: { suite, packages: [...BASE_PACKAGES, `python${version}`, 'python3-debugpy'] },
  args: [`/usr/bin/python${version}`, '-S', '-u', `${RUNTIME_ROOT}/bootstrap.py`],
  debugArgs: (port) => [
    `/usr/bin/python${version}`,
    '-Xfrozen_modules=off',
    '-m',
    'debugpy',
    '--wait-for-client',
    '--listen',
    `127.0.0.1:${port}`,
    `${RUNTIME_ROOT}/bootstrap.py`,
  ],
  preparation: 'process',
  files: client('python'),
  variables: { ...COMMON, PYTHONPATH: RUNTIME_ROOT, PYTHONDONTWRITEBYTECODE: '1' },
  joinsLines: true,
});

const JAVA_JAR = '/var/lang/lib/slipway-runtime.jar';

const java = (version: number, suite: string): RuntimeDefinition => ({
  name: `java${version}`,
  image: `slipway/lambda-java:${version}`,
  recipe: {
    suite,
    packages: [...BASE_PACKAGES, `openjdk-${version}-jre-headless`],
    java: { compiler: `openjdk-${version}-jdk-headless`, sources: client('java'), jar: JAVA_JAR },
  },
  args: [
    '/usr/bin/java',
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    '-Xshare:auto',
    '-cp',
    JAVA_JAR,
    'io.slipway.lambda.Bootstrap',
  ],
  debugArgs: undefined,
  preparation: 'gate',
  files: undefined,
  variables: COMMON,
  joinsLines: true,
});

/** Debian's glibc and tools, not Amazon Linux's: a `bootstrap` that brings what it needs runs on both. */
const provided = (system: string): RuntimeDefinition => ({
  name: `provided.${system}`,
  image: 'slipway/lambda-provided:latest',
  recipe: { suite: 'trixie', packages: [...BASE_PACKAGES, 'libstdc++6'] },
  args: [`${TASK_ROOT}/bootstrap`],
  debugArgs: undefined,
  preparation: 'gate',
  files: undefined,
  variables: COMMON,
  joinsLines: false,
});

const RUNTIMES = new Map(
  [
    nodejs(22),
    nodejs(24),
    python('3.11', 'bookworm'),
    python('3.13', 'trixie'),
    java(17, 'bookworm'),
    java(21, 'trixie'),
    provided('al2023'),
    provided('al2'),
  ].map((runtime) => [runtime.name, runtime]),
);

/** The runtimes that there are. */
export const runtimeNames = (): readonly string[] => [...RUNTIMES.keys()];

/** Undefined for a name that is not supported here. */
export const findRuntime = (name: string): RuntimeDefinition | undefined => RUNTIMES.get(name);
