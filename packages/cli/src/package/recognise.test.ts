import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { isSlipwayError } from '@slipway/base/errors';
import type { PackagePlan, PlanOptions } from './plan.ts';
import { readProject } from './project.ts';
import { planPackage } from './recognise.ts';

const root = mkdtempSync(join(tmpdir(), 'slipway-package-test-'));
after(() => rmSync(root, { recursive: true }));
let count = 0;

type Files = Readonly<Record<string, string | object>>;

function folder(files: Files): string {
  const path = join(root, `project-${count++}`);
  mkdirSync(path);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return path;
}

const plan = (files: Files, options: Partial<PlanOptions> = {}): PackagePlan =>
  planPackage(readProject(folder(files)), { base: '', entry: '', ...options });

const refusal = (files: Files, options: Partial<PlanOptions> = {}): string => {
  try {
    plan(files, options);
  } catch (error) {
    assert.ok(isSlipwayError(error, 'InvalidArgument'), String(error));
    return error.message;
  }
  throw new assert.AssertionError({ message: 'it was recognised' });
};

/** Lines that a Dockerfile has, in this order. */
function assertLines(
  { dockerfile }: { readonly dockerfile: string },
  ...lines: readonly (string | RegExp)[]
) {
  const all = dockerfile.split('\n');
  let at = 0;
  for (const line of lines) {
    const found = all.findIndex(
      (text, index) => index >= at && (typeof line === 'string' ? text === line : line.test(text)),
    );
    assert.notEqual(found, -1, `no ${line} from line ${at + 1} on in:\n${dockerfile}`);
    at = found + 1;
  }
}

const LOCKED = {
  'package.json': { dependencies: { express: '4' }, scripts: { start: 'node server.js' } },
  'package-lock.json': {},
};

test('Node: dependencies have a layer before the code, and node is the first process, not root', () => {
  const node = plan({
    ...LOCKED,
    'server.js': "app.get('/healthz', ok); app.listen(process.env.PORT || 4000)",
  });
  assert.equal(node.kind, 'Node');
  assertLines(
    node,
    'FROM tools AS deps',
    'COPY package.json package-lock.json ./',
    /npm ci .*--omit=dev$/,
    'COPY --from=deps /app/node_modules ./node_modules',
    'COPY . ./',
    'EXPOSE 4000',
    'USER node',
    /^HEALTHCHECK .*\/healthz/,
    'CMD ["node", "server.js"]',
  );
  assert.ok(node.ignore.includes('node_modules') && node.ignore.includes('.env'));
  assert.ok(
    node.why.some((why) => why === 'depends on express: a server'),
    node.why.join(),
  );
});

test('Node: a build script runs with all dependencies, in a stage of its own', () => {
  const node = plan({
    'package.json': {
      dependencies: { ms: '2' },
      devDependencies: { typescript: '5' },
      scripts: { build: 'tsc' },
      main: 'dist/a.js',
    },
    'package-lock.json': {},
    'src/a.ts': '',
  });
  assertLines(
    node,
    'FROM tools AS build',
    /npm ci --no-audit --no-fund$/,
    'RUN npm run build && rm -rf node_modules',
  );
  assertLines(
    node,
    'COPY --from=deps /app/node_modules ./node_modules',
    'COPY --from=build /app ./',
    'CMD ["node", "dist/a.js"]',
  );
  assert.doesNotMatch(node.dockerfile, /HEALTHCHECK|EXPOSE/, 'it does not listen');
});

test('Node: TypeScript without a build script is compiled, and started where tsconfig.json puts it', () => {
  const node = plan({
    'package.json': { devDependencies: { typescript: '5' } },
    'tsconfig.json': '{ "compilerOptions": { "outDir": "./lib/" } } // as people write it',
    'src/index.ts': '',
  });
  assertLines(node, 'RUN npx tsc && rm -rf node_modules', 'CMD ["node", "lib/index.js"]');
});

test('Node: each lock file has its package manager, at the version that is asked for', () => {
  const scripts = { start: 'node a.js' };
  const dependencies = { ms: '2' };
  const pnpm = plan({
    'package.json': { scripts, dependencies, packageManager: 'pnpm@9.1.0+sha512.ab' },
    'pnpm-lock.yaml': '',
  });
  assertLines(pnpm, 'RUN npm install -g pnpm@9.1.0', /pnpm install --frozen-lockfile --prod$/);
  const classic = plan({ 'package.json': { scripts, dependencies }, 'yarn.lock': '' });
  assertLines(
    classic,
    /npm install -g yarn@1$/,
    /yarn install --frozen-lockfile --non-interactive --production$/,
  );
  const berry = plan({
    'package.json': { scripts, dependencies, packageManager: 'yarn@4.5.0' },
    'yarn.lock': '',
    '.yarnrc.yml': '',
  });
  assertLines(berry, 'RUN npm install -g @yarnpkg/cli-dist@4.5.0', /yarn workspaces focus --production$/);
  const none = plan({ 'package.json': { scripts, dependencies } });
  assertLines(none, /npm install --no-package-lock/);
  assert.match(none.warnings.join(), /no lock file/);
});

