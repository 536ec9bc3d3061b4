import { chmodSync, chownSync, closeSync, linkSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Clock,
  type HostPath,
  hostPath,
  isSlipwayError,
  type Logger,
  SlipwayError,
} from '@slipway/base';
import type { Database } from '../database/database.ts';
import { ARCHIVE_FILE, IMAGE_FILE, mountImage } from '../erofs/mount-image.ts';
import { wrapErrno } from '../errno.ts';
import { removeTree } from '../remove-tree.ts';
import { spreadChildren } from '../syscalls.ts';
import { QuickPlaces } from './place-folder.ts';
import {
  type CommitOptions,
  type LayerForm,
  type RootfsMount,
  type SnapshotInfo,
  type SnapshotKind,
  type Snapshotter,
  type SnapshotUsage,
  UNFINISHED_PREFIX,
} from './snapshots.ts';
import { measureTree } from './usage.ts';

const MIGRATIONS = [
  `CREATE TABLE snapshots (
     id INTEGER PRIMARY KEY,
     key TEXT NOT NULL UNIQUE,
     parent_id INTEGER REFERENCES snapshots (id),
     kind TEXT NOT NULL,
     created_at_ms REAL NOT NULL,
     size_bytes INTEGER,
     inodes INTEGER
   ) STRICT;
   CREATE INDEX snapshots_by_parent ON snapshots (parent_id);`,
  `ALTER TABLE snapshots ADD COLUMN form TEXT NOT NULL DEFAULT 'files';`,
];

interface Row {
  readonly id: number;
  readonly key: string;
  readonly parent_id: number | null;
  readonly kind: SnapshotKind;
  readonly form: LayerForm;
  readonly created_at_ms: number;
  readonly size_bytes: number | null;
  readonly inodes: number | null;
}

/** What garbage collection needs beyond the contract. */
export interface CollectableSnapshotter extends Snapshotter, Disposable {
  /** Takes the record away now, in this turn; the folder goes when the returned promise settles. */
  removeNow(key: string): Promise<void>;
}

export interface OverlaySnapshotterOptions {
  /** What new layers become: `image` needs a kernel that mounts them. Those that are there stay what they are. */
  readonly form: LayerForm;
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Overlayfs snapshots in `root/<number>/{fs,work}`. Numbers, not chainIDs, name the folders, because the kernel takes
 * all lower folders of a mount in one page of options. Folders that no record names are removed.
 */
export function openOverlaySnapshotter(
  root: string,
  options: OverlaySnapshotterOptions,
): CollectableSnapshotter {
  return new OverlaySnapshotter(root, options);
}

const REMOVE_ATTEMPTS = 20;
const REMOVE_PAUSE_MS = 50;

class OverlaySnapshotter implements CollectableSnapshotter {
  readonly #root: string;
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #places: QuickPlaces;
  readonly #form: LayerForm;
  /** The images that were asked for, mounted, by their snapshots' numbers. */
  readonly #mounted = new Map<number, ReturnType<typeof mountImage>>();
  #nextId = 1;

  constructor(root: string, { database, clock, logger, form }: OverlaySnapshotterOptions) {
    this.#root = root;
    this.#form = form;
    this.#database = database;
    this.#clock = clock;
    this.#places = new QuickPlaces(clock);
    mkdirSync(root, { recursive: true, mode: 0o711 });
    // Else ext4 puts every snapshot into the same groups, which QuickPlaces could not avoid.
    spreadChildren(root);
    database.migrate('snapshots', MIGRATIONS);
    this.#removeUnrecorded(logger);
  }

  async stat(key: string): Promise<SnapshotInfo> {
    return this.#toInfo(this.#get(key));
  }

  async find(key: string): Promise<SnapshotInfo | undefined> {
    const row = this.#find(key);
    return row === undefined ? undefined : this.#toInfo(row);
  }

  async *list(): AsyncIterable<SnapshotInfo> {
    const rows = this.#database.prepare('SELECT * FROM snapshots ORDER BY id').all() as unknown as Row[];
    for (const row of rows) yield this.#toInfo(row);
  }

  async prepare(key: string, parent: string | undefined): Promise<RootfsMount> {
    return this.#mountOf(this.#create(key, parent, 'active'));
  }

  async view(key: string, parent: string): Promise<RootfsMount> {
    return this.#mountOf(this.#create(key, parent, 'view'));
  }

