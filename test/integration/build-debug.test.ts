import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { checkoutRoot } from '../architecture/source-files.ts';
import { contextFolder, usePlugins } from './harness/build.ts';
import { without } from './harness/peers.ts';
import { onDockerd, useEngine } from './harness/suite.ts';
import { Terminal } from './harness/terminal.ts';

const skip = onDockerd;
let prune = async () => {};
after(() => prune());
const engine = await useEngine();
usePlugins(engine);
prune = async () => void (await engine.slipway('builder', 'prune', '-af'));

const DOCKERFILE = `FROM busybox
RUN echo 'app:x:1234:1234::/src:/bin/sh' >> /etc/passwd && mkdir /src && chown app /src
ENV MODE=strict
WORKDIR /src
USER app
RUN --mount=type=bind,target=/context --mount=type=secret,id=token echo halfway > state; exit 3
`;

const folder = () => contextFolder(engine, 'failing', { Dockerfile: DOCKERFILE, sent: 'by the client\n' });

test('what a failed step left is looked into with a command, and goes when it is left', {
  skip,
}, async () => {
  const failed = await engine.slipway('build', folder());
  assert.equal(failed.code, 1);
  const id =
    /To look into it: slipway builder debug (\w+)/.exec(failed.stderr)?.[1] ?? assert.fail(failed.stderr);
  const du = await engine.slipway('builder', 'du');
  assert.match(du.stdout, new RegExp(`${id} .*failed: \\[4/4\\] RUN`));
  const look = 'cat state; echo $MODE; pwd; whoami; touch state && echo mine; exit 6';
  const seen = await engine.slipway('builder', 'debug', '--keep', id, 'sh', '-c', look);
  assert.deepEqual([seen.stdout, seen.stderr, seen.code], ['halfway\nstrict\n/src\napp\nmine\n', '', 6]);
  writeFileSync(join(engine.root, 'token'), 'hunter2');
  const secret = ['--secret', `id=token,src=${join(engine.root, 'token')}`];
  const withSecret = await engine.slipway('builder', 'debug', ...secret, id, 'cat', '/run/secrets/token');
  assert.match(withSecret.stderr, /can't open|Permission denied/, 'the secret is not for this user');
  const gone = await engine.slipway('builder', 'debug', id, 'true');
  assert.equal(gone.code, 1);
  assert.match(gone.stderr, new RegExp(`no failed step ${id}`));
});

test('slipway build --debug opens a shell in the failed step, on a terminal', { skip }, async () => {
  const command = [join(checkoutRoot, 'script/slipway'), '-H', `unix://${engine.socketPath}`];
  await using terminal = new Terminal([...command, 'build', '--debug', folder()], engine.env);
  await terminal.waitFor('In the failed step');
  terminal.type('cat state /context/sent; tty; stty size\r');
  await terminal.waitFor('halfway');
  await terminal.waitFor('/dev/pts/0');
  terminal.type('exit 0\r');
  assert.equal(await terminal.exited, 1);
  assert.deepEqual((await engine.api({ path: '/slipway/failed-steps' })).json, []);
});

test('without a terminal the shell reads what it is given', { skip }, async () => {
  const slipway = [join(checkoutRoot, 'script/slipway'), '-H', `unix://${engine.socketPath}`];
  const result = await engine.run([...slipway, 'build', '--debug', folder()], {
    input: 'cat state; whoami\n',
  });
  assert.equal(result.code, 1);
  assert.equal(result.stdout, 'halfway\napp\n');
});

test("builds of docker's clients leave it too, and a client that goes ends its command", {
  skip: skip || without('buildx'),
}, async () => {
  assert.equal((await engine.docker('build', folder())).code, 1);
  const classic = await engine.run(
    [
      'docker',
      'build',
      contextFolder(engine, 'plain', { Dockerfile: 'FROM busybox\nRUN echo x > /x; false\n' }),
    ],
    {
      env: { DOCKER_BUILDKIT: '0' },
    },
  );
  assert.equal(classic.code, 1);
  assert.equal((await engine.slipway('builder', 'debug', '--keep')).code, 0);
  const steps = (await engine.api({ path: '/slipway/failed-steps' })).json as { id: string; title: string }[];
  assert.deepEqual(
    steps.map(({ title }) => title.slice(0, 9)),
    ['[2/2] RUN', '[4/4] RUN'],
  );
  const slipway = [join(checkoutRoot, 'script/slipway'), '-H', `unix://${engine.socketPath}`];
  const hanging = new Terminal([...slipway, 'builder', 'debug', steps[1]?.id as string], engine.env);
  await hanging.waitFor('$ ');
  await hanging[Symbol.asyncDispose]();
  await engine.slipway('builder', 'prune', '-af');
  await engine.slipway('builder', 'prune', '-af');
  assert.deepEqual((await engine.api({ path: '/slipway/failed-steps' })).json, []);
});