test('Node: what is installed from the project itself is installed with the project there', () => {
  for (const manifest of [
    { workspaces: ['packages/*'] },
    { scripts: { postinstall: 'prisma generate' } },
    { dependencies: { own: 'file:vendor/own' } },
  ]) {
    const node = plan({ 'package.json': { main: 'a.js', ...manifest }, 'a.js': '', 'package-lock.json': {} });
    assertLines(
      node,
      'COPY . .',
      /npm ci --no-audit --no-fund$/,
      /^RUN npm prune --omit=dev/,
      'COPY --from=build /app ./',
    );
  }
});

test('Node: without dependencies there is nothing to install', () => {
  const node = plan({ 'package.json': { main: 'a.js' }, 'a.js': '' });
  assert.doesNotMatch(node.dockerfile, /npm|--from/);
});

test('Node: a version that is asked for is taken, an old lower bound is met by a newer one', () => {
  const of = (files: Files) =>
    /FROM node:(\d+)/.exec(plan({ 'a.js': '', 'package.json': { main: 'a.js' }, ...files }).dockerfile)?.[1];
  assert.equal(of({ '.nvmrc': 'v20.11.1\n' }), '20');
  assert.equal(of({ 'package.json': { main: 'a.js', engines: { node: '24.x' } } }), '24');
  assert.equal(of({ 'package.json': { main: 'a.js', engines: { node: '>=14' } } }), '22');
  assert.equal(of({}), '22');
});

test('Node: a start script that needs a shell goes through npm, a Procfile comes first', () => {
  const files = { 'package.json': { scripts: { start: 'NODE_ENV=x node a.js && echo' } }, 'a.js': '' };
  assertLines(plan(files), 'CMD ["npm", "start"]');
  assertLines(
    plan({ ...files, Procfile: 'worker: node w.js\nweb: node a.js --port=$PORT\n' }),
    'CMD ["sh", "-c", "exec node a.js --port=$PORT"]',
  );
});

test('Debian as the base gets packages by apt, and what it has too old is told', () => {
  const node = plan({ ...LOCKED, '.nvmrc': '22' }, { base: 'debian:bookworm' });
  assertLines(
    node,
    'FROM debian:bookworm AS tools',
    / install -y --no-install-recommends nodejs npm/,
    'FROM debian:bookworm AS app',
    / install .* nodejs \\$/,
    /^RUN useradd/,
    'USER app',
  );
  assert.match(node.warnings.join(), /\.nvmrc asks for Node 22, and debian:bookworm has 18/);
  const given = plan(LOCKED, { base: 'registry.example.com/tools:1' });
  assert.doesNotMatch(given.dockerfile, /apt-get/);
});

