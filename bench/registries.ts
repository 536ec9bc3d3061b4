import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { eventually, runCommand } from '../test/integration/harness/command.ts';
import { peers } from '../test/integration/harness/peers.ts';
import type { Contender, Group } from './figure.ts';

/** A registry with the content that all of them have. */
export interface RegistryContender extends Contender {
  readonly blobUrl: string;
  readonly manifestUrl: string;
}

interface RunningRegistry extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
}

const BLOB_BYTES = 32 << 20;
const NAME = 'bench/app';

/** Slipway's registry and docker-registry, each with one image of one layer. */
export const startRegistries: Group<RegistryContender>['start'] = async ({ root, checkout, stack, say }) => {
  const layer = randomBytes(BLOB_BYTES);
  const contenders: RegistryContender[] = [];
  const add = async (name: string, version: string, registry: RunningRegistry): Promise<void> => {
    stack.use(registry);
    const urls = await pushContent(registry.url, layer);
    contenders.push({ name, version, daemonPid: registry.pid, ...urls });
  };
  await add('slipway', '', await startSlipway(checkout, join(root, 'slipway-registry')));
  if (peers.dockerRegistry === undefined) say('docker-registry is not installed: left out');
  else await add('docker-registry', '2.8', await startDockerRegistry(join(root, 'docker-registry')));
  return contenders;
};

async function startSlipway(checkout: string, root: string): Promise<RunningRegistry> {
  const port = await freePort();
  const roots = ['--data-root', join(root, 'data'), '--run-root', join(root, 'run')];
  const names = [
    '--socket',
    join(root, 's.sock'),
    '--bridge',
    'swbench-r',
    '--cgroup-parent',
    '/slipway-bench-r',
  ];
  const command = [join(checkout, 'script/slipwayd'), ...roots, ...names, '--port', `${port}`];
  return await startServer(command, root, port, async () => {
    await runCommand(['sh', '-c', 'ip link del swbench-r; nft delete table ip slipway_swbench_r; true']);
    await rm(root, { recursive: true, force: true });
  });
}

/** Debian's docker-registry on a free port; `storage` is kept. */
export async function startDockerRegistry(storage: string): Promise<RunningRegistry> {
  if (peers.dockerRegistry === undefined)
    throw new Error('docker-registry is missing; script/peers brings it');
  const port = await freePort();
  await mkdir(storage, { recursive: true });
  const config = {
    version: 0.1,
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(storage, 'data') }, cache: { blobdescriptor: 'inmemory' } },
    http: { addr: `127.0.0.1:${port}` },
  };
  // YAML holds JSON.
  await writeFile(join(storage, 'config.yml'), JSON.stringify(config));
  return await startServer([peers.dockerRegistry, 'serve', join(storage, 'config.yml')], storage, port);
}

async function startServer(
  command: readonly string[],
  root: string,
  port: number,
  cleanUp: () => Promise<void> = async () => {},
): Promise<RunningRegistry> {
  await mkdir(root, { recursive: true });
  const log = openSync(join(root, 'server.log'), 'a');
  const [program = '', ...args] = command;
  const child = spawn(program, args, { stdio: ['ignore', log, log] });
  closeSync(log);
  const url = `http://127.0.0.1:${port}`;
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
    await cleanUp();
  };
  try {
    await eventually(
      `${program} answers`,
      () =>
        fetch(`${url}/v2/`).then(
          ({ ok }) => ok,
          () => false,
        ),
      20_000,
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return { pid: child.pid as number, port, url, [Symbol.asyncDispose]: stop };
}

async function pushContent(
  url: string,
  layer: Buffer,
): Promise<Pick<RegistryContender, 'blobUrl' | 'manifestUrl'>> {
  const config = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [digestOf(layer)] },
    }),
  );
  for (const blob of [config, layer]) await pushBlob(url, blob);
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: describe('application/vnd.oci.image.config.v1+json', config),
    layers: [describe('application/vnd.oci.image.layer.v1.tar', layer)],
  });
  const headers = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' };
  await must(`${url}/v2/${NAME}/manifests/1`, { method: 'PUT', body: manifest, headers });
  return {
    blobUrl: `${url}/v2/${NAME}/blobs/${digestOf(layer)}`,
    manifestUrl: `${url}/v2/${NAME}/manifests/1`,
  };
}

async function pushBlob(url: string, blob: Buffer): Promise<void> {
  const started = await must(`${url}/v2/${NAME}/blobs/uploads/`, { method: 'POST' });
  const target = new URL(started.headers.get('location') ?? '', url);
  target.searchParams.set('digest', digestOf(blob));
  const headers = { 'content-type': 'application/octet-stream' };
  await must(target.href, { method: 'PUT', body: new Uint8Array(blob), headers });
}

async function must(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  if (!response.ok) throw new Error(`${init.method} ${url}: ${response.status} ${await response.text()}`);
  return response;
}

const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

const describe = (mediaType: string, bytes: Buffer) => ({
  mediaType,
  digest: digestOf(bytes),
  size: bytes.length,
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
