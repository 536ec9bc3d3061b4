import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { before, test } from 'node:test';
import { zipFolder } from '../../packages/cli/src/package/zip.ts';
import { GRADLE_PROJECT, MAVEN_OFFLINE, MAVEN_PROJECT } from './harness/build.ts';
import { eventually, mustRun } from './harness/command.ts';
import { debianArchive, TOOLCHAINS } from './harness/images.ts';
import { onDockerd, useEngine } from './harness/suite.ts';

const engine = await useEngine();
/** The image with the languages' tools; its name is no Debian's, so nothing is fetched for it. */
const BASE = TOOLCHAINS.tag;
const needsSlipway = { skip: onDockerd };

type Files = Readonly<Record<string, string | object | Buffer>>;

function project(name: string, files: Files): string {
  const folder = join(engine.root, name);
  for (const [path, content] of Object.entries(files)) {
    const isRaw = typeof content === 'string' || Buffer.isBuffer(content);
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), isRaw ? content : JSON.stringify(content));
  }
  return folder;
}

async function slipway(...args: readonly string[]): Promise<string> {
  const result = await engine.slipway(...args);
  assert.equal(result.code, 0, `slipway ${args.join(' ')}:\n${result.stdout}${result.stderr}`);
  return result.text;
}

before(async () => {
  if (!onDockerd) await engine.mustDocker('load', '-i', await debianArchive(BASE, TOOLCHAINS.packages));
});

const NODE: Files = {
  'package.json': {
    name: 'shop',
    scripts: { build: 'node build.js', start: 'node server.js' },
    dependencies: { greeting: 'file:vendor/greeting' },
  },
  'package-lock.json': {
    name: 'shop',
    lockfileVersion: 3,
    packages: {
      '': { name: 'shop', dependencies: { greeting: 'file:vendor/greeting' } },
      'node_modules/greeting': { resolved: 'vendor/greeting', link: true },
      'vendor/greeting': { name: 'greeting', version: '1.0.0' },
    },
  },
  'vendor/greeting/package.json': { name: 'greeting', version: '1.0.0', main: 'main.js' },
  'vendor/greeting/main.js': "module.exports = 'hello from node';",
  'build.js': "require('node:fs').writeFileSync('built.txt', require('greeting'));",
  'server.js': `
    const text = require('node:fs').readFileSync('built.txt', 'utf8') + ' as ' + process.getuid();
    const server = require('node:http').createServer((request, response) => {
      response.statusCode = ['/', '/healthz'].includes(request.url) ? 200 : 404;
      response.end(text);
    });
    server.listen(process.env.PORT || 3000);
    process.on('SIGTERM', () => server.close(() => process.exit(7)));`,
  '.env': 'PASSWORD=never-in-an-image',
  'node_modules/greeting/main.js': "module.exports = 'of the developer machine';",
};

test(
  'a Node project becomes an image whose server is well, not root, stops when asked to, and holds no secrets',
  needsSlipway,
  async () => {
    const folder = project('node', NODE);
    const output = await slipway('package', '-t', 'shop:1', '--base', BASE, folder);
    assert.match(output, /compiled by "npm run build"/);
    assert.match(output, /\| FROM toolchains:\d+ AS tools/);
    assert.match(output, /Run it: slipway run --rm -p 3000:3000 shop:1/);

    await slipway('run', '-d', '--name', 'shop', '--health-interval', '1s', 'shop:1');
    const answer = () =>
      slipway(
        'exec',
        'shop',
        'node',
        '-e',
        "fetch('http://127.0.0.1:3000/').then(async (r) => console.log(await r.text()))",
      );
    assert.equal(
      await eventually('the server answers', () => answer().catch(() => undefined)),
      'hello from node as 10001',
    );
    await eventually(
      'it is healthy',
      async () => (await engine.inspect('shop')).State.Health.Status === 'healthy',
    );
    assert.doesNotMatch(await slipway('exec', 'shop', 'ls', '-a'), /\.env|ocker/);
    await slipway('stop', 'shop');
    assert.equal((await engine.inspect('shop')).State.ExitCode, 7, 'the server itself got the signal');
    await slipway('rm', 'shop');
  },
);

test('packaging again gives the same image, from the cache', needsSlipway, async () => {
  const folder = project('node', NODE);
  const id = (await engine.inspect('shop:1', 'image')).Id;
  assert.equal(await slipway('package', '-q', '-t', 'shop:2', '--base', BASE, folder), id);
  project('node', { 'server.js': 'console.log("changed")' });
  assert.notEqual(await slipway('package', '-q', '-t', 'shop:2', '--base', BASE, folder), id);
});

