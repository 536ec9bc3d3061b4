import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { contextFolder, usePlugins } from './harness/build.ts';
import { startDockerRegistry } from './harness/docker-registry.ts';
import type { Engine } from './harness/engine.ts';
import { without } from './harness/peers.ts';
import { RegistryClients } from './harness/registry-clients.ts';
import { useEngine } from './harness/suite.ts';

const skip = without('buildx');
const skipRegistry = skip || without('dockerRegistry');

// Ends after what `useEngine` checks has begun: the build cache holds snapshots that no image names.
const prunes: (() => Promise<void>)[] = [];
after(async () => {
  for (const prune of prunes) await prune();
});
/** Two builders that share nothing: what one of them makes, the other one takes over. */
const one = await useEngine({ port: 'free' });
const two = await useEngine();
for (const engine of [one, two]) {
  usePlugins(engine);
  prunes.push(() => forgetAll(engine));
}

/** Removes all but busybox, and every step. */
async function forgetAll(engine: Engine): Promise<void> {
  const listed = await engine.mustDocker('images', '-a', '--format', '{{.Repository}}:{{.Tag}} {{.ID}}');
  const ids = listed.split('\n').flatMap((line) => {
    const [name, id] = line.split(' ');
    return name === 'busybox:latest' || id === undefined ? [] : [id];
  });
  if (ids.length > 0) await engine.docker('rmi', '-f', ...ids);
  await engine.mustDocker('builder', 'prune', '-af');
}

async function mustBuild(engine: Engine, ...args: readonly string[]): Promise<string> {
  const { code, stderr } = await engine.docker('buildx', 'build', '--progress=plain', ...args);
  assert.equal(code, 0, stderr);
  return stderr;
}

/** The steps that were found, and those that ran, by what they say. */
function stepsOf(progress: string): { cached: string[]; ran: string[] } {
  const names = new Map<string, string>();
  const cached: string[] = [];
  const ran: string[] = [];
  for (const line of progress.split('\n')) {
    const [, number = '', rest = ''] = /^#(\d+) (.*)$/.exec(line) ?? [];
    const step = /^\[[^\]]+\d+\/\d+\] (.*)$/.exec(rest)?.[1];
    if (step !== undefined) names.set(number, step);
    if (rest === 'CACHED') cached.push(names.get(number) ?? '');
    else if (/^DONE /.test(rest) && names.has(number)) ran.push(names.get(number) ?? '');
  }
  return {
    cached: cached.filter((name) => /^(RUN|COPY)/.test(name)),
    ran: ran.filter((name) => /^(RUN|COPY)/.test(name)),
  };
}

const APP = {
  Dockerfile: `FROM busybox AS maker
WORKDIR /src
RUN echo tools > /tools
COPY source .
RUN cat source /tools > made
FROM busybox
COPY --from=maker /src/made /made
RUN wc -c < /made > /size
CMD ["cat", "/made"]
`,
  source: 'hello\n',
};
const STEPS = ['RUN echo tools > /tools', 'COPY source .', 'RUN cat source /tools > made'];
const OWN_STEPS = ['COPY --from=maker /src/made /made', 'RUN wc -c < /made > /size'];

test('what one builder gave to a registry another one takes over, and fetches only what it needs', {
  skip: skipRegistry,
}, async () => {
  await using debian = await startDockerRegistry();
  for (const host of [debian.host, `127.0.0.1:${one.port}`]) {
    const cache = `${host}/team/app:cache`;
    const first = contextFolder(one, 'app', APP);
    await mustBuild(
      one,
      '--no-cache',
      '--cache-to',
      `type=registry,ref=${cache},mode=max`,
      '-t',
      'app',
      first,
    );
    await forgetAll(two);
    const folder = contextFolder(two, 'app', APP);
    const from = ['--cache-from', `type=registry,ref=${cache}`];
    const whole = await mustBuild(two, ...from, '-t', 'app', folder);
    assert.match(whole, /importing cache manifest from/);
    assert.deepEqual(stepsOf(whole).ran, [], whole);
    assert.ok(
      OWN_STEPS.every((step) => stepsOf(whole).cached.includes(step)),
      whole,
    );
    assert.equal(await two.mustDocker('run', '--rm', 'app'), 'hello\ntools');
    // Nothing asked for the files of the stage below: its steps are known, and are not here.
    const here = await two.mustDocker('buildx', 'du', '--verbose');
    assert.ok(!here.includes('echo tools'), here);

    await forgetAll(two);
    writeFileSync(join(folder, 'source'), 'hullo\n');
    const changed = stepsOf(await mustBuild(two, ...from, '-t', 'app', folder));
    assert.deepEqual(changed.cached, [STEPS[0]]);
    assert.deepEqual(changed.ran, [STEPS[1], STEPS[2], ...OWN_STEPS]);
    assert.equal(await two.mustDocker('run', '--rm', 'app'), 'hullo\ntools');
    writeFileSync(join(folder, 'source'), APP.source);
  }
});

