import assert from 'node:assert/strict';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { checkoutRoot } from '../architecture/source-files.ts';
import { type CommandResult, mustRun } from './harness/command.ts';
import { type DockerRegistry, startDockerRegistry } from './harness/docker-registry.ts';
import { findFreePort } from './harness/engine.ts';
import { busyboxArchive } from './harness/images.ts';
import { without } from './harness/peers.ts';
import { RegistryClients } from './harness/registry-clients.ts';
import { useEngine } from './harness/suite.ts';
import { Terminal } from './harness/terminal.ts';

const missing = without('dockerRegistry') || without('skopeo') || without('crane');
const LOGIN = { name: 'ada', password: 'of ada, long' };

const registry = missing ? undefined : await startDockerRegistry();
after(async () => await registry?.[Symbol.asyncDispose]());
const proxy = ['--registry-proxy', `cached=${registry?.url ?? 'http://127.0.0.1:1'}`];
const engine = await useEngine({ port: 'free', flags: proxy });
const clients = new RegistryClients(engine);
const must = clients.must.bind(clients);
const host = registry?.host ?? '';
const slipwayPath = join(checkoutRoot, 'script/slipway');

/** `slipway ARGS`; what it printed, and an error when it fails. */
async function slipway(...args: readonly string[]): Promise<string> {
  const { code, text, stderr } = await engine.slipway(...args);
  assert.equal(code, 0, `slipway ${args.join(' ')}: ${stderr}`);
  return text;
}

/** With something on standard input. */
const slipwayWith = (input: string, ...args: readonly string[]): Promise<CommandResult> =>
  engine.run([slipwayPath, ...args], { input });

const configDigest = async (name: string): Promise<string> =>
  JSON.parse(await must('crane', 'manifest', name)).config.digest;

/** Fills a registry with `busybox` in every form that is pulled below. */
async function fill(to: DockerRegistry): Promise<void> {
  const archive = `docker-archive:${await busyboxArchive()}`;
  const push = ['copy', '--dest-tls-verify=false'];
  for (const format of ['v2s2', 'oci']) {
    await must('skopeo', ...push, '--format', format, archive, `docker://${to.host}/${format}/gzip:1`);
  }
  const layout = `oci:${join(engine.root, 'zstd')}:1`;
  await must('skopeo', 'copy', '--dest-compress-format', 'zstd', archive, layout);
  await must('skopeo', ...push, '--preserve-digests', layout, `docker://${to.host}/oci/zstd:1`);

  const several = `${to.host}/several`;
  await writeFile(join(engine.root, 'second.txt'), 'of the second layer');
  await mustRun(['tar', '-C', engine.root, '-czf', join(engine.root, 'second.tgz'), 'second.txt']);
  const append = ['-f', join(engine.root, 'second.tgz'), '-t', `${several}:amd64`];
  await must('crane', 'append', '-b', `${to.host}/oci/gzip:1`, ...append);
  await must(
    'crane',
    'mutate',
    `${several}:amd64`,
    '--set-platform',
    'linux/arm64',
    '-t',
    `${several}:arm64`,
  );
  const manifests = ['-m', `${several}:amd64`, '-m', `${several}:arm64`];
  await must('crane', 'index', 'append', ...manifests, '-t', `${several}:multi`);
}

