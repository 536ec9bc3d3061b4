import assert from 'node:assert/strict';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { checkoutRoot } from '../architecture/source-files.ts';
import { contextFolder } from './harness/build.ts';
import { onDockerd, useEngine } from './harness/suite.ts';
import { Terminal } from './harness/terminal.ts';

const skip = onDockerd;
// Ends after what `useEngine` checks has begun: the build cache holds snapshots that no image names.
let prune = async () => {};
after(() => prune());
const engine = await useEngine();
prune = async () => {
  const images = (await engine.mustDocker('images', '-aq')).split('\n').filter(Boolean);
  await engine.docker('rmi', '-f', ...images);
  await engine.slipway('builder', 'prune', '-af');
};

const APP = {
  Dockerfile: `FROM busybox AS build
WORKDIR /src
COPY . .
RUN echo making; cat part > out
FROM scratch AS files
COPY --from=build /src/out /out/made
FROM busybox
COPY --from=build /src/out /out
CMD ["cat", "/out"]
`,
  part: 'made\n',
};

async function mustSlipway(...args: readonly string[]) {
  const result = await engine.slipway(...args);
  assert.equal(result.code, 0, `slipway ${args.join(' ')}: ${result.stderr}`);
  return result;
}

test('slipway build shows steps, marks what is cached, and says which image it made', { skip }, async () => {
  const folder = contextFolder(engine, 'app', APP);
  const first = await mustSlipway('build', '-t', 'app', folder);
  assert.match(first.stderr, /^#\d+ \[build 4\/4\] RUN echo making; cat part > out$/m);
  assert.match(first.stderr, /^#\d+ [\d.]+ making$/m);
  assert.match(first.stderr, /Built sha256:[0-9a-f]{64} as app:latest/);
  assert.equal(await engine.mustDocker('run', '--rm', 'app'), 'made');
  const second = await mustSlipway('build', '-t', 'app', folder);
  assert.match(second.stderr, /^#\d+ CACHED$/m);
  assert.doesNotMatch(second.stderr, / making$/m);
  const quiet = await mustSlipway('build', '-q', folder);
  assert.deepEqual([quiet.stdout, quiet.stderr], [`${(await engine.inspect('app', 'image')).Id}\n`, '']);
});

test('slipway build draws a tree on a terminal', { skip }, async () => {
  const folder = contextFolder(engine, 'app', APP);
  const command = [join(checkoutRoot, 'script/slipway'), '-H', `unix://${engine.socketPath}`];
  await using terminal = new Terminal([...command, 'build', '--no-cache', '-t', 'tree', folder], engine.env);
  await terminal.waitFor('Built (');
  await terminal.waitFor('=> [build 4/4] RUN echo making');
  assert.equal(await terminal.exited, 0);
});

test('slipway build writes files, archives and layouts instead of an image', { skip }, async () => {
  const folder = contextFolder(engine, 'app', APP);
  const out = join(engine.root, 'out');
  await mustSlipway('build', '--target', 'files', '-o', out, folder);
  assert.equal(readFileSync(join(out, 'out/made'), 'utf8'), 'made\n');
  const archive = join(engine.root, 'image.tar');
  await mustSlipway('build', '-t', 'loaded:1', '-o', `type=docker,dest=${archive}`, folder);
  await engine.mustDocker('load', '-i', archive);
  assert.equal(await engine.mustDocker('run', '--rm', 'loaded:1'), 'made');
  const layout = join(engine.root, 'layout.tar');
  await mustSlipway('build', '-o', `type=oci,dest=${layout}`, folder);
  assert.match((await engine.run(['tar', '-tf', layout])).stdout, /^index\.json$/m);
});

test('the same input with SOURCE_DATE_EPOCH makes the same bytes again, without the cache', {
  skip,
}, async () => {
  const folder = contextFolder(engine, 'app', APP);
  const path = (name: string) => join(engine.root, `${name}.tar`);
  const build = (name: string) =>
    mustSlipway(
      'build',
      '--no-cache',
      '--build-arg',
      'SOURCE_DATE_EPOCH=1700000000',
      '-o',
      `type=oci,dest=${path(name)}`,
      folder,
    );
  await build('one');
  await build('two');
  assert.ok(readFileSync(path('one')).equals(readFileSync(path('two'))));
});

test('a failing step shows its log once more, and the command fails', { skip }, async () => {
  const folder = contextFolder(engine, 'failing', { Dockerfile: 'FROM busybox\nRUN echo so far; exit 7\n' });
  const { code, stderr } = await engine.slipway('build', folder);
  assert.equal(code, 1);
  assert.match(stderr, / > \[2\/2\] RUN echo so far; exit 7:\nso far\n/);
  assert.match(stderr, /did not complete successfully: exit code: 7/);
});

test('a secret reaches the step that mounts it, and no layer, record or log', { skip }, async () => {
  const value = 'hush-4e1f9a77-nobody-may-find-this';
  const file = join(engine.root, 'token');
  writeFileSync(file, value);
  const folder = contextFolder(engine, 'secret', {
    Dockerfile:
      'FROM busybox\nRUN --mount=type=secret,id=token wc -c < /run/secrets/token > /size\nCMD ["cat", "/size"]\n',
  });
  await mustSlipway('build', '--secret', `id=token,src=${file}`, '-t', 'secret', folder);
  assert.equal(await engine.mustDocker('run', '--rm', 'secret'), String(value.length));
  for (const path of filesBelow(engine.dataRoot)) {
    assert.ok(!readFileSync(path).includes(value), `${path} has the secret`);
  }
  assert.ok(!engine.log.includes(value));
});

function* filesBelow(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile() && existsSync(path) && statSync(path).size < 64 << 20) yield path;
  }
}

test('slipway build --check says what should be written otherwise, and builds nothing', {
  skip,
}, async () => {
  const folder = contextFolder(engine, 'check', {
    Dockerfile: 'from busybox AS Upper\nWORKDIR here\nRUN false\n',
  });
  const { code, stdout } = await engine.slipway('build', '--check', folder);
  assert.equal(code, 0);
  assert.match(stdout, /WARNING: StageNameCasing/);
});

test('of 20,000 files only the one that changed is sent, and what is gone here is gone there', {
  skip,
}, async () => {
  const folder = contextFolder(engine, 'large', {
    '.dockerignore': 'ignored*\n!ignored/kept\n',
    'ignored/kept': 'k',
    'ignored/not': 'n',
    Dockerfile:
      'FROM busybox\nCOPY . /all\nRUN find /all -type f | wc -l > /count\nCMD cat /count /all/d7/f7; ls /all/ignored; ls -l /all | grep -c "^l"; stat -c %h /all/hard\n',
  });
  for (let at = 0; at < 100; at++) {
    mkdirSync(join(folder, `d${at}`));
    for (let file = 0; file < 200; file++) writeFileSync(join(folder, `d${at}/f${file}`), 'x'.repeat(500));
  }
  symlinkSync('d7/f7', join(folder, 'link'));
  writeFileSync(join(folder, 'large'), Buffer.alloc(3 << 20, 1));
  linkSync(join(folder, 'large'), join(folder, 'hard'));
  const build = async () => {
    const result = await mustSlipway('build', '--progress', 'plain', '-t', 'large', folder);
    const sent = /transferring context: ([\d.]+\s?\w+)/g;
    return { sent: [...result.stderr.matchAll(sent)].at(-1)?.[1], ms: result.durationMs, log: result.stderr };
  };
  const first = await build();
  assert.match(first.sent ?? first.log, /^13(\.\d+)?MB$/);
  const all = 'x'.repeat(500);
  assert.equal(await engine.mustDocker('run', '--rm', 'large'), `20005\n${all}kept\n1\n2`);
  writeFileSync(join(folder, 'd7/f7'), 'changed\n');
  rmSync(join(folder, 'd8'), { recursive: true });
  const second = await build();
  assert.match(second.sent ?? second.log, /^8\s?B$/);
  assert.equal(await engine.mustDocker('run', '--rm', 'large'), '19805\nchanged\nkept\n1\n2');
  const third = await build();
  assert.match(third.log, /COPY \. \/all\n(?:.*\n)*?#\d+ CACHED/);
  assert.ok(third.ms < 3_000, `nothing changed, and it took ${third.ms} ms`);
});

test('a file of the context that cannot be read is named', { skip }, async () => {
  const folder = contextFolder(engine, 'vanishes', { Dockerfile: 'FROM busybox\nCOPY . /all\n' });
  mkdirSync(join(folder, 'folder'));
  const result = await engine.slipway('build', '-f', join(folder, 'folder'), folder);
  assert.match(result.stderr, /folder is a folder: name the file/);
  const missing = await engine.slipway('build', '-f', join(folder, 'nothing'), folder);
  assert.match(missing.stderr, /Cannot locate specified Dockerfile: nothing/);
});

test('slipway build takes a Dockerfile from standard input, beside a folder or alone', { skip }, async () => {
  const folder = contextFolder(engine, 'app', APP);
  const command = [join(checkoutRoot, 'script/slipway'), '-H', `unix://${engine.socketPath}`, 'build'];
  const beside = await engine.run([...command, '-f', '-', folder], {
    input: 'FROM busybox\nCOPY part /\nRUN cat /part\n',
  });
  assert.match(beside.stderr, / made$/m);
  const alone = await engine.run([...command, '-'], { input: 'FROM busybox\nRUN echo alone\n' });
  assert.match(alone.stderr, / alone$/m);
});

test('builds are in the history, and the cache in builder du', { skip }, async () => {
  const history = (await mustSlipway('builder', 'history', '--format', '{{.Name}} {{.Status}}')).stdout;
  assert.match(history, /^app:latest completed$/m);
  assert.match(history, /^build error$/m);
  assert.match((await mustSlipway('builder', 'du')).stdout, /RUN echo making/);
  assert.match((await mustSlipway('builder', 'prune', '-af')).stdout, /Total reclaimed space/);
  assert.doesNotMatch((await mustSlipway('builder', 'du')).stdout, /RUN echo making/);
});