/** A wheel, as a build backend would make it. */
async function wheel(): Promise<Buffer> {
  const info = 'greeting-1.dist-info';
  const folder = project('wheel', {
    'greeting.py': "text = 'hello from python'\n",
    [`${info}/METADATA`]: 'Metadata-Version: 2.1\nName: greeting\nVersion: 1\n',
    [`${info}/WHEEL`]: 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    [`${info}/RECORD`]: `greeting.py,,\n${info}/METADATA,,\n${info}/WHEEL,,\n${info}/RECORD,,\n`,
  });
  return Buffer.concat(await Array.fromAsync(zipFolder(folder)));
}

const pythonFiles = async (): Promise<Files> => ({
  'requirements.txt': './vendor/greeting-1-py3-none-any.whl\n',
  'vendor/greeting-1-py3-none-any.whl': await wheel(),
  'main.py': 'import greeting, os\nprint(greeting.text, os.getuid())\n',
});

test('a Python project runs with its packages, from a virtual environment', needsSlipway, async () => {
  const folder = project('python', await pythonFiles());
  await slipway('package', '-t', 'py:1', '--base', BASE, folder);
  assert.equal(await slipway('run', '--rm', 'py:1'), 'hello from python 10001');
});

test(
  "a function's zip holds code and packages at its root, the same bytes each time, and leaves no image",
  needsSlipway,
  async () => {
    const folder = project('function', {
      ...(await pythonFiles()),
      'main.py': 'import greeting\ndef handler(event, context):\n  return greeting.text\n',
    });
    const [one, two] = [join(engine.root, 'one.zip'), join(engine.root, 'two.zip')];
    const output = await slipway('package', '--base', BASE, '--zip', one, folder);
    assert.match(output, /handler: main\.handler/);
    await slipway('package', '--base', BASE, '--zip', two, '--no-cache', folder);
    await mustRun(['cmp', one, two]);
    const out = join(engine.root, 'function-out');
    await mustRun(['unzip', '-q', one, '-d', out]);
    const call = 'import main; print(main.handler({}, None))';
    const called = await slipway(
      'run',
      '--rm',
      '-v',
      `${out}:/var/task:ro`,
      '-w',
      '/var/task',
      BASE,
      'python3',
      '-c',
      call,
    );
    assert.equal(called, 'hello from python');
    assert.doesNotMatch(await slipway('images'), /slipway-function/);
    assert.equal(await slipway('ps', '-aq'), '');
  },
);

test('a site is served by busybox, and its Dockerfile can be taken over', needsSlipway, async () => {
  const folder = project('My Site', { 'index.html': '<h1>here</h1>' });
  assert.match(await slipway('package', folder), /Packaged .* as my-site:latest/);
  await slipway('run', '-d', '--name', 'site', 'my-site');
  const page = () => slipway('exec', 'site', 'wget', '-q', '-O', '-', 'http://127.0.0.1:8080/');
  assert.equal(await eventually('the site answers', () => page().catch(() => undefined)), '<h1>here</h1>');
  await slipway('rm', '-f', 'site');

  const printed = await slipway('package', '--print', folder);
  await slipway('package', '--dockerfile', folder);
  assert.equal((await mustRun(['cat', join(folder, 'Dockerfile')])).text, printed);
  const again = await engine.slipway('package', '--dockerfile', folder);
  assert.deepEqual([again.code, /is there already: --force/.test(again.stderr)], [1, true], again.stderr);
  writeFileSync(join(folder, 'Dockerfile'), 'FROM busybox\nCMD ["echo", "mine"]\n');
  await slipway('package', folder);
  assert.equal(await slipway('run', '--rm', 'my-site'), 'mine');
});

/** The tools with what lets them work without the internet: Debian's Maven repository, and a pnpm. */
async function offlineBase(): Promise<string> {
  const folder = project('offline-base', {
    'settings.xml': MAVEN_OFFLINE,
    Dockerfile: `FROM ${BASE}
COPY settings.xml /etc/maven/settings.xml
COPY pnpm-8.15.9.tgz /tmp/pnpm.tgz
RUN npm install -g --offline /tmp/pnpm.tgz
`,
  });
  await mustRun(['npm', 'pack', '--silent', '--pack-destination', folder, 'pnpm@8.15.9'], {
    timeoutMs: 120_000,
  });
  await slipway('build', '-q', '-t', 'offline-tools:1', folder);
  return 'offline-tools:1';
}

