import { closeSync, existsSync, readlinkSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import {
  type Clock,
  type HostPath,
  hostPath,
  isErrno,
  KeyedLock,
  newId,
  type Random,
  SlipwayError,
} from '@slipway/base';
import { type Database, openInRoot } from '@slipway/store';
import type { EventBus } from '../events/index.ts';
import { copyUp } from './copy-up.ts';
import { VolumeFolders } from './folders.ts';
import { ownMount, requireVolumeOptions } from './mount-options.ts';
import { requireVolumeName } from './names.ts';
import { VolumeRecords } from './records.ts';
import { ANONYMOUS_LABEL, isAnonymous, type Volume } from './volume.ts';

const O_PATH = 0o10000000;

export interface VolumeServiceOptions {
  readonly database: Database;
  /** Folder of the volumes' folders. */
  readonly root: HostPath;
  readonly events: EventBus;
  readonly clock: Clock;
  readonly random: Random;
}

export interface CreateVolumeOptions {
  /** Undefined or empty: an anonymous volume. */
  readonly name?: string | undefined;
  /** `local`, or empty for it. */
  readonly driver?: string | undefined;
  readonly options?: Readonly<Record<string, string>> | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** The container that an anonymous volume is for: without it, the volume goes at the next start. */
  readonly madeFor?: string | undefined;
}

/** What a container mounts for a volume; its destination and `ro` are the container's to say. */
export interface VolumeMount {
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** How a container has a volume; what the events `mount` and `unmount` tell. */
export interface VolumeUse {
  readonly containerId: string;
  readonly destination: string;
  readonly readWrite: boolean;
  readonly propagation: string;
}

/** Opens the volumes of this data root, and settles what a crash left in the middle. */
export async function openVolumes(options: VolumeServiceOptions): Promise<VolumeService> {
  const folders = new VolumeFolders(options.root);
  const records = new VolumeRecords(options.database);
  const volumes = new Map(records.load().map((volume) => [volume.name, volume]));
  await folders.recover(new Set(volumes.keys()));
  return new VolumeService(options, folders, records, volumes);
}

/** Volumes: folders that outlive containers. Nothing is ever mounted on the host. */
export class VolumeService {
  readonly #options: VolumeServiceOptions;
  readonly #folders: VolumeFolders;
  readonly #records: VolumeRecords;
  readonly #volumes: Map<string, Volume>;
  readonly #locks = new KeyedLock();
  #usersOf: (name: string) => readonly string[] = () => [];

  /** Use `openVolumes`. */
  constructor(
    options: VolumeServiceOptions,
    folders: VolumeFolders,
    records: VolumeRecords,
    volumes: Map<string, Volume>,
  ) {
    this.#options = options;
    this.#folders = folders;
    this.#records = records;
    this.#volumes = volumes;
  }

  /** Registers who knows which containers (by id) use a volume. */
  setUsers(usersOf: (name: string) => readonly string[]): void {
    this.#usersOf = usersOf;
  }

  /** The ids of the containers that use it. */
  users(name: string): readonly string[] {
    return this.#usersOf(name);
  }

  /**
   * Makes a volume, or answers the one that has this name.
   * @throws InvalidArgument for a bad name or options, NotFound for a driver other than `local`.
   */
  async create(request: CreateVolumeOptions): Promise<Volume> {
    const name = request.name || newId(this.#options.random);
    requireVolumeName(name);
    if (request.driver && request.driver !== 'local') {
      throw new SlipwayError(
        'NotFound',
        `create ${name}: error looking up volume plugin ${request.driver}: plugin "${request.driver}" not found`,
      );
    }
    using _lock = await this.#locks.acquire(name);
    const existing = this.#volumes.get(name);
    if (existing !== undefined) return existing;
    const options = request.options ?? {};
    requireVolumeOptions(name, options);
    const volume: Volume = {
      name,
      driver: 'local',
      labels: request.name ? (request.labels ?? {}) : { [ANONYMOUS_LABEL]: '', ...request.labels },
      options,
      createdAtNs: this.#options.clock.nowNs(),
      madeFor: request.name ? undefined : request.madeFor,
    };
    await this.#folders.make(name);
    this.#records.insert(volume);
    this.#volumes.set(name, volume);
    this.#publish('create', volume);
    return volume;
  }

  find(name: string): Volume | undefined {
    return this.#volumes.get(name);
  }

  /** @throws NotFound `get NAME: no such volume` */
  get(name: string): Volume {
    const volume = this.#volumes.get(name);
    if (volume === undefined) throw new SlipwayError('NotFound', `get ${name}: no such volume`);
    return volume;
  }

  /** By name. */
  list(): Volume[] {
    return [...this.#volumes.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The folder that `inspect` shows. */
  mountpoint(name: string): HostPath {
    return this.#folders.data(name);
  }

  /**
   * What to mount into a container for this volume: its folder, or the mount that its options describe.
   * @throws InvalidArgument when the subpath is not in the volume.
   */
  async specMount(
    volume: Volume,
    { subpath }: { readonly subpath?: string | undefined } = {},
  ): Promise<VolumeMount> {
    const own = ownMount(volume);
    if (own !== undefined) return subpath ? ownSubpath(own, subpath) : own;
    const data = this.#folders.data(volume.name);
    await mkdir(data, { recursive: true });
    const source = subpath ? resolveSubpath(data, subpath) : data;
    return { type: 'bind', source, options: ['rbind', 'rprivate'] };
  }

  /** Fills the volume at its first use with what the image has at `imagePath`. @throws Internal */
  async copyUp(volume: Volume, rootfs: HostPath, imagePath: string): Promise<void> {
    const own = ownMount(volume);
    // A file system of the volume's own is not here yet.
    if (own !== undefined && own.type !== 'bind') return;
    using _lock = await this.#locks.acquire(volume.name);
    const data = own === undefined ? this.#folders.data(volume.name) : hostPath(own.source);
    if (own === undefined) await mkdir(data, { recursive: true });
    else requireDevice(volume, data);
    await copyUp(rootfs, imagePath, { data, marker: this.#folders.copyMarker(volume.name) });
  }

  /** Tells the world that a container has it now. */
  mounted(name: string, use: VolumeUse): void {
    this.#publish('mount', this.get(name), {
      container: use.containerId,
      destination: use.destination,
      propagation: use.propagation,
      'read/write': String(use.readWrite),
    });
  }

  /** Tells the world that a container has it no more. */
  unmounted(name: string, containerId: string): void {
    const volume = this.#volumes.get(name);
    if (volume !== undefined) this.#publish('unmount', volume, { container: containerId });
  }

  /** @throws NotFound (unless forced); Conflict when a container uses it. */
  async remove(name: string, { force }: { readonly force: boolean }): Promise<void> {
    using _lock = await this.#locks.acquire(name);
    const volume = this.#volumes.get(name);
    if (volume === undefined && force) return;
    const known = this.get(name);
    const users = this.#usersOf(name);
    if (users.length > 0) {
      throw new SlipwayError('Conflict', `remove ${name}: volume is in use - [${users.join(', ')}]`);
    }
    await this.#folders.putAside(name);
    this.#records.delete(name);
    this.#volumes.delete(name);
    await this.#folders.finishRemoval(name);
    this.#publish('destroy', known);
  }

  /** Lets an anonymous volume outlive the container that it was made for. */
  keep(name: string): void {
    const volume = this.#volumes.get(name);
    if (volume?.madeFor === undefined) return;
    this.#records.clearMadeFor(name);
    this.#volumes.set(name, { ...volume, madeFor: undefined });
  }

  /** Removes the volumes of containers that never came to be, or whose removal was cut off. */
  async removeOrphans(containerExists: (id: string) => boolean): Promise<void> {
    for (const { name, madeFor } of this.list()) {
      if (madeFor === undefined || containerExists(madeFor)) continue;
      if (this.#usersOf(name).length > 0) this.keep(name);
      else await this.remove(name, { force: true });
    }
  }

  /** Removes the volumes that nobody uses and `matches` lets go; named ones only when `all`. */
  async prune(options: {
    readonly all: boolean;
    readonly matches: (volume: Volume) => boolean;
  }): Promise<{ readonly removed: readonly string[]; readonly reclaimedBytes: number }> {
    const removed: string[] = [];
    let reclaimedBytes = 0;
    for (const volume of this.list()) {
      if (!options.all && !isAnonymous(volume)) continue;
      if (this.#usersOf(volume.name).length > 0 || !options.matches(volume)) continue;
      const sizeBytes = await this.sizeBytes(volume);
      try {
        await this.remove(volume.name, { force: false });
      } catch (error) {
        // It was taken into use, or removed, meanwhile.
        if (error instanceof SlipwayError && (error.code === 'Conflict' || error.code === 'NotFound'))
          continue;
        throw error;
      }
      removed.push(volume.name);
      reclaimedBytes += sizeBytes;
    }
    this.#options.events.publish({
      type: 'volume',
      action: 'prune',
      id: '',
      attributes: { reclaimed: String(reclaimedBytes) },
    });
    return { removed, reclaimedBytes };
  }

  /** Bytes of its files; 0 for one that is a mount of its own. */
  async sizeBytes(volume: Volume): Promise<number> {
    return ownMount(volume) === undefined ? await this.#folders.sizeBytes(volume.name) : 0;
  }

  #publish(action: string, volume: Volume, attributes: Readonly<Record<string, string>> = {}): void {
    this.#options.events.publish({
      type: 'volume',
      action,
      id: volume.name,
      attributes: { driver: volume.driver, ...attributes },
    });
  }
}

function requireDevice({ name }: Volume, device: HostPath): void {
  if (existsSync(device)) return;
  throw new SlipwayError(
    'InvalidArgument',
    `failed to mount local volume ${name}: ${device}: no such file or directory; make it first`,
  );
}

function ownSubpath(own: VolumeMount, subpath: string): VolumeMount {
  if (own.type === 'bind') return { ...own, source: resolveSubpath(hostPath(own.source), subpath) };
  throw new SlipwayError(
    'NotImplemented',
    `a subpath of a volume of type ${own.type} cannot be mounted; mount the whole volume`,
  );
}

/** The real path of a folder or file of the volume; its symlinks cannot lead out of it. */
function resolveSubpath(data: HostPath, subpath: string): string {
  try {
    const file = openInRoot(data, subpath, O_PATH);
    try {
      return readlinkSync(`/proc/self/fd/${file}`);
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    if (!isErrno(cause, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw cause;
    throw new SlipwayError(
      'InvalidArgument',
      `cannot access path ${data}/${subpath}: there is no such folder in the volume; make it first`,
      { cause },
    );
  }
}
