import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { zipFolder } from '../../packages/cli/src/package/zip.ts';
import { MAVEN_OFFLINE } from './harness/build.ts';
import { eventually } from './harness/command.ts';
import { compileStatic, useFunctions } from './harness/functions.ts';
import { debianArchive, TOOLCHAINS } from './harness/images.ts';

const { engine } = await useFunctions(['nodejs24.x', 'python3.11', 'provided.al2023', 'java17']);

async function slipway(
  ...args: readonly string[]
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const result = await engine.slipway(...args);
  assert.equal(result.code, 0, `slipway ${args.join(' ')}:\n${result.stdout}${result.stderr}`);
  return result;
}

/** A folder below the engine's own. */
const at = (...path: readonly string[]): string => join(engine.root, ...path);

function write(path: string, content: string): void {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, content);
}

test('runtimes are listed, and made ahead', async () => {
  const { stdout } = await slipway('fn', 'runtimes');
  assert.match(stdout, /^nodejs24\.x +ready +slipway\/lambda-nodejs:24 +\d+(?:\.\d+)?MB$/m);
  assert.match(stdout, /^java21 +not made yet /m);
  assert.match((await slipway('fn', 'runtimes', 'nodejs24.x')).stdout, /Runtime nodejs24\.x is ready/);
  assert.match((await engine.slipway('fn', 'runtimes', 'cobol')).stderr, /no runtime cobol/);
});

test('a template is deployed, tested, invoked and read, and costs what it used', async () => {
  await slipway('fn', 'init', at('hello'));
  const deployed = await slipway('fn', 'deploy', '--memory', '512', at('hello'));
  assert.match(deployed.stdout, /^hello created \(/);
  assert.match(
    (await slipway('fn', 'test', at('hello'))).stdout,
    /^ok {3}hello: success.*\n1 passed, 0 failed$/m,
  );

  const invoked = await slipway('fn', 'invoke', '--cold', 'hello', '{"name":"Grace"}');
  assert.deepEqual(JSON.parse(invoked.stdout), { message: 'Hello, Grace!' });
  assert.match(invoked.stderr, /^START RequestId: /m);
  assert.match(invoked.stderr, /of 512 MB, cold start [\d.]+ ms: place [\d.]+, start [\d.]+, init [\d.]+/);
  assert.match((await slipway('fn', 'invoke', 'hello')).stderr, /, warm \[/);

  const logs = await slipway('fn', 'logs', 'hello');
  assert.equal(logs.stdout.match(/^REPORT RequestId: /gm)?.length, 3);
  assert.match((await slipway('logs', '--tail', '1', 'hello')).stdout, /^REPORT RequestId: .*\n$/);
  assert.doesNotMatch(
    (await slipway('fn', 'logs', '--filter', 'request -REPORT', 'hello')).stdout,
    /START|REPORT/,
  );

  await slipway(
    'fn',
    'create',
    '--zip',
    await packed(),
    '--runtime',
    'nodejs24.x',
    '--handler',
    'index.handler',
    'idle',
  );
  const usage = await slipway('fn', 'usage');
  assert.match(usage.stdout, /^FUNCTION .*COST$/m);
  assert.match(usage.stdout, /^hello +3 +0 /m);
  assert.match(usage.stderr, /^idle, at no cost: idle$/m);
  const csv = (await slipway('fn', 'usage', '--export', 'csv')).stdout.trim().split('\n');
  assert.equal(csv.length, 4);
  assert.match(csv[0] ?? '', /^atMs,requestId,functionName,version,outcome,durationMs,billedMs/);
});

/** The zip of the first function, as somebody else might bring it. */
async function packed(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of zipFolder(at('hello'))) chunks.push(chunk);
  writeFileSync(at('idle.zip'), Buffer.concat(chunks));
  return at('idle.zip');
}

test('a second deploy brings code and settings up to date, and a version stays what it was', async () => {
  write(at('greet/app.py'), 'def handler(event, context):\n    return "one"\n');
  write(
    at('greet/function.json'),
    JSON.stringify({ runtime: 'python3.11', handler: 'app.handler', timeout: 5 }),
  );
  await slipway('fn', 'deploy', at('greet'));
  assert.equal((await slipway('fn', 'publish', '--alias', 'live', 'greet')).stdout, '1\n');
  write(at('greet/app.py'), 'import os\ndef handler(event, context):\n    return os.environ["STAGE"]\n');
  assert.match((await slipway('fn', 'deploy', '-e', 'STAGE=two', at('greet'))).stdout, /^greet updated/);
  assert.equal((await slipway('fn', 'invoke', '-q', 'greet')).stdout, '"two"\n');
  assert.equal((await slipway('fn', 'invoke', '-q', '--qualifier', 'live', 'greet')).stdout, '"one"\n');
  const inspected = JSON.parse((await slipway('fn', 'inspect', 'greet')).stdout);
  assert.equal(inspected[0].Configuration.Timeout, 5);
  assert.deepEqual(inspected[0].Versions, ['$LATEST', '1']);
  const { stdout } = await slipway('fn', 'ls', '--format', '{{.Name}} {{.Runtime}} {{.Timeout}}');
  assert.match(stdout, /^greet python3\.11 5 s$/m);
});

test('what failed is listed, run again with its event, and told by the exit code', async () => {
  write(
    at('fragile/index.mjs'),
    'export const handler = async (event) => { if (event.bad) throw new TypeError("no " + event.bad); return 1; };\n',
  );
  write(at('fragile/function.json'), JSON.stringify({ runtime: 'nodejs24.x', handler: 'index.handler' }));
  await slipway('fn', 'deploy', at('fragile'));
  const failed = await engine.slipway('fn', 'invoke', 'fragile', '{"bad":"luck"}');
  assert.equal(failed.code, 1);
  assert.match(failed.stdout, /"errorType":"TypeError","errorMessage":"no luck"/);
  const id = /\[([0-9a-f-]{36})\]$/m.exec(failed.stderr)?.[1] ?? '';
  const list = await eventually('the failure is kept', async () => {
    const { stdout } = await slipway('fn', 'failures', 'fragile');
    return stdout.includes(id) && stdout;
  });
  assert.match(list, /TypeError: no luck/);
  assert.equal((await slipway('fn', 'replay', '--print', id)).stdout, '{"bad":"luck"}');
  write(at('fragile/index.mjs'), 'export const handler = async (event) => "mended " + event.bad;\n');
  await slipway('fn', 'deploy', at('fragile'));
  assert.equal((await slipway('fn', 'replay', '-q', id)).stdout, '"mended luck"\n');
  const unknown = await engine.slipway('fn', 'replay', 'none');
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /none/);
});