test('a site that a script builds is built by Node and served without it', () => {
  const scripts = { build: 'vite build', start: 'vite' };
  const site = plan({
    'package.json': { scripts, devDependencies: { vite: '5' } },
    'package-lock.json': {},
    'vite.config.ts': "build: { outDir: 'out' }",
    'index.html': '',
  });
  assert.equal(site.kind, 'Static site');
  assertLines(
    site,
    /^FROM node:\d+/,
    /npm ci/,
    'RUN npm run build',
    'FROM busybox AS site',
    'COPY --from=build /app/out /srv/',
    /^USER 65534/,
    /^HEALTHCHECK/,
    /^CMD \["httpd"/,
  );
  const nginx = plan({ 'package.json': { scripts, devDependencies: { vite: '5' } } }, { base: 'nginx:1.27' });
  assertLines(nginx, /^FROM node/, 'FROM nginx:1.27 AS site', /try_files \$uri \$uri\/ \/index\.html/);
  const server = plan({
    'package.json': {
      scripts: { ...scripts, start: 'node s.js' },
      dependencies: { express: '4' },
      devDependencies: { vite: '5' },
    },
  });
  assert.equal(server.kind, 'Node');
});

test('a site in a workspace is built with the workspace there', () => {
  const site = plan({
    'package.json': { workspaces: ['a'], scripts: { build: 'vite build' }, devDependencies: { vite: '5' } },
  });
  assertLines(site, 'COPY . .', /npm install/, 'RUN npm run build', 'COPY --from=build /app/dist /srv/');
});

test('an index.html alone is a site, and no function', () => {
  const site = plan({ 'public/index.html': '<h1>', 'notes.txt': '' });
  assertLines(site, 'FROM busybox AS site', 'COPY public/ /srv/');
  assert.equal(site.functionPlan, undefined);
});

const APPLICATIONS: readonly (readonly [what: string, files: Files, command: RegExp])[] = [
  [
    'Flask',
    { 'requirements.txt': 'Flask==3\ngunicorn', 'app.py': 'from flask import Flask\napp = Flask(__name__)' },
    /exec gunicorn .* app:app"/,
  ],
  [
    'a Flask factory',
    { 'requirements.txt': 'flask\ngunicorn', 'shop/__init__.py': 'def create_app():\n  pass' },
    /gunicorn .* 'shop:create_app\(\)'"/,
  ],
  [
    'FastAPI',
    { 'requirements.txt': 'fastapi\nuvicorn', 'api/main.py': 'api = FastAPI()' },
    /exec uvicorn .* api\.main:api"/,
  ],
  [
    'Django',
    { 'requirements.txt': 'django\ngunicorn', 'manage.py': 'DJANGO_SETTINGS_MODULE', 'shop/wsgi.py': '' },
    /gunicorn .* shop\.wsgi:application"/,
  ],
  ['a script', { 'requirements.txt': '', 'main.py': 'print(1)' }, /CMD \["python3", "main\.py"\]/],
  [
    'a package',
    { 'pyproject.toml': '[project]\nname = "x"', 'src/tool/__main__.py': '' },
    /CMD \["python3", "-m", "tool"\]/,
  ],
];

for (const [what, files, command] of APPLICATIONS) {
  test(`Python: ${what} is started as it is meant to be`, () => {
    const python = plan(files);
    assert.equal(python.kind, 'Python');
    assertLines(python, /^FROM python:3/, 'COPY --from=deps /venv /venv', 'COPY . .', 'USER app', command);
  });
}

test('Python: each way of locking packages ends in a virtual environment that the image takes', () => {
  const kinds: readonly (readonly [Files, RegExp])[] = [
    [{ 'pyproject.toml': '', 'uv.lock': '' }, /uv export --frozen/],
    [{ 'pyproject.toml': '', 'poetry.lock': '' }, /VIRTUAL_ENV=\/venv poetry install --only main --no-root/],
    [{ Pipfile: '', 'Pipfile.lock': '' }, /pipenv requirements/],
    [{ 'pyproject.toml': '[project]\n' }, /uv pip compile pyproject\.toml/],
    [{ 'requirements.txt': 'flask' }, /pip install -r requirements\.txt/],
  ];
  for (const [files, install] of kinds)
    assertLines(plan({ ...files, 'main.py': '' }), install, 'COPY --from=deps /venv /venv');
});

test('Python: without a server among the packages the development server serves, and that is told', () => {
  const python = plan({ 'requirements.txt': 'flask', 'app.py': 'app = Flask(__name__)' });
  assertLines(python, /exec flask --app 'app:app' run/);
  assert.match(python.warnings.join(), /gunicorn is not among the packages/);
});

test('Python: packages in the project itself are there when they are installed', () => {
  assertLines(
    plan({ 'requirements.txt': './vendor/x.whl\n', 'main.py': '' }),
    'FROM python:3.12-slim AS deps',
    'COPY . ./',
    /pip install/,
  );
});

test('Go: modules, then code, then a binary on a small image', () => {
  const go = plan({
    'go.mod': 'module x.org/shop\n\ngo 1.24\n\nrequire a v1\n',
    'go.sum': '',
    'cmd/shop/main.go': 'package main\nimport "net/http"\nhttp.ListenAndServe(":9000", nil)',
    'cmd/tool/main.go': 'package main',
    'static/a.css': '',
  });
  assertLines(
    go,
    'FROM golang:1.24-bookworm AS build',
    'COPY go.mod go.sum ./',
    /go mod download$/,
    'COPY . .',
    / -o \/app \.\/cmd\/shop$/,
    'FROM debian:bookworm-slim AS app',
    'COPY static static',
    'EXPOSE 9000',
    /^HEALTHCHECK .*"bash"/,
    'CMD ["app"]',
  );
  assertLines(
    go.functionPlan as { dockerfile: string },
    'FROM scratch',
    'COPY --from=build /bootstrap /bootstrap',
  );
});

test('Go: which of several programs is asked for, a library is refused', () => {
  const several = { 'go.mod': 'module x', 'cmd/a/main.go': 'package main', 'cmd/b/main.go': 'package main' };
  assert.match(refusal(several), /several programs: \.\/cmd\/a, \.\/cmd\/b\. Name one with --entry/);
  assertLines(plan(several, { entry: 'cmd/b' }), / -o \/app \.\/cmd\/b$/);
  assert.match(refusal(several, { entry: 'cmd/c' }), /cmd\/c is no main package/);
  assert.match(refusal({ 'go.mod': 'module x', 'x.go': 'package x' }), /is a library/);
});

test('Java: Maven and Gradle, with Spring or with a main class', () => {
  const spring = plan({
    'pom.xml': '<java.version>17</java.version> spring-boot-starter-web spring-boot-starter-actuator',
  });
  assertLines(
    spring,
    'FROM maven:3.9-eclipse-temurin-17 AS build',
    'COPY pom.xml ./',
    /dependency:resolve$/,
    'FROM eclipse-temurin:17-jre AS app',
    'EXPOSE 8080',
    /\/actuator\/health/,
    'CMD ["java", "-jar", "/app/app.jar"]',
  );
  const gradle = plan({
    'build.gradle.kts': '',
    gradlew: '',
    'gradle/w.jar': '',
    'src/main/kotlin/org/x/Main.kt': 'fun main() {}',
  });
  assertLines(
    gradle,
    'FROM eclipse-temurin:21-jdk AS build',
    'COPY build.gradle* gradlew ./',
    'COPY gradle gradle',
    /sh gradlew .*installDist/,
    'CMD ["java", "-cp", "/app/app.jar:/app/lib/*", "org.x.MainKt"]',
  );
  const debian = plan({ 'pom.xml': '<mainClass>a.B</mainClass>' }, { base: 'debian:bookworm' });
  assertLines(
    debian,
    /^RUN mkdir -p .*man1/,
    / install .* maven /,
    /^RUN mkdir -p .*man1/,
    / install .* default-jre-headless/,
  );
  assert.match(refusal({ 'pom.xml': '<project/>' }), /no class below src\/main has a main method/);
});

test('a program whose pages npm builds is that program', () => {
  assert.equal(plan({ 'go.mod': 'module x', 'main.go': 'package main', 'package.json': {} }).kind, 'Go');
  assert.equal(plan({ 'requirements.txt': '', 'main.py': '', 'package.json': {} }).kind, 'Python');
  assert.equal(plan({ 'package.json': { main: 'a.js' }, 'a.js': '', 'tools.py': '' }).kind, 'Node');
});

test('a function needs nothing that starts by itself', () => {
  const pom = '<project></project>';
  const handler = 'package a; public class H { public String handle(String s) { return s; } }';
  const java = { 'pom.xml': pom, 'src/main/java/a/H.java': handler };
  assert.match(refusal(java), /no class below src\/main has a main method/);
  assertLines(functionOf(java), /mvn .*package/, 'FROM scratch');
  const node = {
    'package.json': { dependencies: { ms: '2' } },
    'app/handler.mjs': 'export const handler = 1',
  };
  assert.match(refusal(node), /cannot tell what starts/);
  assertLines(functionOf(node), /npm/, 'FROM scratch');
  const python = { 'requirements.txt': 'six', 'src/app.py': 'def handler(event, context):\n  return 1' };
  assertLines(functionOf(python), /pip/, 'FROM scratch');
});

/** The Dockerfile of a function's zip. */
function functionOf(files: Files): { readonly dockerfile: string } {
  const { functionPlan } = plan(files, { isFunction: true });
  assert.ok(functionPlan);
  return functionPlan;
}

test('what is nothing known is told what was looked for and how to go on', () => {
  const message = refusal({ 'notes.txt': '' });
  assert.match(message, /it has notes\.txt\.\nLooked for:\n {2}Node: package\.json/);
  assert.match(message, /slipway build/);
  assert.match(refusal({}), /it is empty/);
  assert.match(refusal({ 'package.json': '{ no' }), /cannot read package\.json: /);
  assert.match(refusal({ 'package.json': {} }), /scripts\.start.*--entry/);
  assert.throws(() => readProject(join(root, 'nowhere')), /there is no folder/);
});

test('symbolic links lead nowhere, so that nothing outside the project is read', () => {
  const path = folder({ 'index.html': '' });
  symlinkSync('/etc', join(path, 'etc'));
  symlinkSync('/etc/passwd', join(path, 'package.json'));
  assert.deepEqual(readProject(path).files, ['index.html']);
});
