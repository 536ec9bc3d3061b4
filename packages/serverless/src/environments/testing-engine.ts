/** What tests and measurements of this slice stand on: a whole engine of their own, and real functions in it. */
import { execFileSync } from 'node:child_process';
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { hostPath, type Logger, silentLogger, systemClock, systemRandom } from '@slipway/base';
import { ContainerService } from '@slipway/engine/containers';
import { EventBus } from '@slipway/engine/events';
import { ImageService } from '@slipway/engine/images';
import { openNetworkService } from '@slipway/engine/networks';
import { openVolumes } from '@slipway/engine/volumes';
import { openNetworks } from '@slipway/network';
import { openRuntime } from '@slipway/runtime';
import { openStore } from '@slipway/store';
import type { FunctionVersion } from '../functions/index.ts';
import type { LogEvent, LogWriter } from '../logs/index.ts';
import type { Compute } from './compute/compute.ts';
import { LocalCompute } from './compute/local-compute.ts';
import { TemporaryDisks } from './compute/temporary-disks.ts';
import type { Invocation } from './environment.ts';
import { findRuntime, type RuntimeDefinition } from './runtimes/runtime.ts';
import { EnvironmentService } from './service.ts';

const CHECKOUT = join(import.meta.dirname, '../../../..');
const SHIM = join(CHECKOUT, 'native/shim');
/** Images of runtimes take half a minute to make: they are kept here between runs. */
const IMAGE_CACHE = join(CHECKOUT, '.cache/images');

/** Logs in memory. */
export class MemoryLog implements LogWriter {
  readonly streams = new Map<string, LogEvent[]>();

  append(group: string, stream: string, events: readonly LogEvent[]): void {
    const key = `${group} ${stream}`;
    const known = this.streams.get(key) ?? [];
    known.push(...events);
    this.streams.set(key, known);
  }

  /** All that was written to a stream. */
  text(stream: string): string {
    for (const [key, events] of this.streams) {
      if (key.endsWith(` ${stream}`)) return events.map(({ message }) => message).join('');
    }
    return '';
  }
}

export interface FunctionsBench extends AsyncDisposable {
  readonly root: string;
  readonly environments: EnvironmentService;
  readonly containers: ContainerService;
  readonly compute: Compute;
  readonly log: MemoryLog;
  /** A function of these files. */
  define(
    files: Readonly<Record<string, string>>,
    given?: Partial<FunctionVersion> & { runtime?: string },
  ): FunctionVersion;
  /** A folder of files, as a layer is. */
  folder(files: Readonly<Record<string, string>>): ReturnType<typeof hostPath>;
}