test('saved events that come to something else are shown with both', async () => {
  write(at('hello/events/other.json'), '{"name":"Bob"}');
  write(at('hello/events/other.expected.json'), '{"message":"Bye"}');
  const { code, stdout, stderr } = await engine.slipway('fn', 'test', at('hello'));
  assert.equal(code, 1);
  assert.match(stdout, /^FAIL other: .*\n1 passed, 1 failed$/m);
  assert.match(stderr, /expected \{"message":"Bye"\}\n {2}answered \{"message":"Hello, Bob!"\}/);
  await slipway('fn', 'test', '--save', '--event', 'other', at('hello'));
  assert.deepEqual(JSON.parse(readFileSync(at('hello/events/other.expected.json'), 'utf8')), {
    message: 'Hello, Bob!',
  });
});

test('a URL is opened, shown and taken away', async () => {
  const { stdout } = await slipway('fn', 'url', '--auth', 'none', 'hello');
  assert.match(stdout, /^http:\/\/[a-z0-9]+\.lambda-url\.[a-z0-9-]+\.localhost:\d+\/\n$/);
  const { host } = new URL(stdout.trim());
  const text = await new Promise<string>((resolve, reject) => {
    request({ host: '127.0.0.1', port: engine.port, headers: { host } }, (response) => {
      response.setEncoding('utf8');
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve(body));
    })
      .on('error', reject)
      .end();
  });
  assert.deepEqual(JSON.parse(text), { message: 'Hello, world!' });
  assert.equal((await slipway('fn', 'url', 'hello')).stdout, stdout);
  await slipway('fn', 'url', '--rm', 'hello');
  assert.match((await engine.slipway('fn', 'url', 'hello')).stderr, /has no URL; give it one/);
});

test('a shell is in a copy of the environment, which goes with it', async () => {
  const shown = await slipway(
    'fn',
    'shell',
    'hello',
    'sh',
    '-c',
    'ls /var/task; id -u; touch /var/task/x || echo kept; echo $AWS_LAMBDA_FUNCTION_NAME $AWS_LAMBDA_FUNCTION_MEMORY_SIZE; cat /sys/fs/cgroup/memory*/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null | head -1',
  );
  assert.match(shown.stdout, /index\.mjs\n993\nkept\nhello 512\n/);
  const left = await engine.docker('ps', '-aq', '--filter', 'label=slipway.copy');
  assert.equal(left.stdout, '');
});

test('a function is debugged where a debugger attaches, and not before', async () => {
  const port = 21_000 + (process.pid % 20_000);
  const running = engine.slipway('fn', 'debug', '--port', String(port), 'hello', '{"name":"Bug"}');
  const target = await eventually('the inspector listens', async () => {
    const response = await fetch(`http://127.0.0.1:${port}/json/list`).catch(() => undefined);
    return response && ((await response.json()) as { webSocketDebuggerUrl: string }[])[0];
  });
  const debug = new WebSocket(target.webSocketDebuggerUrl);
  await new Promise((resolve) => debug.addEventListener('open', resolve));
  debug.send(JSON.stringify({ id: 1, method: 'Runtime.runIfWaitingForDebugger' }));
  const { code, stdout, stderr } = await running;
  assert.equal(code, 0, stderr);
  assert.deepEqual(JSON.parse(stdout), { message: 'Hello, Bug!' });
  debug.close();
});

