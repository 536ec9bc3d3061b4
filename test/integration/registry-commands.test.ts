import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { checkoutRoot } from '../architecture/source-files.ts';
import type { CommandResult } from './harness/command.ts';
import { useEngine } from './harness/suite.ts';
import { Terminal } from './harness/terminal.ts';

const engine = await useEngine({ port: 'free' });
const host = `127.0.0.1:${engine.port}`;
const slipwayPath = join(checkoutRoot, 'script/slipway');

async function slipway(...args: readonly string[]): Promise<string> {
  const { code, text, stderr } = await engine.slipway(...args);
  assert.equal(code, 0, `slipway ${args.join(' ')}: ${stderr}`);
  return text;
}

const slipwayWith = (input: string, ...args: readonly string[]): Promise<CommandResult> =>
  engine.run([slipwayPath, ...args], { input });

async function push(name: string, image = 'busybox'): Promise<void> {
  await slipway('tag', image, `${host}/${name}`);
  await slipway('push', '-q', `${host}/${name}`);
}

/** `busybox` with something more in it: another image. */
async function changedImage(tag: string): Promise<string> {
  await slipway('run', '--name', tag, 'busybox', 'sh', '-c', `echo ${tag} > /changed`);
  const archive = join(engine.root, `${tag}.tar`);
  await slipway('export', '-o', archive, tag);
  await slipway('rm', tag);
  await slipway('import', archive, `${tag}:1`);
  return `${tag}:1`;
}