test("a cache's document is BuildKit's, as crane reads it", {
  skip: skipRegistry || without('crane'),
}, async () => {
  await using debian = await startDockerRegistry();
  const clients = new RegistryClients(one);
  const cache = `${debian.host}/form:cache`;
  const folder = contextFolder(one, 'app', APP);
  const build = (options: string) =>
    mustBuild(one, '--cache-to', `type=registry,ref=${cache},${options}`, folder);
  const json = async (...args: string[]) => JSON.parse(await clients.must('crane', ...args));
  await build('mode=max');
  const manifest = await json('manifest', cache);
  assert.equal(manifest.config.mediaType, 'application/vnd.buildkit.cacheconfig.v0');
  const config = await json('blob', `${debian.host}/form@${manifest.config.digest}`);
  for (const [at, layer] of config.layers.entries()) {
    assert.ok(layer.parent < at && layer.parent >= -1);
    assert.ok(manifest.layers.some(({ digest }: { digest: string }) => digest === layer.blob));
  }
  const max = config.records.length;
  assert.ok(
    config.records.every(
      (record: { results: { layer: number }[] }) => record.results[0]?.layer !== undefined,
    ),
  );
  await build('mode=min');
  const min = await json('blob', `${debian.host}/form@${(await json('manifest', cache)).config.digest}`);
  assert.ok(min.records.length < max, `${min.records.length} of ${max}`);
  await build('mode=max,image-manifest=false');
  const index = await json('manifest', cache);
  assert.equal(index.mediaType, 'application/vnd.oci.image.index.v1+json');
  await forgetAll(two);
  const taken = await mustBuild(two, '--cache-from', cache, contextFolder(two, 'app', APP));
  assert.deepEqual(stepsOf(taken).ran, [], taken);
});

test('a cache that has lost a layer fails the build that wants it, and says what to do', {
  skip: skipRegistry,
}, async () => {
  await using debian = await startDockerRegistry();
  const cache = `${debian.host}/lost:cache`;
  const folder = contextFolder(one, 'app', APP);
  await mustBuild(one, '--cache-to', `type=registry,ref=${cache}`, folder);
  const clients = new RegistryClients(one);
  const { layers } = JSON.parse(await clients.must('crane', 'manifest', cache));
  await fetch(`${debian.url}/v2/lost/blobs/${layers.at(-1).digest}`, { method: 'DELETE' });
  await forgetAll(two);
  const other = contextFolder(two, 'app', APP);
  const failed = await two.docker('buildx', 'build', '--progress=plain', '--cache-from', cache, other);
  assert.equal(failed.code, 1);
  assert.match(
    failed.stderr,
    /a step of the build cache cannot be fetched: .*blob unknown.*build again without --cache-from/,
  );
  await mustBuild(two, other);
});

test('an image has its own cache within, when that is asked for', { skip: skipRegistry }, async () => {
  await using debian = await startDockerRegistry();
  const folder = contextFolder(one, 'inline', APP);
  const other = contextFolder(two, 'inline', APP);
  for (const [name, ...args] of [
    ['type', '--cache-to', 'type=inline'],
    ['argument', '--build-arg', 'BUILDKIT_INLINE_CACHE=1'],
  ]) {
    const image = `${debian.host}/inline/${name}:1`;
    await mustBuild(one, ...args, '--push', '-t', image, folder);
    await forgetAll(two);
    const taken = await mustBuild(two, '--cache-from', image, '-t', 'inline', other);
    assert.deepEqual(stepsOf(taken).ran, [], taken);
    assert.equal(await two.mustDocker('run', '--rm', 'inline'), 'hello\ntools');
    // What a base image says of its own steps does not go on.
    await one.mustDocker('tag', image, 'inline-base');
    const above = contextFolder(one, 'above', { Dockerfile: 'FROM inline-base\nLABEL a=b\n' });
    await mustBuild(one, '-o', 'type=docker,dest=-', '-t', 'above', above);
  }
  // Docker's older clients: a list of images, of which those without a cache are none.
  await forgetAll(two);
  const env = { DOCKER_BUILDKIT: '0' };
  const args = ['--cache-from', `${debian.host}/none:1`, '--cache-from', `${debian.host}/inline/type:1`];
  const classic = await two.dockerWith({ env }, 'build', ...args, '-t', 'classic', other);
  assert.equal(classic.code, 0, classic.stderr);
  assert.match(classic.stdout, /Using cache/);
  assert.doesNotMatch(classic.stdout, /Running in/);
});

