import { closeSync, constants, readdirSync } from 'node:fs';
import { createServer, type Server, Socket } from 'node:net';
import { availableParallelism } from 'node:os';
import type { Duplex } from 'node:stream';
import { type HostPath, SlipwayError } from '@slipway/base';
import type { ContainerSandbox, ContainerService } from '@slipway/engine/containers';
import type { NetworkService } from '@slipway/engine/networks';
import type { Networks } from '@slipway/network';
import {
  type GraftOptions,
  KERNEL_NETWORK,
  type MemoryPeak,
  type Runtime,
  type SpecMount,
} from '@slipway/runtime';
import { openInRoot } from '@slipway/store';
import {
  type CompleteOptions,
  type Compute,
  type FolderMount,
  type OutputSink,
  RUNTIME_API_PORT,
  type Sandbox,
  type SandboxRequest,
} from './compute.ts';
import type { TemporaryDisks } from './temporary-disks.ts';

/** The mark on every sandbox, by which left-over ones are known. */
export const SANDBOX_LABEL = 'slipway.sandbox';
/** Functions are on a network of their own: they reach out, not one another. */
export const FUNCTION_NETWORK = 'slipway-functions';

/** Most functions have so much; and where it is a tmpfs, the largest, which is made smaller later. */
const PREPARED_TMP_MB = { disk: 512, memory: 10_240 };

const TMP = '/tmp';
const MEBIBYTE = 1024 * 1024;
const MB_PER_CPU = 1_769;
/** Short, so that a small function that has used up its share waits for milliseconds and not for a tenth of a second. */
const CPU_PERIOD_US = 20_000;
const LEAST_CPU_QUOTA_US = 1_000;
const MAX_PROCESSES = 1_024;
const MAX_FILES = 1_024;
/** The runtime has one, an extension two or three. */
const MAX_CONNECTIONS = 64;
/** `sbx_user1051` of Lambda's own images. */
const USER = '993:990';

export interface LocalComputeOptions {
  readonly containers: ContainerService;
  readonly networks: NetworkService;
  readonly networking: Networks;
  readonly runtime: Pick<Runtime, 'runtimes' | 'defaultName'>;
  /** Of `/tmp`. */
  readonly disks: TemporaryDisks;
}

/** Sandboxes as containers of this engine. */
export class LocalCompute implements Compute {
  readonly #options: LocalComputeOptions;
  #network: Promise<unknown> | undefined;

  constructor(options: LocalComputeOptions) {
    this.#options = options;
  }

  canGraft(isolation: string | undefined): boolean {
    const { runtimes, defaultName } = this.#options.runtime;
    return /^(crun|runc)/.test(runtimes.get(isolation ?? defaultName)?.version ?? '');
  }

  async removeLeftOvers(): Promise<void> {
    await this.#options.containers.removeSandboxes(SANDBOX_LABEL);
  }

  async start(request: SandboxRequest): Promise<Sandbox> {
    const { containers, networking, disks } = this.#options;
    const diskMb = request.tmpMb ?? PREPARED_TMP_MB.disk;
    // Other runtimes may not see what is mounted in their root file system.
    const template = this.canGraft(request.isolation) ? await disks.template(diskMb) : undefined;
    if (request.network === 'outbound') await this.#ensureNetwork();
    let door: Server | undefined;
    try {
      const container = await containers.openSandbox({
        name: request.name,
        body: createBody(request, template === undefined),
        mounts: request.mounts.map(specMount),
        disks: template === undefined ? [] : [{ template, target: TMP }],
        output: attachSink(request.output),
        onNetwork: async (netnsPath) => {
          door = openDoor(await networking.listenInside(netnsPath, RUNTIME_API_PORT), request.onConnection);
        },
      });
      const tmp = template === undefined ? undefined : { disks, sizeMb: diskMb };
      return new LocalSandbox(container, networking, request.memoryMb, door, tmp);
    } catch (error) {
      door?.close();
      throw error;
    }
  }

  async #ensureNetwork(): Promise<void> {
    const { networks } = this.#options;
    if (networks.find(FUNCTION_NETWORK) !== undefined) return;
    this.#network ??= networks.create({
      Name: FUNCTION_NETWORK,
      Options: { 'com.docker.network.bridge.enable_icc': 'false' },
      Labels: { [SANDBOX_LABEL]: '' },
    });
    try {
      await this.#network;
    } finally {
      this.#network = undefined;
    }
  }
}

function openDoor(fd: number, onConnection: (connection: Duplex) => void): Server {
  const server = createServer({ noDelay: true }, onConnection);
  // A function may open as many files as it likes; the daemon may not.
  server.maxConnections = MAX_CONNECTIONS;
  // One that is lost has no client left who would notice.
  server.on('error', () => {});
  server.listen({ fd });
  server.unref();
  return server;
}

