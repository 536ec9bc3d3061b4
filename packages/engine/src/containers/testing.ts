/** What the tests of this slice share: real containers on a busybox root file system, on the host's network. */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmdirSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import type { ContainerConfig, HostConfig } from '@slipway/api/docker';
import {
  containerId,
  hostPath,
  KeyedLock,
  newId,
  silentLogger,
  systemClock,
  systemRandom,
} from '@slipway/base';
import type { HijackedConnection } from '@slipway/http';
import type { Networks } from '@slipway/network';
import type { ChainId, ImageId } from '@slipway/oci';
import { openRuntime } from '@slipway/runtime';
import { openStore } from '@slipway/store';
import { EventBus } from '../events/index.ts';
import type { ImageService } from '../images/index.ts';
import type { NetworkService } from '../networks/index.ts';
import { openVolumes } from '../volumes/index.ts';
import type { Container, MountPoint } from './container.ts';
import type { ContainerContext } from './context.ts';
import { newContainer } from './live.ts';
import { ContainerRecords } from './records.ts';
import { ContainerRegistry } from './registry.ts';
import { PlaceholderLayers } from './run/placeholder-layer.ts';
import { startContainer } from './run/start.ts';
import { supervise } from './run/supervise.ts';
import { removeContainer } from './verbs/remove.ts';

const SHIM = join(import.meta.dirname, '../../../../native/shim');

export interface ContainerBench extends AsyncDisposable {
  readonly root: string;
  readonly context: ContainerContext;
  create(args: readonly string[], given?: GivenContainer): Promise<Container>;
  start(args: readonly string[], given?: GivenContainer): Promise<Container>;
}

export interface GivenContainer {
  readonly config?: Partial<ContainerConfig>;
  readonly host?: Partial<HostConfig>;
  readonly mounts?: readonly MountPoint[];
}

export async function openContainerBench(name: string): Promise<ContainerBench> {
  execFileSync(join(SHIM, 'build.sh'));
  const root = mkdtempSync(`/tmp/slipway-${name}-`);
  const common = { clock: systemClock, random: systemRandom, logger: silentLogger };
  const events = new EventBus(systemClock);
  const store = await openStore({ root: join(root, 'data'), ...common });
  const runtime = await openRuntime({
    runRoot: hostPath(join(root, 'run')),
    shimPath: join(SHIM, 'build/slipway-shim'),
    runtimes: {},
    quickenCgroups: false,
    clock: systemClock,
    logger: silentLogger,
  });
  const base = await store.snapshots.prepare('base-in-the-making', undefined);
  makeBusybox(base.upper as string);
  await store.snapshots.commit('base', 'base-in-the-making');
  const volumes = await openVolumes({
    database: store.database,
    root: hostPath(join(root, 'data/volumes')),
    events,
    clock: systemClock,
    random: systemRandom,
  });
  const context: ContainerContext = {
    ...common,
    events,
    // Containers on the host's network ask nothing of these.
    images: {} as ImageService,
    networks: {} as NetworkService,
    networking: { removeSandbox: async () => {} } as unknown as Networks,
    volumes,
    runtime,
    snapshots: store.snapshots,
    placeholders: new PlaceholderLayers(join(root, 'run/placeholders')),
    records: new ContainerRecords(store.database),
    registry: new ContainerRegistry(),
    locks: new KeyedLock(),
    supervisor: { watch: (container, task) => supervise(context, container, task) },
    config: {
      root: hostPath(join(root, 'data/containers')),
      runRoot: hostPath(join(root, 'run/b')),
      placeholderRoot: hostPath(join(root, 'run/placeholders')),
      initPath: '/usr/bin/tini-static',
      cgroupParent: `/slipway-test-${newId(systemRandom).slice(0, 8)}`,
      cgroupVersion: 1,
      dns: [],
      dnsSearch: [],
      dnsOptions: [],
      logMaxSizeBytes: undefined,
      logMaxFiles: 1,
    },
  };
  const create = async (args: readonly string[], { config, host, mounts }: GivenContainer = {}) => {
    const id = containerId(newId(systemRandom));
    const folder = hostPath(join(context.config.root, id));
    mkdirSync(folder, { recursive: true });
    await store.snapshots.prepare(id, 'base');
    const container = newContainer(context.config, {
      id,
      name: `c-${id.slice(0, 8)}`,
      createdAtNs: systemClock.nowNs(),
      imageReference: 'busybox',
      imageId: 'sha256:0' as ImageId,
      chainId: 'base' as ChainId,
      config: { ...config } as ContainerConfig,
      hostConfig: {
        NetworkMode: 'host',
        LogConfig: { Type: 'json-file', Config: {} },
        ...host,
      } as HostConfig,
      mounts: mounts ?? [],
      networks: new Map(),
      args,
    });
    context.records.insert(container);
    context.registry.add(container);
    return container;
  };
  return {
    root,
    context,
    create,
    async start(args, given) {
      const container = await create(args, given);
      await startContainer(context, container);
      return container;
    },
    async [Symbol.asyncDispose]() {
      for (const container of context.registry.list()) {
        await removeContainer(context, container, { force: true, removeVolumes: true });
      }
      await runtime.sweep(new Set());
      await runtime[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      rmSync(root, { recursive: true, force: true });
      for (const controller of ['', ...readdirSync('/sys/fs/cgroup')]) {
        const parent = join('/sys/fs/cgroup', controller, context.config.cgroupParent);
        if (existsSync(parent)) rmdirSync(parent);
      }
    },
  };
}

/** A client of a hijacked connection: what it sends is given, what it gets is kept. */
export class TestConnection implements HijackedConnection {
  readonly input: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
  readonly #chunks: Uint8Array[] = [];

  constructor(
    input: AsyncIterable<Uint8Array> | readonly string[] = [],
    signal = new AbortController().signal,
  ) {
    this.signal = signal;
    this.input =
      Symbol.asyncIterator in input
        ? input
        : (async function* () {
            for (const text of input) yield Buffer.from(text);
          })();
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#chunks.push(Uint8Array.from(bytes));
  }

  get received(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}

function makeBusybox(layer: string): void {
  for (const folder of ['bin', 'etc', 'tmp', 'proc', 'sys', 'dev', 'data']) {
    mkdirSync(join(layer, folder), { recursive: true });
  }
  copyFileSync('/bin/busybox', join(layer, 'bin/busybox'));
  const applets = execFileSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).trim().split('\n');
  for (const applet of applets) if (applet !== 'busybox') symlinkSync('busybox', join(layer, 'bin', applet));
}
