import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { contextFolder, usePlugins } from './harness/build.ts';
import { eventually, mustRun, RunningCommand } from './harness/command.ts';
import { debianArchive, TOOLCHAINS } from './harness/images.ts';
import { peers, without } from './harness/peers.ts';
import { onDockerd, useEngine } from './harness/suite.ts';

const skip = onDockerd;
let prune = async () => {};
after(() => prune());
const engine = await useEngine();
usePlugins(engine);
const keys = join(engine.root, 'keys');
const agentSocket = join(keys, 'agent');
let agent: RunningCommand | undefined;
let host = '';
prune = async () => {
  await agent?.[Symbol.asyncDispose]();
  rmSync(keys, { recursive: true, force: true });
  await engine.docker('rm', '-f', 'git-server');
  const images = (await engine.mustDocker('images', '-aq')).split('\n').filter(Boolean);
  await engine.docker('rmi', '-f', ...images);
  await engine.slipway('builder', 'prune', '-af');
};

/** A repository behind sshd, in a container; a real agent here with the only key that it takes. */
const SERVER = `
set -e
useradd -m -s /usr/bin/git-shell git && mkdir -p ~git/.ssh /run/sshd && cp /keys/id.pub ~git/.ssh/authorized_keys
chown -R git ~git && chmod 700 ~git/.ssh && chmod 600 ~git/.ssh/authorized_keys && usermod -p '*' git
git init -q -b main /tmp/work && cd /tmp/work
printf 'only for those with the key\\n' > file
printf 'FROM busybox\\nCOPY file /file\\nCMD cat /file\\n' > Dockerfile
git add . && git -c user.name=t -c user.email=t@t commit -q -m one
git clone -q --bare /tmp/work /srv/repo.git && chown -R git /srv/repo.git
exec /usr/sbin/sshd -D -e
`;

before(async () => {
  if (onDockerd) return;
  await engine.mustDocker('load', '-i', await debianArchive(TOOLCHAINS.tag, TOOLCHAINS.packages));
  mkdirSync(keys, { mode: 0o700 });
  await mustRun(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', join(keys, 'id')]);
  agent = new RunningCommand(['ssh-agent', '-D', '-a', agentSocket]);
  await eventually('the agent has the key', async () => {
    const added = await engine.run(['ssh-add', '-q', join(keys, 'id')], {
      env: { SSH_AUTH_SOCK: agentSocket },
    });
    return added.code === 0;
  });
  rmSync(join(keys, 'id'));
  await engine.mustDocker(
    'run',
    '-d',
    '--name',
    'git-server',
    '-v',
    `${keys}:/keys:ro`,
    TOOLCHAINS.tag,
    'sh',
    '-c',
    SERVER,
  );
  host = await engine.mustDocker('inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'git-server');
  await eventually('sshd listens', async () =>
    (await engine.mustDocker('exec', 'git-server', 'sh', '-c', 'cat /proc/net/tcp')).includes(':0016 '),
  );
});

const dockerfile = () => `FROM ${TOOLCHAINS.tag} AS clone
ARG HOST
ENV GIT_SSH_COMMAND="ssh -o StrictHostKeyChecking=accept-new -o BatchMode=yes"
RUN --mount=type=ssh ssh-add -l > /fingerprints && git clone -q git@$HOST:/srv/repo.git /src
RUN test -z "$SSH_AUTH_SOCK" && ! ls /run/buildkit/ssh_agent.0
FROM busybox
COPY --from=clone /src/file /fingerprints /
CMD cat /file
`;

/** A build with an agent, by any client. */
async function builds(
  name: string,
  run: (
    args: readonly string[],
    env: Record<string, string>,
  ) => Promise<{ code: number | null; stderr: string }>,
) {
  const folder = contextFolder(engine, name, { Dockerfile: dockerfile() });
  const args = ['--build-arg', `HOST=${host}`, '-t', name, folder];
  const without = await run(['--no-cache', ...args], { SSH_AUTH_SOCK: agentSocket });
  assert.notEqual(without.code, 0, 'it needs the agent');
  const built = await run(['--no-cache', '--ssh', 'default', ...args], { SSH_AUTH_SOCK: agentSocket });
  assert.equal(built.code, 0, built.stderr);
  assert.equal(await engine.mustDocker('run', '--rm', name), 'only for those with the key');
}

test('slipway build reaches the ssh agent, and git clones with its key', { skip }, async () => {
  await builds('ssh-slipway', (args, env) =>
    engine.run([join(import.meta.dirname, '../../script/slipway'), 'build', ...args], { env }),
  );
});

test('a named agent, and what is no agent', { skip }, async () => {
  const folder = contextFolder(engine, 'ssh-named', {
    Dockerfile: `FROM ${TOOLCHAINS.tag}\nRUN --mount=type=ssh,id=work,required ssh-add -l\n`,
  });
  const named = await engine.slipway('build', '--ssh', `work=${agentSocket}`, folder);
  assert.equal(named.code, 0, named.stderr);
  assert.match(named.stderr, /SHA256:/);
  const other = await engine.slipway('build', '--no-cache', '--ssh', `other=${agentSocket}`, folder);
  assert.match(other.stderr, /ssh agent work: not found; give one with --ssh work/);
  const file = await engine.slipway('build', '--ssh', `work=${join(keys, 'id.pub')}`, folder);
  assert.match(file.stderr, /is no agent's socket; add a key to an agent with ssh-add/);
});

test("docker build with buildx and docker CLI 20.10's own client reach it too", {
  skip: skip || without('buildx') || without('oldDocker'),
}, async () => {
  await builds('ssh-buildx', (args, env) => engine.run(['docker', 'build', ...args], { env }));
  await builds('ssh-old', (args, env) =>
    engine.run([peers.oldDocker ?? 'docker', 'build', ...args], { env: { ...env, DOCKER_BUILDKIT: '1' } }),
  );
});

test('a context, and what ADD takes, come from a repository that only the agent opens', {
  skip: skip || without('buildx'),
}, async () => {
  const address = `ssh://git@${host}/srv/repo.git#main`;
  const env = { SSH_AUTH_SOCK: agentSocket };
  const slipway = join(import.meta.dirname, '../../script/slipway');
  const context = await engine.run([slipway, 'build', '--ssh', 'default', '-t', 'from-git', address], {
    env,
  });
  assert.equal(context.code, 0, context.stderr);
  assert.equal(await engine.mustDocker('run', '--rm', 'from-git'), 'only for those with the key');
  const folder = contextFolder(engine, 'ssh-add', {
    Dockerfile: `FROM busybox\nADD ${address} /src\nCMD cat /src/file\n`,
  });
  for (const [tag, command] of [
    ['added', [slipway, 'build']],
    ['added-buildx', ['docker', 'build']],
  ] as const) {
    const added = await engine.run([...command, '--ssh', 'default', '--no-cache', '-t', tag, folder], {
      env,
    });
    assert.equal(added.code, 0, added.stderr);
    assert.equal(await engine.mustDocker('run', '--rm', tag), 'only for those with the key');
  }
});