const PNPM: Files = {
  'package.json': {
    name: 'shop',
    scripts: { start: 'node main.js' },
    dependencies: { lib: 'file:packages/lib' },
  },
  'pnpm-lock.yaml': `lockfileVersion: '6.0'
settings:
  autoInstallPeers: true
  excludeLinksFromLockfile: false
dependencies:
  lib:
    specifier: file:packages/lib
    version: file:packages/lib
packages:
  file:packages/lib:
    resolution: {directory: packages/lib, type: directory}
    name: lib
    dev: false
`,
  'packages/lib/package.json': { name: 'lib', version: '1.0.0', main: 'lib.js' },
  'packages/lib/lib.js': "exports.text = 'pnpm';\n",
  'main.js': "console.log(require('lib').text, process.getuid());\n",
};

const POETRY: Files = {
  'pyproject.toml': `[tool.poetry]
name = "bell"
version = "0.1.0"
description = "rings"
authors = ["A <a@example.org>"]

[tool.poetry.dependencies]
python = "^3.9"
greeting = { path = "vendor/greeting-1-py3-none-any.whl" }

[build-system]
requires = ["poetry-core"]
build-backend = "poetry.core.masonry.api"
`,
  'main.py': 'import greeting\nprint("poetry:", greeting.text)\n',
};

const GO: Files = {
  'go.mod': 'module example.com/tool\n\ngo 1.19\n',
  'main.go': 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("go") }\n',
};

test('projects of Maven, Gradle, pnpm, Poetry and Go are packaged and run', needsSlipway, async () => {
  const base = await offlineBase();
  const poetry = project('poetry', { ...POETRY, 'vendor/greeting-1-py3-none-any.whl': await wheel() });
  await slipway('run', '--rm', '-v', `${poetry}:/work`, '-w', '/work', base, 'poetry', 'lock', '-q');
  const projects = {
    'maven jar': project('maven', MAVEN_PROJECT),
    'gradle 0': project('gradle', GRADLE_PROJECT),
    'pnpm 10001': project('pnpm', PNPM),
    'poetry: hello from python': poetry,
    go: project('go', GO),
  };
  for (const [says, folder] of Object.entries(projects)) {
    const tag = `${says.split(/\W/)[0]}:1`;
    await slipway('package', '-t', tag, '--base', base, folder);
    assert.equal(await slipway('run', '--rm', tag), says);
    await slipway('rmi', tag);
  }
});

test('a site is served by nginx where the base is one, unknown paths too', needsSlipway, async () => {
  await slipway('tag', BASE, 'local/nginx:1');
  const folder = project('nginx-site', {
    'index.html': '<h1>by nginx</h1>',
    'style.css': 'h1 { color: red }',
  });
  await slipway('package', '-t', 'nginx-site', '--base', 'local/nginx:1', folder);
  await slipway('run', '-d', '--name', 'nginx-site', 'nginx-site');
  const get = (path: string) =>
    engine.slipway(
      'exec',
      'nginx-site',
      'python3',
      '-c',
      `import urllib.request as r; a = r.urlopen("http://127.0.0.1:8080${path}"); print(a.headers["content-type"], a.read().decode())`,
    );
  const page = () => get('/').then(({ code, text }) => (code === 0 ? text : undefined));
  assert.equal(await eventually('nginx answers', page), 'text/html <h1>by nginx</h1>');
  assert.equal((await get('/style.css')).text, 'text/css h1 { color: red }');
  assert.match((await get('/nothing')).stderr, /404/);
  assert.equal(await slipway('exec', 'nginx-site', 'id', '-u'), '65534');
  await slipway('rm', '-f', 'nginx-site');
});

test('a step that fails is told with its output, and leaves no container', needsSlipway, async () => {
  const folder = project('broken', { ...NODE, 'build.js': 'console.error("it broke"); process.exit(3)' });
  const result = await engine.slipway('package', '--base', BASE, folder);
  assert.equal(result.code, 1);
  assert.match(result.stdout + result.stderr, /it broke/);
  assert.match(result.stderr, /exit code: 3|non-zero code: 3/);
  assert.equal(await slipway('ps', '-aq'), '');
});

test('what packaging kept for the next time goes with a prune', needsSlipway, async () => {
  await slipway('image', 'prune', '-f');
  const pruned = await engine.api({ method: 'POST', path: '/build/prune?all=1' });
  assert.equal(pruned.status, 200, pruned.text);
  assert.ok((pruned.json as { SpaceReclaimed: number }).SpaceReclaimed > 0, pruned.text);
});