describe('pulls and pushes with docker-registry', { skip: missing }, () => {
  before(async () => {
    await mkdir(join(engine.root, 'docker-config'), { recursive: true });
    await writeFile(join(engine.root, 'docker-config/config.json'), '{}');
    await fill(registry as DockerRegistry);
  });

  for (const form of ['v2s2/gzip', 'oci/gzip', 'oci/zstd']) {
    test(`docker pulls ${form}, and slipway does`, async () => {
      const name = `${host}/${form}:1`;
      const printed = await must('docker', 'pull', name);
      assert.match(printed, /Status: Downloaded newer image/);
      assert.equal(await must('docker', 'inspect', '-f', '{{.Id}}', name), await configDigest(name));
      assert.equal(await must('docker', 'run', '--rm', name, 'cat', '/var/kept/file'), 'kept');
      await must('docker', 'rmi', name);
      assert.equal(await slipway('pull', '--quiet', name), name);
      assert.match(await slipway('pull', name), /Status: Image is up to date/);
      assert.equal(await must('docker', 'run', '--rm', name, 'cat', '/var/kept/file'), 'kept');
      await must('docker', 'rmi', name);
    });
  }

  test('an index gives what fits this machine, or the platform that is asked for', async () => {
    const name = `${host}/several:multi`;
    const architecture = () => must('docker', 'inspect', '-f', '{{.Architecture}}', name);
    await slipway('pull', '-q', '--platform', 'linux/arm64', name);
    assert.equal(await architecture(), 'arm64');
    await must('docker', 'pull', '--platform', 'linux/amd64', name);
    assert.equal(await architecture(), 'amd64');
    assert.equal(
      await must('docker', 'run', '--rm', '--platform', 'linux/amd64', name, 'cat', '/second.txt'),
      'of the second layer',
    );
    const none = await engine.slipway('pull', '--platform', 'linux/s390x', name);
    assert.match(none.stderr, /no match(ing manifest)? for (platform )?.*linux\/s390x/);
    await must('docker', 'rmi', name);
  });

  test('a digest pulls what it names, and the image is known by it', async () => {
    const digest = await must('crane', 'digest', `${host}/several:arm64`);
    const name = `${host}/several@${digest}`;
    await slipway('pull', '-q', name);
    assert.equal(await must('docker', 'inspect', '-f', '{{index .RepoDigests 0}}', name), name);
    await must('docker', 'pull', '-q', name);
    await must('docker', 'rmi', name);
  });

  test('all tags are pulled with -a, by slipway and by docker', async () => {
    const tags = async () =>
      (await must('docker', 'images', '--format', '{{.Tag}}', `${host}/several`)).split('\n').sort();
    for (const pull of [
      () => slipway('pull', '-a', `${host}/several`),
      () => must('docker', 'pull', '-a', `${host}/several`),
    ]) {
      await pull();
      assert.deepEqual(await tags(), ['amd64', 'arm64', 'multi']);
      for (const tag of await tags()) await must('docker', 'rmi', `${host}/several:${tag}`);
    }
    const refused = await engine.slipway('pull', '-a', `${host}/several:multi`);
    assert.match(refused.stderr, /tag can't be used with --all-tags/);
  });

  test('what is pushed is there for others, and is not sent twice', async () => {
    const name = `${host}/pushed/app`;
    for (const tag of ['1', '2']) await slipway('tag', 'busybox', `${name}:${tag}`);
    assert.match(await slipway('push', `${name}:1`), /: Pushed\n(.*\n)*1: digest: sha256:/);
    assert.match(await must('docker', 'push', `${name}:1`), /Layer already exists/);
    await slipway('push', '-q', '-a', name);
    assert.deepEqual((await must('crane', 'ls', name)).split('\n').sort(), ['1', '2']);
    await must('crane', 'validate', '--remote', `${name}:2`);
    const elsewhere = `${host}/pushed/elsewhere:1`;
    await slipway('tag', 'busybox', elsewhere);
    assert.match(await slipway('push', elsewhere), /Mounted from|Layer already exists/);
    assert.match((await engine.slipway('push', `${host}/pushed/none:1`)).stderr, /does not exist locally/);
  });

  test('one name is made for images of several platforms, without either in the engine', async () => {
    const target = `${host}/several:made`;
    const printed = await slipway(
      'manifest',
      'create',
      target,
      `${host}/several:amd64`,
      `${host}/several:arm64`,
    );
    assert.match(printed, /^linux\/amd64 sha256:[0-9a-f]{64}\nlinux\/arm64 sha256:/);
    assert.equal(
      await must('crane', 'digest', '--platform', 'linux/arm64', target),
      await must('crane', 'digest', `${host}/several:arm64`),
    );
    const remote = JSON.parse(await slipway('image', 'inspect', '--remote', target));
    assert.deepEqual(
      remote[0].platforms.map(({ architecture }: { architecture: string }) => architecture),
      ['amd64', 'arm64'],
    );
    assert.equal(remote[0].descriptor.digest, await must('crane', 'digest', target));
    const arm = ['--platform', 'linux/arm64', '-f', '{{.config.architecture}}', target];
    assert.equal(await slipway('image', 'inspect', '--remote', ...arm), 'arm64');
    assert.match(await slipway('search', `${host}/sever`), new RegExp(`^${host}/several `, 'm'));
    assert.match(await must('docker', 'search', `${host}/sever`), new RegExp(`^${host}/several `, 'm'));
  });

  test('what is not there is named, and so is a registry that is not', async () => {
    const noTag = await engine.slipway('pull', `${host}/several:none`);
    assert.match(noTag.stderr, new RegExp(`manifest for ${host}/several:none not found`));
    const noName = await engine.docker('pull', `${host}/nothing:1`);
    assert.match(noName.stderr, new RegExp(`${host}/nothing`));
    const nobody = `127.0.0.1:${await findFreePort()}`;
    const { code, stderr } = await engine.slipway('pull', `${nobody}/app:1`);
    assert.deepEqual(
      [code, stderr.includes(nobody), /ECONNREFUSED|refused/.test(stderr)],
      [1, true, true],
      stderr,
    );
  });

  test('a cache serves what the registry behind it has, and keeps it', async () => {
    const cache = `127.0.0.1:${engine.port}/cached`;
    assert.equal(
      await must('crane', 'digest', `${cache}/several:multi`),
      await must('crane', 'digest', `${host}/several:multi`),
    );
    await must('crane', 'validate', '--remote', `${cache}/oci/gzip:1`);
    await must('docker', 'pull', '-q', `${cache}/several:amd64`);
    const listed = await slipway('registry', 'ls', '--format', '{{.Name}} {{.Upstream}}');
    assert.match(listed, new RegExp(`^cached/several ${registry?.url}`, 'm'));
    await must('docker', 'rmi', `${cache}/several:amd64`);
  });
});

describe('a registry that asks for a login', { skip: missing }, () => {
  let guarded: DockerRegistry;
  let name: string;

  before(async () => {
    guarded = await startDockerRegistry({ login: LOGIN });
    name = `${guarded.host}/app:1`;
    await slipway('tag', 'busybox', name);
  });
  after(async () => await guarded?.[Symbol.asyncDispose]());

  const config = async () =>
    JSON.parse(await readFile(join(engine.root, 'docker-config/config.json'), 'utf8'));

  test('without a login nothing goes, and the error says what to do', async () => {
    assert.match(
      (await engine.slipway('push', name)).stderr,
      /push access denied|no basic auth|authentication required/,
    );
    assert.match((await engine.slipway('pull', name)).stderr, /docker login/);
    const wrong = await slipwayWith('not it', 'login', '-u', LOGIN.name, '--password-stdin', guarded.host);
    assert.deepEqual([wrong.code, /unauthorized|401/i.test(wrong.stderr)], [1, true], wrong.stderr);
    assert.ok(!wrong.stderr.includes('not it'), 'the password is not repeated');
    assert.ok(!(guarded.host in ((await config()).auths ?? {})), 'what was refused is not kept');
  });

  test('what slipway has logged in to docker may use, and the other way round', async () => {
    const login = ['login', '-u', LOGIN.name, '--password-stdin', guarded.host];
    const done = await slipwayWith(`${LOGIN.password}\n`, ...login);
    assert.deepEqual([done.code, done.text], [0, 'Login Succeeded'], done.stderr);
    const file = join(engine.root, 'docker-config/config.json');
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    await must('docker', 'push', name);
    assert.match(await slipway('logout', guarded.host), /Removing login credentials/);
    assert.equal((await engine.docker('pull', name)).code, 1);
    assert.equal((await engine.dockerWith({ input: LOGIN.password }, ...login)).code, 0);
    await slipway('pull', '-q', name);
    assert.match(await slipway('login', guarded.host), /Login Succeeded/);
    await must('docker', 'logout', guarded.host);
    assert.match(await slipway('logout', guarded.host), /Not logged in/);
  });

  test('a terminal is asked for name and password, and does not show the password', async () => {
    await using terminal = new Terminal([slipwayPath, 'login', guarded.host], engine.env);
    await terminal.waitFor('Username: ');
    terminal.type(`${LOGIN.name}\r`);
    await terminal.waitFor('Password: ');
    terminal.type(`wrong\x15${LOGIN.password}x\x7f\r`);
    await terminal.waitFor('Login Succeeded');
    assert.equal(await terminal.exited, 0);
    assert.ok(!terminal.output.includes(LOGIN.password));
    await slipway('pull', '-q', name);
    await slipway('logout', guarded.host);
  });

  test('a login that docker-credential programs keep is used', async () => {
    const programs = join(engine.root, 'programs');
    await mkdir(programs);
    const box = join(programs, 'docker-credential-box');
    const answer = JSON.stringify({ ServerURL: guarded.host, Username: LOGIN.name, Secret: LOGIN.password });
    await writeFile(box, `#!/bin/sh\ncat >/dev/null\n[ "$1" = get ] && echo '${answer}'\n`, { mode: 0o755 });
    const folder = join(engine.root, 'with-program');
    await mkdir(folder);
    await writeFile(join(folder, 'config.json'), JSON.stringify({ credHelpers: { [guarded.host]: 'box' } }));
    const env = { DOCKER_CONFIG: folder, PATH: `${programs}:${process.env['PATH']}` };
    const pulled = await engine.run([slipwayPath, 'pull', '-q', name], { env });
    assert.equal(pulled.code, 0, pulled.stderr);
  });
});