  async commit(
    name: string,
    key: string,
    { form = 'files', usage: known, parent: parentKey }: CommitOptions = {},
  ): Promise<void> {
    const row = this.#get(key);
    if (row.kind !== 'active') {
      throw new SlipwayError(
        'FailedPrecondition',
        `snapshot ${key} is ${row.kind}: only an active one can be committed`,
      );
    }
    const usage = known ?? (await measureTree(this.#fsPath(row.id)));
    this.#database.transaction(() => {
      if (this.#find(name) !== undefined) throw exists(name);
      const parent = parentKey === undefined ? undefined : this.#getCommitted(parentKey);
      this.#database
        .prepare(
          "UPDATE snapshots SET key = ?, kind = 'committed', form = ?, parent_id = ?, size_bytes = ?, inodes = ? WHERE id = ?",
        )
        .run(name, form, parent?.id ?? row.parent_id, usage.sizeBytes, usage.inodes, row.id);
    });
  }

  async mounts(key: string): Promise<RootfsMount> {
    return this.#mountOf(this.#get(key));
  }

  async upperPath(key: string): Promise<HostPath> {
    return this.#filesPath(this.#get(key));
  }

  async layerPlace(key: string): Promise<{ folder: HostPath; form: LayerForm }> {
    return { folder: hostPath(this.#folderPath(this.#get(key).id)), form: this.#form };
  }

  async linkImage(name: string, source: string, parent: string | undefined): Promise<boolean> {
    const row = this.#getCommitted(source);
    if (row.form !== 'image') return false;
    const key = `${UNFINISHED_PREFIX}${name}`;
    const { id } = this.#create(key, parent, 'active');
    try {
      for (const file of [ARCHIVE_FILE, IMAGE_FILE]) {
        linkSync(join(this.#folderPath(row.id), file), join(this.#folderPath(id), file));
      }
      await this.commit(name, key, { form: 'image', usage: await this.usage(source) });
    } catch (error) {
      await this.remove(key);
      throw wrapErrno(error, `cannot link the layer ${source}`);
    }
    return true;
  }

  async usage(key: string): Promise<SnapshotUsage> {
    const row = this.#get(key);
    if (row.size_bytes !== null && row.inodes !== null) {
      return { sizeBytes: row.size_bytes, inodes: row.inodes };
    }
    return await measureTree(this.#fsPath(row.id));
  }

  async remove(key: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.removeNow(key);
      } catch (error) {
        // On a full disk even a record's removal needs room. The folder gives its own first; whoever else fills the disk at
        // this moment may take that, and then gives up too.
        const row = this.#find(key);
        const isWorthIt = isSlipwayError(error, 'ResourceExhausted') && attempt < REMOVE_ATTEMPTS;
        if (!isWorthIt || row === undefined || row.kind === 'committed') throw error;
        await rm(this.#folderPath(row.id), { recursive: true, force: true });
        if (attempt > 1) await this.#clock.sleep(REMOVE_PAUSE_MS);
      }
    }
  }

  removeNow(key: string): Promise<void> {
    let id: number;
    try {
      id = this.#removeRecord(key);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#removeFolder(id);
  }

  #removeRecord(key: string): number {
    const row = this.#get(key);
    // A committed layer's record must be off the disk before its folder is; an active one's is swept like an orphan.
    const commit = row.kind === 'committed' ? 'transaction' : 'relaxed';
    this.#database[commit](() => {
      const child = this.#database
        .prepare('SELECT key FROM snapshots WHERE parent_id = ? LIMIT 1')
        .get(row.id);
      if (child !== undefined) {
        throw new SlipwayError(
          'FailedPrecondition',
          `snapshot ${key} cannot be removed: ${child.key} stands on it`,
        );
      }
      this.#database.prepare('DELETE FROM snapshots WHERE id = ?').run(row.id);
    });
    return row.id;
  }

  async #removeFolder(id: number): Promise<void> {
    const folder = this.#folderPath(id);
    this.#unmount(id);
    await removeTree(folder).catch((error: unknown) => {
      throw wrapErrno(error, `cannot remove the folder of snapshot ${id}`);
    });
  }

  /** Folders first, then the record: a crash between leaves a folder without a record, which the next start removes. */
  #create(key: string, parentKey: string | undefined, kind: 'active' | 'view'): Place {
    const parent = parentKey === undefined ? undefined : this.#getCommitted(parentKey);
    if (this.#find(key) !== undefined) throw exists(key);
    const id = this.#nextId++;
    const folder = this.#folderPath(id);
    try {
      if (parent !== undefined) this.#makeAbove(folder, parent);
      else if (this.#form === 'files') this.#places.make(folder);
      else makeFolders(folder, 0o755);
      if (kind === 'active') mkdirSync(join(folder, 'work'), { mode: 0o711 });
      // Who keeps an active snapshot names it in a record of its own; one that nobody names is swept at the next start.
      this.#database.relaxed(() =>
        this.#database
          .prepare('INSERT INTO snapshots (id, key, parent_id, kind, created_at_ms) VALUES (?, ?, ?, ?, ?)')
          .run(id, key, parent?.id ?? null, kind, this.#clock.nowMs()),
      );
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw wrapErrno(error, `cannot prepare snapshot ${key}`);
    }
    return { id, parent_id: parent?.id ?? null, kind, form: 'files' };
  }

  /** The upper folder's owner and mode are what the container sees at `/`, so they come from the layer below. */
  #makeAbove(folder: string, parent: Row): void {
    const below = statSync(this.#filesPath(parent));
    const path = makeFolders(folder, below.mode & 0o7777);
    if (below.uid !== 0 || below.gid !== 0) chownSync(path, below.uid, below.gid);
  }

  #mountOf({ id, parent_id: parentId, kind, form }: Place): RootfsMount {
    const lower: HostPath[] = [];
    for (let below = parentId; below !== null; ) {
      const row = this.#database
        .prepare('SELECT parent_id, form FROM snapshots WHERE id = ?')
        .get(below) as unknown as Pick<Row, 'parent_id' | 'form'>;
      lower.push(this.#filesPath({ id: below, form: row.form }));
      below = row.parent_id;
    }
    if (kind === 'active') {
      return {
        lower,
        upper: hostPath(this.#fsPath(id)),
        work: hostPath(join(this.#folderPath(id), 'work')),
      };
    }
    if (kind === 'committed') lower.unshift(this.#filesPath({ id, form }));
    return { lower, upper: undefined, work: undefined };
  }

  /** Where a snapshot's own files are to be seen. One that is an image stays mounted from the first time on. */
  #filesPath({ id, form }: Pick<Row, 'id' | 'form'>): HostPath {
    if (form === 'files') return hostPath(this.#fsPath(id));
    let image = this.#mounted.get(id);
    if (image === undefined) {
      image = mountImage(this.#folderPath(id));
      this.#mounted.set(id, image);
    }
    return hostPath(image.path);
  }

  #unmount(id: number): void {
    const image = this.#mounted.get(id);
    if (image !== undefined) closeSync(image.fd);
    this.#mounted.delete(id);
  }

  [Symbol.dispose](): void {
    for (const id of [...this.#mounted.keys()]) this.#unmount(id);
  }

  #removeUnrecorded(logger: Logger): void {
    const ids = new Set(
      this.#database
        .prepare('SELECT id FROM snapshots')
        .all()
        .map((row) => String(row.id)),
    );
    for (const name of readdirSync(this.#root)) {
      this.#nextId = Math.max(this.#nextId, Number(name) + 1 || 0);
      if (ids.has(name)) continue;
      logger.info({ snapshot: name }, 'removing a snapshot folder that no record names');
      rmSync(join(this.#root, name), { recursive: true, force: true });
    }
    for (const id of ids) this.#nextId = Math.max(this.#nextId, Number(id) + 1);
  }

  #find(key: string): Row | undefined {
    return this.#database.prepare('SELECT * FROM snapshots WHERE key = ?').get(key) as unknown as
      | Row
      | undefined;
  }

  #get(key: string): Row {
    const row = this.#find(key);
    if (row === undefined) throw new SlipwayError('NotFound', `snapshot ${key}: not found`);
    return row;
  }

  #getCommitted(key: string): Row {
    const row = this.#get(key);
    if (row.kind === 'committed') return row;
    throw new SlipwayError(
      'FailedPrecondition',
      `snapshot ${key} is ${row.kind}: a parent must be committed`,
    );
  }

  #toInfo(row: Row): SnapshotInfo {
    const parent =
      row.parent_id === null
        ? undefined
        : (this.#database.prepare('SELECT key FROM snapshots WHERE id = ?').get(row.parent_id)
            ?.key as string);
    return { key: row.key, parent, kind: row.kind, createdAtMs: row.created_at_ms };
  }

  #fsPath(id: number): string {
    return join(this.#folderPath(id), 'fs');
  }

  #folderPath(id: number): string {
    return join(this.#root, String(id));
  }
}

/** What of a snapshot says where its files are. */
type Place = Pick<Row, 'id' | 'parent_id' | 'kind' | 'form'>;

/** Makes a snapshot's folder and in it that of its files, whose path is returned. */
function makeFolders(folder: string, mode: number): string {
  const path = join(folder, 'fs');
  mkdirSync(folder, { mode: 0o710 });
  mkdirSync(path);
  chmodSync(path, mode);
  return path;
}

const exists = (key: string) => new SlipwayError('AlreadyExists', `snapshot ${key} exists already`);