/** @param runtimes whose images are to be there */
export async function openFunctionsBench(
  name: string,
  runtimes: readonly string[],
  {
    logger = silentLogger,
    diskProgram = join(SHIM, 'build/slipway-shim'),
  }: {
    readonly logger?: Logger;
    /** In the shim's place where it makes disks. */
    readonly diskProgram?: string;
  } = {},
): Promise<FunctionsBench> {
  execFileSync(join(SHIM, 'build.sh'), { stdio: 'ignore' });
  await using stack = new AsyncDisposableStack();
  const root = mkdtempSync(`/tmp/slipway-${name}-`);
  stack.defer(() => rmSync(root, { recursive: true, force: true }));
  const short = systemRandom.hex(3);
  const cgroupParent = `/slipway-test-${short}`;
  stack.defer(() => removeCgroups(cgroupParent));
  const common = { clock: systemClock, random: systemRandom, logger };
  const store = stack.use(await openStore({ root: join(root, 'data'), ...common }));
  const runtime = stack.use(
    await openRuntime({
      runRoot: hostPath(join(root, 'run')),
      shimPath: join(SHIM, 'build/slipway-shim'),
      runtimes: {},
      quickenCgroups: true,
      clock: systemClock,
      logger,
    }),
  );
  const bridgeName = `swt${short}`;
  const networking = stack.use(
    await openNetworks({
      runRoot: join(root, 'run/net'),
      tableName: `slipway_${bridgeName}`,
      bridgeName,
      prepared: 1,
      ...common,
    }),
  );
  const events = new EventBus(systemClock);
  const { database, snapshots } = store;
  const images = new ImageService({
    store,
    events,
    clock: systemClock,
    logger,
    scratchRoot: hostPath(join(root, 'scratch')),
  });
  const volumes = await openVolumes({
    database,
    root: hostPath(join(root, 'data/volumes')),
    events,
    clock: systemClock,
    random: systemRandom,
  });
  const networks = await openNetworkService({
    database,
    networks: networking,
    events,
    ...common,
    config: { bridgeName, bridgeAddress: undefined },
  });
  const containers = stack.use(
    await ContainerService.open({
      database,
      ...common,
      events,
      images,
      volumes,
      networks,
      networking,
      runtime,
      snapshots,
      config: {
        root: hostPath(join(root, 'data/containers')),
        runRoot: hostPath(join(root, 'run/b')),
        placeholderRoot: hostPath(join(root, 'run/placeholders')),
        initPath: '/usr/bin/tini-static',
        cgroupParent,
        cgroupVersion: existsSync('/sys/fs/cgroup/cgroup.controllers') ? 2 : 1,
        dns: [],
        dnsSearch: [],
        dnsOptions: [],
        logMaxSizeBytes: undefined,
        logMaxFiles: 1,
      },
    }),
  );
  const log = new MemoryLog();
  const shimPath = hostPath(join(SHIM, 'build/slipway-shim'));
  const disks = new TemporaryDisks({
    root: hostPath(join(root, 'data/disks')),
    shimPath: hostPath(diskProgram),
    clock: systemClock,
    logger,
  });
  const compute = new LocalCompute({ containers, networks, networking, runtime, disks });
  const environments = stack.use(
    await EnvironmentService.open({
      ...common,
      compute,
      images,
      writer: log,
      shimPath,
      scratchRoot: hostPath(join(root, 'scratch')),
    }),
  );
  for (const each of runtimes) await bringImage(images, environments, findRuntime(each) as RuntimeDefinition);
  let count = 0;
  const folder = (files: Readonly<Record<string, string>>) => {
    const path = join(root, `code-${++count}`);
    for (const [file, text] of Object.entries({ ...files })) {
      mkdirSync(dirname(join(path, file)), { recursive: true });
      writeFileSync(join(path, file), text, { mode: 0o755 });
    }
    return hostPath(path);
  };
  const owned = stack.move();
  return {
    root,
    environments,
    containers,
    compute,
    log,
    folder,
    define: (files, { runtime: runtimeName = 'nodejs22.x', ...given } = {}) =>
      version(`fn${++count}`, {
        code: {
          packageType: 'Zip',
          runtime: runtimeName,
          folder: folder(files),
          sha256: '',
          sizeBytes: 0,
        },
        ...given,
      }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function bringImage(
  images: ImageService,
  environments: EnvironmentService,
  runtime: RuntimeDefinition,
): Promise<void> {
  const signal = new AbortController().signal;
  const path = join(IMAGE_CACHE, `${runtime.image.replace(/\W/g, '-')}.tar`);
  if (existsSync(path)) {
    for await (const _ of images.load(createReadStream(path), { quiet: true, signal }));
    if (await environments.isRuntimeReady(runtime.name)) return;
  }
  await environments.prepareRuntime(runtime.name, { signal });
  mkdirSync(IMAGE_CACHE, { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  await pipeline(Readable.from(images.save([runtime.image])), createWriteStream(unfinished));
  await rename(unfinished, path);
}

/** A version of a function with Lambda's defaults. */
export function version(
  name: string,
  given: Partial<FunctionVersion> & Pick<FunctionVersion, 'code'>,
): FunctionVersion {
  return {
    name,
    version: '$LATEST',
    functionArn: `arn:aws:lambda:eu-central-1:000000000000:function:${name}`,
    accountId: '000000000000',
    region: 'eu-central-1',
    revisionId: '1',
    handler: 'index.handler',
    memoryMb: 256,
    timeoutMs: 3_000,
    ephemeralStorageMb: 512,
    variables: {},
    layers: [],
    network: 'outbound',
    isolation: undefined,
    logging: { group: `/aws/lambda/${name}`, format: 'Text', applicationLevel: 'INFO', systemLevel: 'INFO' },
    sourceFolder: undefined,
    ...given,
  };
}

/** An invocation of a function with this event. */
export function invocation(event: unknown, given: Partial<Invocation> = {}): Invocation {
  const hex = systemRandom.hex(16);
  return {
    requestId: hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
    payload: Buffer.from(JSON.stringify(event)),
    invokedArn: 'arn:aws:lambda:eu-central-1:000000000000:function:f',
    traceId: undefined,
    clientContext: undefined,
    sink: undefined,
    isCold: false,
    ...given,
  };
}

function removeCgroups(parent: string): void {
  for (const controller of ['', ...readdirSync('/sys/fs/cgroup')]) {
    const path = join('/sys/fs/cgroup', controller, parent);
    if (existsSync(path)) rmdirSync(path);
  }
}