test('a folder that is worked on answers with what it says now', async () => {
  write(at('live/index.mjs'), 'export const handler = async () => "before";\n');
  write(at('live/function.json'), JSON.stringify({ runtime: 'nodejs24.x', handler: 'index.handler' }));
  await using dev = engine.slipwayInBackground('fn', 'dev', at('live'));
  await eventually('it runs from the folder', () => dev.stderr.includes('runs from'));
  assert.equal((await slipway('fn', 'invoke', '-q', 'live')).stdout, '"before"\n');
  write(at('live/index.mjs'), 'export const handler = async () => "after";\n');
  await eventually(
    'the change is seen',
    async () => (await slipway('fn', 'invoke', '-q', 'live')).stdout === '"after"\n',
  );
  dev.child.kill('SIGINT');
  assert.equal((await dev.result).code, 0);
  assert.equal(
    (await slipway('fn', 'invoke', '-q', 'live')).stdout,
    '"before"\n',
    'what was deployed is back',
  );
});

test('an executable of one’s own is a function', async () => {
  const bootstrap = await compileStatic('#include <stdlib.h>\nint main(void) { return 7; }');
  write(at('own/bootstrap'), '');
  writeFileSync(at('own/bootstrap'), bootstrap, { mode: 0o755 });
  write(at('own/function.json'), JSON.stringify({ runtime: 'provided.al2023', handler: 'x' }));
  await slipway('fn', 'deploy', at('own'));
  const { stdout } = await engine.slipway('fn', 'invoke', 'own');
  assert.match(stdout, /"errorType":"Runtime\.ExitError"/);
});

test('what must be compiled, or names packages, is built by the engine', async () => {
  await engine.mustDocker('load', '-i', await debianArchive(TOOLCHAINS.tag, TOOLCHAINS.packages));
  write(at('tools/settings.xml'), MAVEN_OFFLINE);
  write(at('tools/Dockerfile'), `FROM ${TOOLCHAINS.tag}\nCOPY settings.xml /etc/maven/settings.xml\n`);
  await slipway('build', '-q', '-t', 'offline-tools:1', at('tools'));
  for (const runtime of ['java', 'provided']) await slipway('fn', 'init', '--runtime', runtime, at(runtime));
  // Without Maven Central the name of a plugin is found only where it is said.
  const pom = readFileSync(at('java/pom.xml'), 'utf8');
  const plugin = '<plugin><artifactId>maven-dependency-plugin</artifactId></plugin>';
  write(
    at('java/pom.xml'),
    pom.replace('</project>', `<build><plugins>${plugin}</plugins></build></project>`),
  );
  write(at('node/package.json'), JSON.stringify({ dependencies: { greeting: 'file:vendor/greeting' } }));
  write(
    at('node/vendor/greeting/package.json'),
    JSON.stringify({ name: 'greeting', version: '1.0.0', main: 'main.js' }),
  );
  write(at('node/vendor/greeting/main.js'), "module.exports = (name) => 'Hello, ' + name + '!';");
  write(
    at('node/index.js'),
    "exports.handler = async ({ name }) => ({ message: require('greeting')(name) });",
  );
  write(at('node/function.json'), JSON.stringify({ runtime: 'nodejs24.x', handler: 'index.handler' }));
  for (const name of ['java', 'provided', 'node']) {
    const { stdout } = await slipway(
      'fn',
      'deploy',
      '--memory',
      '512',
      '--base',
      'offline-tools:1',
      at(name),
    );
    assert.match(stdout, /created \(.*, built as (?:Java|Go|Node)\)/, name);
    const answer = await slipway('fn', 'invoke', '-q', name, '{"name":"Ada"}');
    assert.deepEqual(JSON.parse(answer.stdout), { message: 'Hello, Ada!' }, name);
  }
  await engine.mustDocker('builder', 'prune', '-af');
});

test('what is wrong is said with what to do', async () => {
  const said = async (...args: readonly string[]) => {
    const { code, stderr } = await engine.slipway(...args);
    assert.equal(code, 1, args.join(' '));
    return stderr;
  };
  assert.match(await said('fn', 'invoke', 'nobody'), /Function not found: .*nobody/);
  assert.match(await said('fn', 'invoke', 'hello', '{broken'), /the event is no JSON/);
  assert.match(await said('fn', 'deploy', at('none')), /none/);
  write(at('odd/function.json'), '{"memry": 1}');
  assert.match(await said('fn', 'deploy', at('odd')), /"memry", which is not known; known are name, runtime/);
  assert.match(
    await said('fn', 'init', '--runtime', 'cobol', at('c')),
    /there are nodejs, python, java, provided/,
  );
  assert.match(
    await said('fn', 'deploy', '--runtime', 'ruby3.3', '--handler', 'a.b', at('hello')),
    /ruby3\.3/,
  );
  assert.match(await said('fn', 'create', 'both'), /one of --zip FILE and --image IMAGE/);
});

test('functions are removed, and another of the name begins anew', async () => {
  assert.equal((await slipway('fn', 'rm', 'greet', 'idle')).stdout, 'greet\nidle\n');
  assert.match((await engine.slipway('fn', 'invoke', 'greet')).stderr, /Function not found/);
});
