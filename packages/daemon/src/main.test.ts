import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);
const SLIPWAYD = new URL('../../../script/slipwayd', import.meta.url).pathname;
const DOCKER_CLIENTS = ['/usr/local/bin/docker', '/usr/bin/docker'].filter(existsSync);

interface Running {
  readonly child: ChildProcess;
  readonly socketPath: string;
  readonly docker: (client: string, ...args: string[]) => Promise<string>;
}

interface Roots {
  readonly folder: string;
  readonly flags: string[];
  readonly children: ChildProcess[];
}

/** Roots of one test, with a bridge of its own. Afterwards its daemons are stopped, and then nothing of them is left. */
function rootsOf(t: TestContext): Roots {
  const folder = mkdtempSync(join(tmpdir(), 'slipwayd-'));
  const bridge = `sw${process.pid.toString(36)}${Math.trunc(performance.now()).toString(36)}`.slice(0, 15);
  const children: ChildProcess[] = [];
  t.after(async () => {
    for (const child of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    await run('ip', ['link', 'delete', bridge]).catch(() => {});
    await run('nft', ['delete', 'table', 'ip', `slipway_${bridge}`]).catch(() => {});
    rmSync(folder, { recursive: true, force: true });
  });
  const roots = ['--data-root', join(folder, 'data'), '--run-root', join(folder, 'run')];
  const flags = [...roots, '--bridge', bridge, '--port', '0'];
  return { folder, flags, children };
}

async function start({ folder, flags, children }: Roots): Promise<Running> {
  const child = spawn(SLIPWAYD, flags, { stdio: ['ignore', 'ignore', 'pipe'] });
  children.push(child);
  let log = '';
  const ready = Promise.withResolvers<void>();
  child.stderr?.setEncoding('utf8').on('data', (chunk) => {
    log += String(chunk);
    if (log.includes('"msg":"ready"')) ready.resolve();
  });
  child.once('exit', (code) => ready.reject(new Error(`slipwayd ended with ${code}: ${log}`)));
  await ready.promise;
  const socketPath = join(folder, 'run', 'docker.sock');
  return {
    child,
    socketPath,
    docker: async (client, ...args) =>
      (await run(client, args, { env: { ...process.env, DOCKER_HOST: `unix://${socketPath}` } })).stdout,
  };
}

async function fails(flags: string[]): Promise<{ code: number | null; stderr: string }> {
  const child = spawn(SLIPWAYD, flags, { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr?.on('data', (chunk) => {
    stderr += String(chunk);
  });
  await once(child, 'close');
  return { code: child.exitCode, stderr };
}

test('docker’s own clients read version, info, events and disk usage', async (t) => {
  const daemon = await start(rootsOf(t));
  for (const client of DOCKER_CLIENTS) {
    assert.match(
      await daemon.docker(client, 'version'),
      /Server: Slipway[\s\S]*API version:\s+1\.51 \(minimum version 1\.24\)/,
    );
    assert.equal(
      await daemon.docker(client, 'info', '--format', '{{.Driver}} {{.OSType}} {{.CgroupDriver}}'),
      'overlay2 linux cgroupfs\n',
    );
    await daemon.docker(client, 'volume', 'create', 'seen');
    const events = await daemon.docker(
      client,
      'events',
      '--since',
      '1',
      '--until',
      String(Date.now() / 1000),
      '--format',
      '{{json .}}',
    );
    assert.match(events, /"Type":"volume","Action":"create"/);
    await daemon.docker(client, 'volume', 'rm', 'seen');
    assert.match(await daemon.docker(client, 'system', 'df'), /Local Volumes/);
  }
});

test('a stopped daemon leaves no socket and ends with 0', async (t) => {
  const daemon = await start(rootsOf(t));
  daemon.child.kill('SIGTERM');
  const [code] = (await once(daemon.child, 'exit')) as [number];
  assert.equal(code, 0);
  assert.ok(!existsSync(daemon.socketPath));
});

test('after kill -9 the next daemon starts on what the first one left', async (t) => {
  const roots = rootsOf(t);
  const first = await start(roots);
  await first.docker(DOCKER_CLIENTS[0] ?? 'docker', 'volume', 'create', 'kept');
  first.child.kill('SIGKILL');
  await once(first.child, 'exit');
  assert.ok(existsSync(first.socketPath));
  const second = await start(roots);
  assert.match(await second.docker(DOCKER_CLIENTS[0] ?? 'docker', 'volume', 'ls', '-q'), /kept/);
});

test('two daemons cannot share a root, and the second one is told of the first', async (t) => {
  const roots = rootsOf(t);
  const first = await start(roots);
  const { code, stderr } = await fails([
    ...roots.flags.slice(0, 2),
    '--run-root',
    join(roots.folder, 'other'),
  ]);
  assert.equal(code, 1);
  assert.match(
    stderr,
    new RegExp(`^slipwayd: cannot start: another slipwayd \\(pid ${first.child.pid}\\) uses`),
  );
  assert.equal(stderr.trim().split('\n').length, 1);
});

/** Has a port; any, or one that another program may have already. */
async function holdPort(t: TestContext, wanted = 0): Promise<number> {
  const holder = createServer();
  holder.listen(wanted, '127.0.0.1');
  await Promise.race([once(holder, 'listening'), once(holder, 'error')]).catch(() => {});
  t.after(() => holder.close());
  return (holder.address() as AddressInfo | null)?.port ?? wanted;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

test('a port that was asked for and is taken ends the start with one line that names it', async (t) => {
  const port = await holdPort(t);
  const { code, stderr } = await fails([...rootsOf(t).flags, '--port', String(port)]);
  assert.equal(code, 1);
  assert.match(
    stderr.trim().split('\n').at(-1) ?? '',
    new RegExp(`cannot start: another program has the port 127.0.0.1:${port}; .*--port`),
  );
});

test('a default port that is taken is done without', async (t) => {
  await holdPort(t, 4566);
  const roots = rootsOf(t);
  const daemon = await start({ ...roots, flags: roots.flags.slice(0, -2) });
  assert.match(await daemon.docker(DOCKER_CLIENTS[0] ?? 'docker', 'version'), /Server: Slipway/);
});

test('the registry answers on its port, and asks who it is once there are accounts', async (t) => {
  const port = await freePort();
  const roots = rootsOf(t);
  const daemon = await start({ ...roots, flags: [...roots.flags, '--port', String(port)] });
  const registry = `http://127.0.0.1:${port}/v2/`;
  assert.equal((await fetch(registry)).status, 200);
  const page = await fetch(`${registry}x/blobs/uploads/`, {
    method: 'POST',
    headers: { origin: 'http://evil.example' },
  });
  assert.equal(page.status, 403, 'a web page must not push');
  const own = await fetch(registry, { headers: { origin: `http://localhost:${port}` } });
  assert.equal(own.status, 200);
  const byName = async (host: string) =>
    (await run('curl', ['-s', '-o', '/dev/null', '-w', '%{http_code}', '-H', `Host: ${host}`, registry]))
      .stdout;
  assert.equal(await byName(`registry.localhost:${port}`), '200');
  assert.equal(await byName('rebound.example'), '403', 'a name that leads here by trickery must not read');
  const account = JSON.stringify({ name: 'ada', password: 'correct horse', isAdmin: true });
  const json = ['-H', 'Content-Type: application/json', '-d', account];
  await run('curl', ['-sf', '--unix-socket', daemon.socketPath, ...json, 'http://d/slipway/accounts']);
  const refused = await fetch(registry);
  assert.equal(refused.status, 401);
  assert.match(
    refused.headers.get('www-authenticate') ?? '',
    new RegExp(`^Bearer realm="http://127.0.0.1:${port}/token",service="slipway"`),
  );
  const authorization = `Basic ${btoa('ada:correct horse')}`;
  assert.equal((await fetch(registry, { headers: { authorization } })).status, 200);
  assert.equal(await byName('registry.example'), '401', 'with accounts the port may have any name');
});

test('a command line that is wrong ends with 2 and one line that says what to do', async () => {
  assert.deepEqual(await fails(['--dataroot', '/x']), {
    code: 2,
    stderr: 'slipwayd: unknown option --dataroot; did you mean --data-root?\n',
  });
});

test('--version and --help answer without touching anything', async () => {
  assert.match((await run(SLIPWAYD, ['--version'])).stdout, /^slipwayd \d+\.\d+\.\d+/);
  assert.match((await run(SLIPWAYD, ['--help'])).stdout, /^Usage: slipwayd/);
});

test('systemd is told when the daemon is ready', async (t) => {
  const roots = rootsOf(t);
  const notifyPath = join(roots.folder, 'notify');
  const listener = spawn(
    'python3',
    [
      '-c',
      'import socket,sys\ns=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM);s.bind(sys.argv[1]);print("bound",flush=True);print(s.recv(99).decode())',
      notifyPath,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let heard = '';
  const closed = once(listener, 'close');
  listener.stdout?.on('data', (chunk) => {
    heard += String(chunk);
  });
  while (!heard.includes('bound')) await new Promise((resolve) => setImmediate(resolve));
  process.env.NOTIFY_SOCKET = notifyPath;
  t.after(() => delete process.env.NOTIFY_SOCKET);
  await start(roots);
  await closed;
  assert.match(heard, /READY=1/);
});