/** Names in a folder below a root, whatever symbolic links lead to; none when it is not there. */
function listInRoot(root: string, folder: string): readonly string[] {
  let fd: number;
  try {
    fd = openInRoot(root, folder, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch {
    return [];
  }
  try {
    return readdirSync(`/proc/self/fd/${fd}`);
  } finally {
    closeSync(fd);
  }
}

const attachSink = (output: OutputSink) => ({
  write: (chunk: { stream: 'stdout' | 'stderr'; bytes: Uint8Array }) => output.write(chunk),
  end: () => {},
});

function createBody(request: SandboxRequest, hasTmpInMemory: boolean) {
  const { entryPoint, command, workingDirectory, memoryMb, tmpMb = PREPARED_TMP_MB.memory } = request;
  const memory =
    memoryMb === undefined ? {} : { Memory: memoryMb * MEBIBYTE, MemorySwap: memoryMb * MEBIBYTE };
  return {
    Image: request.image,
    ...(entryPoint === undefined ? {} : { Entrypoint: [...entryPoint] }),
    ...(command === undefined ? {} : { Cmd: [...command] }),
    ...(workingDirectory === undefined ? {} : { WorkingDir: workingDirectory }),
    User: USER,
    Env: Object.entries(request.variables).map(([name, value]) => `${name}=${value}`),
    Labels: { ...request.labels, [SANDBOX_LABEL]: '' },
    HostConfig: {
      ...memory,
      NetworkMode: request.network === 'outbound' ? FUNCTION_NETWORK : 'none',
      ExtraHosts: ['sandbox.localdomain:127.0.0.1', 'sandbox:127.0.0.1'],
      ReadonlyRootfs: true,
      ...(hasTmpInMemory ? { Tmpfs: { [TMP]: `size=${tmpMb * MEBIBYTE},mode=1777,exec` } } : {}),
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      PidsLimit: MAX_PROCESSES,
      Ulimits: [{ Name: 'nofile', Soft: MAX_FILES, Hard: MAX_FILES }],
      // Lambda has no shared memory either.
      IpcMode: 'none',
      // Its own process reaps what a function leaves, and the function's is a process like any other.
      Init: true,
      LogConfig: { Type: 'none', Config: {} },
      // The Runtime API is a socket in its namespace.
      Annotations: { [KERNEL_NETWORK]: 'true' },
      ...(request.isolation === undefined ? {} : { Runtime: request.isolation }),
    },
  };
}

const specMount = ({ target, sources }: FolderMount): SpecMount => {
  const [only, ...others] = sources;
  const options = ['ro', 'nosuid', 'nodev'];
  return others.length === 0
    ? {
        destination: target,
        type: 'bind',
        source: only as string,
        options: ['rbind', 'rprivate', ...options],
      }
    : {
        destination: target,
        type: 'overlay',
        source: 'overlay',
        options: [`lowerdir=${sources.join(':')}`, ...options],
      };
};

/** The disk that is mounted at `/tmp`. */
interface TmpDisk {
  readonly disks: TemporaryDisks;
  readonly sizeMb: number;
}

class LocalSandbox implements Sandbox {
  readonly id: string;
  readonly exited;
  readonly #container: ContainerSandbox;
  readonly #networking: Networks;
  readonly #door: Server | undefined;
  readonly #peak: MemoryPeak;
  readonly #tmp: TmpDisk | undefined;
  #memoryMb: number | undefined;

  constructor(
    container: ContainerSandbox,
    networking: Networks,
    memoryMb: number | undefined,
    door: Server | undefined,
    tmp: TmpDisk | undefined,
  ) {
    this.id = container.id;
    this.exited = container.exited;
    this.#container = container;
    this.#networking = networking;
    this.#memoryMb = memoryMb;
    this.#door = door;
    this.#tmp = tmp;
    this.#peak = container.memoryPeak();
    void this.exited.then(() => {
      this.#peak[Symbol.dispose]();
      door?.close();
    });
  }

  async complete({ name, labels, mounts, tmpMb, memoryMb }: CompleteOptions): Promise<void> {
    this.#container.identify({ name: `${name}-${this.id.slice(0, 12)}`, labels });
    this.#memoryMb = memoryMb;
    this.#container.limit({ memoryBytes: memoryMb * MEBIBYTE });
    await this.#container.graft({ mounts, ...(await this.#resizeTmp(tmpMb)) });
  }

  /** A disk of another size takes the place of the one that is there; nothing of the function has run. */
  async #resizeTmp(sizeMb: number): Promise<Omit<GraftOptions, 'mounts'>> {
    if (this.#tmp === undefined) return { tmpSizeBytes: sizeMb * MEBIBYTE };
    if (this.#tmp.sizeMb === sizeMb) return {};
    const tmpTemplate = await this.#tmp.disks.template(sizeMb);
    if (tmpTemplate !== undefined) return { tmpTemplate };
    throw new SlipwayError('Unavailable', `there is no disk of ${sizeMb} MB for ${TMP}`);
  }

  limitCpu(limit: 'by-memory' | 'none'): void {
    const share = (this.#memoryMb ?? 0) / MB_PER_CPU;
    const isWhole = share === 0 || share >= availableParallelism();
    const quotaUs = Math.max(LEAST_CPU_QUOTA_US, Math.round(share * CPU_PERIOD_US));
    this.#container.limit({
      cpu: limit === 'none' || isWhole ? 'max' : { quotaUs, periodUs: CPU_PERIOD_US },
    });
  }

  kill(): Promise<void> {
    return this.#container.kill();
  }

  freeze(): Promise<void> {
    return this.#container.freeze();
  }

  thaw(): Promise<void> {
    return this.#container.thaw();
  }

  flush(): Promise<void> {
    return this.#container.flush();
  }

  memoryPeakBytes(): number {
    return this.#peak.readBytes();
  }

  resetMemoryPeak(): void {
    this.#peak.reset();
  }

  async connect(port: number): Promise<Duplex> {
    const fd = await this.#networking.connectInside(this.#container.netnsPath as HostPath, port);
    return new Socket({ fd, readable: true, writable: true });
  }

  async list(folder: string): Promise<readonly string[]> {
    return listInRoot(`/proc/${this.#container.pid}/root`, folder);
  }

  async exec(
    {
      args,
      variables,
    }: { readonly args: readonly string[]; readonly variables: Readonly<Record<string, string>> },
    output: OutputSink,
  ) {
    const env = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    return await this.#container.exec({ args, env }, attachSink(output));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#container[Symbol.asyncDispose]();
    this.#door?.close();
  }
}
