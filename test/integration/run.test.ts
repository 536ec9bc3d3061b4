import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { onDockerd, useEngine } from './harness/suite.ts';

const engine = await useEngine();
const { docker, mustDocker } = {
  docker: engine.docker.bind(engine),
  mustDocker: engine.mustDocker.bind(engine),
};
const sh = (script: string, ...flags: readonly string[]) =>
  docker('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);
const shText = async (script: string, ...flags: readonly string[]) => {
  const result = await sh(script, ...flags);
  assert.equal(result.code, 0, result.stderr);
  return result.text;
};

test('a container writes to both streams and ends with its own code', async () => {
  const result = await sh('echo out; echo err >&2; exit 3');
  assert.deepEqual([result.stdout, result.stderr, result.code], ['out\n', 'err\n', 3]);
});

test('a command that does not exist ends with 127, and the container is gone', async () => {
  const result = await docker('run', '--rm', 'busybox', 'nosuchcommand');
  assert.equal(result.code, 127, result.stderr);
  assert.match(result.stderr, /nosuchcommand/);
  assert.match(result.stderr, /executable file .*not found in \$PATH/);
  assert.equal(await mustDocker('ps', '-aq'), '');
});

test('a command that cannot be executed ends with 126', async () => {
  const result = await docker('run', '--rm', 'busybox', '/etc/passwd');
  assert.equal(result.code, 126, result.stderr);
  assert.match(result.stderr, /permission denied/i);
});

test('a flag that the engine refuses ends with 125', async () => {
  assert.equal((await docker('run', '--rm', '--network', 'nosuchnetwork', 'busybox')).code, 125);
  assert.equal((await docker('run', '--rm', '--name', 'not/valid', 'busybox')).code, 125);
});

test('a death by signal n ends with 128+n', async () => {
  assert.equal((await sh('kill -KILL $$', '--init')).code, 137);
  assert.equal((await sh('trap "exit 9" TERM; kill -TERM $$; sleep 1')).code, 9);
});

test('standard input reaches the container and its end too', async () => {
  const input = 'x'.repeat(300_000);
  const result = await engine.dockerWith({ input }, 'run', '--rm', '-i', 'busybox', 'wc', '-c');
  assert.equal(result.text, String(input.length));
});

test('a large output arrives whole and in order', async () => {
  const result = await sh('seq 1 200000');
  assert.equal(result.stdout.length, 1_288_895);
  assert.ok(result.stdout.endsWith('199999\n200000\n'));
});

test('a short container never loses its last bytes', async () => {
  for (let round = 0; round < 25; round++)
    assert.equal(await shText(`echo ${round}; echo end`), `${round}\nend`);
});

test('what an image says is what runs: command, environment, folder, user', async () => {
  await mustDocker('run', '--name', 'base', 'busybox', 'true');
  const archive = join(engine.root, 'base.tar');
  await mustDocker('export', '-o', archive, 'base');
  await mustDocker('rm', 'base');
  const changes = [
    'ENV GREETING=hello',
    'WORKDIR /srv/app',
    'USER some',
    'ENTRYPOINT ["sh","-c"]',
    'CMD ["echo $GREETING; pwd; id -un"]',
  ];
  await mustDocker('import', ...changes.flatMap((change) => ['--change', change]), archive, 'told:1');
  assert.equal(await mustDocker('run', '--rm', 'told:1'), 'hello\n/srv/app\nsome');
  assert.equal(await mustDocker('run', '--rm', '--entrypoint', 'echo', 'told:1', 'own'), 'own');
});

test('environment: given, from the client, from a file, and HOSTNAME, HOME and PATH by themselves', async () => {
  const file = join(engine.root, 'env');
  writeFileSync(file, '# comment\nFROM_FILE=f\n');
  const result = await engine.dockerWith(
    { env: { FROM_CLIENT: 'c' } },
    ...['run', '--rm', '-h', 'box', '-e', 'A=b c', '-e', 'FROM_CLIENT', '--env-file', file, 'busybox', 'env'],
  );
  const lines = result.text.split('\n');
  for (const line of ['A=b c', 'FROM_CLIENT=c', 'FROM_FILE=f', 'HOSTNAME=box', 'HOME=/root']) {
    assert.ok(lines.includes(line), `${line} in\n${result.text}`);
  }
  assert.match(result.text, /^PATH=.*\/bin/m);
});

test('a working folder that does not exist is made', async () => {
  assert.equal(await shText('pwd', '-w', '/new/deep/folder'), '/new/deep/folder');
});

test('the hostname is the short id, or what was asked for', async () => {
  const name = await shText('hostname');
  assert.match(name, /^[0-9a-f]{12}$/);
  assert.equal(await shText('hostname; grep -c chosen /etc/hosts', '--hostname', 'chosen'), 'chosen\n1');
});

test('users: by name, number, with a group, with further groups', async () => {
  assert.equal(await shText('id -u; id -g; id -G', '-u', 'some'), '1000\n1001\n1001 2000');
  assert.equal(await shText('id -u; id -g', '-u', '1000'), '1000\n1001');
  assert.equal(await shText('id -u; id -g', '-u', '77:88'), '77\n88');
  assert.equal(await shText('id -u; id -g', '-u', 'some:daemon'), '1000\n1');
  assert.match(await shText('id -G', '--group-add', 'extra', '--group-add', '4242'), /\b2000 4242\b/);
  const unknown = await sh('true', '-u', 'nosuchuser');
  assert.match(unknown.stderr, /unable to find user nosuchuser: no matching entries in passwd file/);
  assert.ok(unknown.code === 126 || unknown.code === 125, `code ${unknown.code}`);
});

test('capabilities: dockers default set, dropped, added, all', async () => {
  const caps = (...flags: readonly string[]) => shText('grep CapEff /proc/self/status | cut -f2', ...flags);
  assert.equal(await caps(), '00000000a80425fb');
  assert.equal(await caps('--cap-drop', 'ALL'), '0000000000000000');
  assert.equal(await caps('--cap-drop', 'all', '--cap-add', 'NET_BIND_SERVICE'), '0000000000000400');
  assert.equal(await caps('--cap-add', 'SYS_ADMIN'), '00000000a82425fb');
  assert.equal(await caps('-u', '1000'), '0000000000000000');
});

test('a container is confined: seccomp on, proc masked, sys read-only, no host devices', async () => {
  assert.equal(await shText('grep Seccomp: /proc/self/status | cut -f2'), '2');
  assert.equal(await shText('cat /proc/timer_list /proc/keys 2>/dev/null | wc -c'), '0');
  assert.notEqual((await sh('echo 1 > /proc/sys/kernel/panic')).code, 0);
  assert.notEqual((await sh('echo 1 > /sys/kernel/profiling')).code, 0);
  assert.notEqual((await sh('mount -t tmpfs t /tmp')).code, 0);
  assert.notEqual((await sh('unshare -m true')).code, 0);
  assert.equal(await shText('ls /dev/vda /dev/sda 2>/dev/null | wc -l'), '0');
});

// runc 1.1 under dockerd fails where the host withholds a capability; Slipway gives what there is.
test('--privileged lifts the confinement', { skip: onDockerd }, async () => {
  assert.equal(await shText('grep Seccomp: /proc/self/status | cut -f2', '--privileged'), '0');
  assert.equal(await shText('mount -t tmpfs t /tmp && echo mounted', '--privileged'), 'mounted');
  assert.equal(await shText('test -w /proc/sys/kernel/panic && echo w', '--privileged'), 'w');
});

test('seccomp can be taken off, and privileges can be frozen', async () => {
  assert.equal(
    await shText('grep Seccomp: /proc/self/status | cut -f2', '--security-opt', 'seccomp=unconfined'),
    '0',
  );
  assert.equal(
    await shText('grep NoNewPrivs /proc/self/status | cut -f2', '--security-opt', 'no-new-privileges'),
    '1',
  );
});

test('--read-only leaves only what is mounted writable', async () => {
  const result = await sh(
    'touch /file || echo refused; touch /dev/shm/x /scratch/y && echo fine',
    '--read-only',
    '--tmpfs',
    '/scratch',
  );
  assert.equal(result.text, 'refused\nfine');
});

test('--tmpfs and --shm-size give memory of the size asked for', async () => {
  const text = await shText(
    'mount | grep -E " /(scratch|dev/shm) "',
    ...['--tmpfs', '/scratch:size=3m,mode=1770', '--shm-size', '5m'],
  );
  assert.match(text, /\/scratch type tmpfs .*size=3072k,mode=1770/);
  assert.match(text, /\/dev\/shm type tmpfs .*size=5120k/);
});

test('--init puts an init in front that reaps', async () => {
  const text = await shText(
    'cat /proc/1/comm; (sleep 0.1 &) ; sleep 0.4; ps | grep -c "[d]efunct\\|Z"',
    '--init',
  ).catch((error: Error) => error.message);
  assert.match(text, /tini|docker-init/);
});

test('--add-host, --dns and the files that name hosts', async () => {
  const hosts = await shText('cat /etc/hosts', '--add-host', 'db:10.1.2.3', '--hostname', 'web');
  assert.match(hosts, /^127\.0\.0\.1\s+localhost$/m);
  assert.match(hosts, /^10\.1\.2\.3\s+db$/m);
  assert.match(hosts, /^\d+\.\d+\.\d+\.\d+\s+web$/m);
  const resolv = await shText(
    'cat /etc/resolv.conf',
    ...['--dns', '192.0.2.53', '--dns-search', 'example.org', '--dns-option', 'ndots:2'],
  );
  assert.match(resolv, /^nameserver 192\.0\.2\.53$/m);
  assert.match(resolv, /^search example\.org$/m);
  assert.match(resolv, /^options ndots:2$/m);
});

test('--sysctl and --ulimit are set inside', async () => {
  assert.equal(
    await shText(
      'cat /proc/sys/net/ipv4/ip_unprivileged_port_start',
      '--sysctl',
      'net.ipv4.ip_unprivileged_port_start=81',
    ),
    '81',
  );
  assert.equal(await shText('ulimit -n', '--ulimit', 'nofile=123:456'), '123');
});

test('--device brings a device in, with the rights asked for', async () => {
  const text = await shText(
    'ls -l /dev/mine; head -c 4 /dev/mine | wc -c',
    '--device',
    '/dev/zero:/dev/mine:r',
  );
  assert.match(text, /^c.* 1,\s+5 .*\/dev\/mine\n4$/);
});

test('binds: read-write, read-only, a file, a source that is not there yet, --mount', async () => {
  const folder = join(engine.root, 'bind');
  mkdirSync(folder);
  writeFileSync(join(folder, 'file'), 'from the host\n');
  assert.equal(await shText('cat /b/file; echo new > /b/made', '-v', `${folder}:/b`), 'from the host');
  assert.equal(readFileSync(join(folder, 'made'), 'utf8'), 'new\n');
  assert.notEqual((await sh('touch /b/x', '-v', `${folder}:/b:ro`)).code, 0);
  assert.equal(await shText('cat /one', '-v', `${folder}/file:/one:ro`), 'from the host');
  await shText('true', '-v', `${folder}/absent:/b`);
  assert.ok(existsSync(join(folder, 'absent')));
  const refused = await sh('true', '--mount', `type=bind,source=${folder}/never,target=/b`);
  assert.equal(refused.code, 125);
  assert.match(refused.stderr, /bind source path does not exist/);
  assert.equal(
    await shText('cat /m/file', '--mount', `type=bind,source=${folder},target=/m,readonly`),
    'from the host',
  );
});

test('pid, ipc and uts namespaces: own, the hosts, another containers', async () => {
  assert.equal(await shText('echo $$'), '1');
  await mustDocker('run', '-d', '--name', 'target', '--ipc', 'shareable', 'busybox', 'sleep', '600');
  assert.match(await shText('ps', '--pid', 'container:target'), /sleep 600/);
  const ipcOf = (text: string) => /ipc:\[\d+\]/.exec(text)?.[0];
  const target = ipcOf(await mustDocker('exec', 'target', 'readlink', '/proc/self/ns/ipc'));
  assert.equal(ipcOf(await shText('readlink /proc/self/ns/ipc', '--ipc', 'container:target')), target);
  const script = 'for name in ipc uts pid; do readlink /proc/self/ns/$name; done';
  const host = await engine.run(['sh', '-c', script]);
  assert.equal(await shText(script, '--ipc', 'host', '--uts', 'host', '--pid', 'host'), host.text);
  await mustDocker('rm', '-f', 'target');
});

test('--cidfile, --label and --name are kept', async () => {
  const file = join(engine.root, 'cid');
  await mustDocker('run', '-d', '--cidfile', file, '--name', 'named', '-l', 'a=b', 'busybox', 'true');
  const inspected = await engine.inspect('named');
  assert.equal(inspected.Id, readFileSync(file, 'utf8'));
  assert.equal(inspected.Config.Labels.a, 'b');
  await mustDocker('rm', '-f', 'named');
});

test('--rm removes the container and its anonymous volumes', async () => {
  await mustDocker('run', '--rm', '-v', '/data', 'busybox', 'touch', '/data/x');
  assert.equal(await mustDocker('volume', 'ls', '-q'), '');
  assert.equal(
    await mustDocker('ps', '-aq', '--filter', 'ancestor=busybox', '--filter', 'status=running'),
    '',
  );
});

test('twenty containers at once all run', async () => {
  const results = await Promise.all(Array.from({ length: 20 }, (_, index) => shText(`echo ${index}`)));
  assert.deepEqual(
    results,
    Array.from({ length: 20 }, (_, index) => String(index)),
  );
});

test('the default runtime is said in info, and crun and runc both work', { skip: onDockerd }, async () => {
  for (const runtime of ['crun', 'runc']) {
    assert.equal(await shText('echo works', '--runtime', runtime), 'works');
  }
  const unknown = await sh('true', '--runtime', 'nosuchruntime');
  assert.equal(unknown.code, 125);
  assert.match(unknown.stderr, /nosuchruntime/);
});