describe('the keeping of the registry', () => {
  before(async () => {
    await push('team/app:1');
    await push('team/app:2');
    await push('other:1');
  });

  test('what it holds is listed, with tags, sizes and platforms', async () => {
    assert.deepEqual((await slipway('registry', 'ls', '-q')).split('\n').sort(), ['other', 'team/app']);
    assert.match(
      await slipway('registry', 'inspect', 'team/app'),
      /^1,2 +[0-9a-f]{12} +image +linux\/\w+ +[\d.]+MB /m,
    );
    assert.match(await slipway('registry', 'status'), /^Repositories: 2\nManifests: 2\n/);
    assert.equal(await slipway('registry', 'status', '-f', '{{.isReadOnly}}'), 'false');
    const unknown = await engine.slipway('registry', 'inspect', 'none');
    assert.deepEqual([unknown.code, /none/.test(unknown.stderr)], [1, true]);
  });

  test('an immutable tag stays what it is, and another can be pushed', async () => {
    const changed = await changedImage('mutant');
    assert.match(
      await slipway('registry', 'settings', 'team/app', '--immutable-tags'),
      /^Immutable tags: true$/m,
    );
    await slipway('tag', changed, `${host}/team/app:1`);
    const { code, stderr } = await engine.slipway('push', '-q', `${host}/team/app:1`);
    assert.deepEqual([code, /immutable/i.test(stderr)], [1, true], stderr);
    await push('team/app:3', changed);
    await slipway('registry', 'settings', 'team/app', '--immutable-tags=false');
    await push('team/app:1', changed);
  });

  test('a repository can be made before the first push, with what holds for it', async () => {
    const made = await slipway('registry', 'create', '--quota', '1k', '--immutable-tags', 'made/app');
    assert.equal(made, 'made/app');
    const again = await engine.slipway('registry', 'create', 'made/app');
    assert.deepEqual([again.code, /made\/app is there already/.test(again.stderr)], [1, true], again.stderr);
    assert.match(await slipway('registry', 'settings', 'made/app'), /^Immutable tags: true\nQuota: 1KiB$/m);
    await slipway('registry', 'rm', 'made/app');
  });

  test('a tag, a manifest and a repository are removed by their names', async () => {
    await push('gone:1');
    await push('gone:2');
    const digest = /^1,2 +(sha256:\w+) /m.exec(
      await slipway('registry', 'inspect', '--no-trunc', 'gone'),
    )?.[1];
    assert.equal(await slipway('registry', 'rm', 'gone:1'), 'gone:1');
    assert.match(await slipway('registry', 'inspect', 'gone'), /^2 /m);
    const unknown = await engine.slipway('registry', 'rm', 'gone:1');
    assert.deepEqual(
      [unknown.code, /manifest 1 .*not found/.test(unknown.stderr)],
      [1, true],
      unknown.stderr,
    );
    await slipway('registry', 'rm', `gone@${digest}`);
    assert.doesNotMatch(await slipway('registry', 'inspect', 'gone'), /image/);
    await slipway('registry', 'rm', 'gone');
  });

  test('a quota refuses what goes beyond it, and none lifts it', async () => {
    const settings = await slipway('registry', 'settings', 'small', '--quota', '1k').catch(String);
    assert.match(settings, /small/, 'a repository that is not there has no settings');
    await push('small:1');
    assert.match(await slipway('registry', 'settings', 'small', '--quota', '1k'), /^Quota: 1KiB$/m);
    const changed = await changedImage('bigger');
    await slipway('tag', changed, `${host}/small:2`);
    const { code, stderr } = await engine.slipway('push', '-q', `${host}/small:2`);
    assert.deepEqual([code, /quota/i.test(stderr)], [1, true], stderr);
    assert.match(await slipway('registry', 'settings', 'small', '--quota', 'none'), /^Quota: none$/m);
    await push('small:2', changed);
    await slipway('registry', 'rm', '--force', 'small');
  });

  test('a webhook is told of a push, signed', async () => {
    const told = Promise.withResolvers<{ readonly body: string; readonly signature: unknown }>();
    const server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      response.end();
      told.resolve({ body, signature: request.headers['x-slipway-signature'] });
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/pushed`;
      const add = ['registry', 'webhooks', 'add', '--repositories', 'hooked/*', '--secret-stdin', url];
      const added = await slipwayWith('a secret\n', ...add);
      assert.equal(added.code, 0, added.stderr);
      await push('unhooked:1');
      await push('hooked/app:1');
      const { body, signature } = await told.promise;
      assert.match(body, /hooked\/app/);
      assert.ok(typeof signature === 'string' && signature.length >= 64);
      assert.match(
        await slipway('registry', 'webhooks', 'ls'),
        new RegExp(`${added.text} +${url} +hooked/\\* +true`),
      );
      await slipway('registry', 'webhooks', 'rm', added.text);
      assert.equal((await slipway('registry', 'webhooks', 'ls')).split('\n').length, 1);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  test('a repository goes only by force while it holds images, and collection frees its room', async () => {
    const image = await changedImage('doomed');
    await push('doomed:1', image);
    await slipway('rmi', `${host}/doomed:1`, image);
    assert.match((await engine.slipway('registry', 'rm', 'doomed')).stderr, /force/);
    const before = Number(await slipway('registry', 'status', '-f', '{{.blobs}}'));
    assert.equal(await slipway('registry', 'rm', '--force', 'doomed'), 'doomed');
    assert.match(await slipway('registry', 'gc', '--grace', '0s'), /^Total reclaimed space: [1-9]/m);
    assert.ok(Number(await slipway('registry', 'status', '-f', '{{.blobs}}')) < before);
    await slipway('pull', '-q', `${host}/team/app:2`);
  });

  test('an image is exported as a list of what it holds', async () => {
    const spdx = JSON.parse(await slipway('image', 'sbom', 'busybox'));
    assert.match(spdx.spdxVersion, /^SPDX-2/);
    const file = join(engine.root, 'app.cdx.json');
    await slipway('image', 'sbom', '--format', 'cyclonedx-json', '-o', file, 'busybox');
    const { default: cyclonedx } = await import(file, { with: { type: 'json' } });
    assert.equal(cyclonedx.bomFormat, 'CycloneDX');
  });

  test('a terminal shows the layers of a push with their ids, and its end', async () => {
    await push('terminal/app:1', await changedImage('shown'));
    await slipway('rmi', `${host}/terminal/app:1`, 'shown:1');
    await using terminal = new Terminal([slipwayPath, 'pull', `${host}/terminal/app:1`], engine.env);
    assert.equal(await terminal.exited, 0);
    assert.match(terminal.output, /[0-9a-f]{12}: Pull complete/);
    assert.match(terminal.output, new RegExp(`${host}/terminal/app:1\\r\\n$`));
  });
});

// From here on the port asks for a login.
describe('the accounts of the registry', () => {
  const PASSWORD = 'a password, long';
  const LOGIN = ['login', '--password-stdin', '-u'];

  before(async () => {
    const add = ['registry', 'users', 'add', '--password-stdin'];
    const all = [
      [...add, '--admin', 'ada'],
      [...add, '--grant', 'team/*:pull,push', '--grant', 'other:pull', 'ci'],
    ];
    for (const args of all) {
      const { code, stderr } = await slipwayWith(PASSWORD, ...args);
      assert.equal(code, 0, stderr);
    }
  });

  test('an account may do what its grants say, and no more', async () => {
    assert.match(await slipway('registry', 'users', 'ls'), /^ci +false +team\/\*:pull,push other:pull /m);
    assert.equal((await engine.slipway('pull', `${host}/other:1`)).code, 1, 'nobody has logged in');
    assert.equal((await slipwayWith(PASSWORD, ...LOGIN, 'ci', host)).code, 0);
    await slipway('pull', '-q', `${host}/other:1`);
    await push('team/app:4');
    const denied = await engine.slipway('push', `${host}/other:1`);
    assert.deepEqual([denied.code, /denied/.test(denied.stderr)], [1, true], denied.stderr);
    const search = async (term: string) =>
      await slipway('search', '--format', '{{.Name}}', `${host}/${term}`);
    assert.deepEqual([await search('team'), await search('hooked')], [`${host}/team/app`, '']);
  });

  test('what an account may do changes at once, and so does its password', async () => {
    await slipway('registry', 'users', 'update', '--grant', 'other:pull', 'ci');
    assert.equal((await engine.slipway('pull', `${host}/team/app:4`)).code, 1);
    const changed = await slipwayWith(
      'another one, long',
      'registry',
      'users',
      'update',
      '--password-stdin',
      'ci',
    );
    assert.equal(changed.code, 0, changed.stderr);
    assert.equal((await slipwayWith(PASSWORD, ...LOGIN, 'ci', host)).code, 1);
    assert.equal((await slipwayWith('another one, long', ...LOGIN, 'ci', host)).code, 0);
    await slipway('pull', '-q', `${host}/other:1`);
  });

  test('a password is asked for twice on a terminal', async () => {
    await using terminal = new Terminal([slipwayPath, 'registry', 'users', 'add', 'eve'], engine.env);
    await terminal.waitFor('Password: ');
    terminal.type('of eve, long\r');
    await terminal.waitFor('The same again: ');
    terminal.type('of eve, other\r');
    assert.equal(await terminal.exited, 1);
    assert.match(terminal.output, /differ/);
    assert.ok(!(await slipway('registry', 'users', 'ls', '-q')).includes('eve'));
  });

  test('an access key is shown once, listed by its id, and removed', async () => {
    const made = await slipway('registry', 'users', 'key', 'ci');
    const id = /^AWS_ACCESS_KEY_ID=(\w+)\nAWS_SECRET_ACCESS_KEY=\S{20,}$/.exec(made)?.[1] ?? '';
    assert.equal(await slipway('registry', 'users', 'key', '--list', 'ci'), id);
    await slipway('registry', 'users', 'key', '--remove', id, 'ci');
    assert.equal(await slipway('registry', 'users', 'key', '--list', 'ci'), '');
  });

  test('nothing of a password or a secret is in the daemon’s log', async () => {
    await slipway('registry', 'users', 'rm', 'ci');
    assert.ok(
      !engine.log.includes(PASSWORD) &&
        !engine.log.includes('another one, long') &&
        !engine.log.includes('a secret'),
    );
  });
});