test('a cache in a folder of the client is written and read over its session', { skip }, async () => {
  const cache = join(one.root, 'cache-folder');
  const folder = contextFolder(one, 'app', APP);
  await mustBuild(one, '--cache-to', `type=local,dest=${cache},mode=max`, folder);
  assert.ok(existsSync(join(cache, 'index.json')) && existsSync(join(cache, 'blobs/sha256')));
  await forgetAll(two);
  const other = contextFolder(two, 'app', APP);
  const taken = await mustBuild(two, '--cache-from', `type=local,src=${cache}`, '-t', 'local', other);
  assert.deepEqual(stepsOf(taken).ran, [], taken);
  assert.equal(await two.mustDocker('run', '--rm', 'local'), 'hello\ntools');
  // Written once more, also of what never came here.
  await mustBuild(
    two,
    '--cache-from',
    `type=local,src=${cache}`,
    '--cache-to',
    `type=local,dest=${cache}-2,mode=max`,
    other,
  );
  await forgetAll(one);
  const back = await mustBuild(one, '--cache-from', `type=local,src=${cache}-2`, folder);
  assert.deepEqual(stepsOf(back).ran, [], back);
  rmSync(cache, { recursive: true });
});

test('what no cache can be is refused by its name, and one that is not there fails no build', {
  skip,
}, async () => {
  const folder = contextFolder(one, 'app', APP);
  const refused = async (...args: string[]) => {
    const { code, stderr } = await one.docker('buildx', 'build', '--progress=plain', ...args, folder);
    assert.notEqual(code, 0);
    return stderr;
  };
  assert.match(
    await refused('--cache-to', 'type=azblob,name=x'),
    /--cache-to type=azblob is not supported: use inline, registry or local/,
  );
  assert.match(
    await refused('--cache-from', 'type=azblob,name=x'),
    /--cache-from type=azblob is not supported: use registry or local/,
  );
  assert.match(
    await refused('--cache-to', 'type=registry,ref=x,mode=some'),
    /mode=some is not known: use min or max/,
  );
  await using closed = await closedRegistry();
  const cache = `type=registry,ref=${closed.host}/x`;
  assert.match(await refused('--cache-to', cache), /ERROR: push access denied for 127\.0\.0\.1:\d+\/x/);
  assert.match(await mustBuild(one, '--cache-from', cache, folder), /ERROR: .*denied/);
  await mustBuild(one, '--cache-to', `${cache},ignore-error=true`, folder);
});

/** A registry that refuses all. */
async function closedRegistry(): Promise<AsyncDisposable & { host: string }> {
  const errors = JSON.stringify({ errors: [{ code: 'DENIED', message: 'nobody is let in' }] });
  const server = createServer((_, response) =>
    response.writeHead(403, { 'content-type': 'application/json' }).end(errors),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

test('compose reads and writes caches for its services', { skip: skip || without('compose') }, async () => {
  const cache = `127.0.0.1:${one.port}/composed:cache`;
  const files = {
    ...APP,
    'compose.yaml': `services:
  app:
    image: composed
    build: {context: ., cache_from: ["${cache}"], cache_to: ["type=registry,ref=${cache},mode=max"]}
`,
  };
  const up = async (engine: Engine) => {
    const folder = contextFolder(engine, 'composed', files);
    const built = await engine.docker('compose', '--project-directory', folder, '--progress=plain', 'build');
    assert.equal(built.code, 0, built.stderr);
    return built.stderr + built.stdout;
  };
  await up(one);
  await forgetAll(two);
  assert.deepEqual(stepsOf(await up(two)).ran, []);
});

test('slipway build reads and writes caches in a registry', { skip }, async () => {
  const cache = `127.0.0.1:${one.port}/slipway:cache`;
  const build = async (engine: Engine, ...args: readonly string[]) => {
    const built = await engine.slipway('build', ...args, contextFolder(engine, 'app', APP));
    assert.equal(built.code, 0, built.stderr);
    return built.stderr;
  };
  await build(one, '--cache-to', `type=registry,ref=${cache},mode=max`, '-t', 'app');
  await forgetAll(two);
  const taken = await build(two, '--cache-from', cache, '-t', 'app');
  assert.match(taken, /RUN wc -c < \/made > \/size\n#\d+ CACHED/);
  assert.doesNotMatch(taken, /^#\d+ DONE [^0]/m);
  assert.equal(await two.mustDocker('run', '--rm', 'app'), 'hello\ntools');
  const refused = await one.slipway(
    'build',
    '--cache-to',
    'type=local,dest=/x',
    contextFolder(one, 'app', APP),
  );
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /type=local is not written by slipway build/);
});
