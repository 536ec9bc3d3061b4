import { chmodSync, chownSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
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
import { wrapErrno } from '../errno.ts';
import { removeTree } from '../remove-tree.ts';
import { spreadChildren } from '../syscalls.ts';
import { QuickPlaces } from './place-folder.ts';
import type {
  CommitOptions,
  RootfsMount,
  SnapshotInfo,
  SnapshotKind,
  Snapshotter,
  SnapshotUsage,
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
];

interface Row {
  readonly id: number;
  readonly key: string;
  readonly parent_id: number | null;
  readonly kind: SnapshotKind;
  readonly created_at_ms: number;
  readonly size_bytes: number | null;
  readonly inodes: number | null;
}

/** What garbage collection needs beyond the contract. */
export interface CollectableSnapshotter extends Snapshotter {
  /** Takes the record away now, in this turn; the folder goes when the returned promise settles. */
  removeNow(key: string): Promise<void>;
}

export interface OverlaySnapshotterOptions {
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
  #nextId = 1;

  constructor(root: string, { database, clock, logger }: OverlaySnapshotterOptions) {
    this.#root = root;
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
    return this.#create(key, parent, 'active');
  }

  async view(key: string, parent: string): Promise<RootfsMount> {
    return this.#create(key, parent, 'view');
  }

  async commit(
    name: string,
    key: string,
    { usage: known, parent: parentKey }: CommitOptions = {},
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
          "UPDATE snapshots SET key = ?, kind = 'committed', parent_id = ?, size_bytes = ?, inodes = ? WHERE id = ?",
        )
        .run(name, parent?.id ?? row.parent_id, usage.sizeBytes, usage.inodes, row.id);
    });
  }

  async mounts(key: string): Promise<RootfsMount> {
    return this.#mountOf(this.#get(key));
  }

  async upperPath(key: string): Promise<HostPath> {
    return hostPath(this.#fsPath(this.#get(key).id));
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
        await rm(this.#fsPath(row.id), { recursive: true, force: true });
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
    const folder = join(this.#root, String(id));
    await removeTree(folder).catch((error: unknown) => {
      throw wrapErrno(error, `cannot remove the folder of snapshot ${id}`);
    });
  }

  /** Folders first, then the record: a crash between leaves a folder without a record, which the next start removes. */
  #create(key: string, parentKey: string | undefined, kind: 'active' | 'view'): RootfsMount {
    const parent = parentKey === undefined ? undefined : this.#getCommitted(parentKey);
    if (this.#find(key) !== undefined) throw exists(key);
    const id = this.#nextId++;
    const folder = join(this.#root, String(id));
    try {
      if (parent === undefined) this.#places.make(folder);
      else this.#makeAbove(folder, parent);
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
    return this.#mountOf({ id, parent_id: parent?.id ?? null, kind });
  }

  /** The upper folder's owner and mode are what the container sees at `/`, so they come from the layer below. */
  #makeAbove(folder: string, parent: Row): void {
    const path = join(folder, 'fs');
    mkdirSync(folder, { mode: 0o710 });
    mkdirSync(path);
    const below = statSync(this.#fsPath(parent.id));
    if (below.uid !== 0 || below.gid !== 0) chownSync(path, below.uid, below.gid);
    chmodSync(path, below.mode & 0o7777);
  }

  #mountOf({ id, parent_id: parentId, kind }: Pick<Row, 'id' | 'parent_id' | 'kind'>): RootfsMount {
    const lower: HostPath[] = [];
    for (let below = parentId; below !== null; ) {
      lower.push(hostPath(this.#fsPath(below)));
      const row = this.#database.prepare('SELECT parent_id FROM snapshots WHERE id = ?').get(below);
      below = (row?.parent_id ?? null) as number | null;
    }
    if (kind === 'active') {
      return {
        lower,
        upper: hostPath(this.#fsPath(id)),
        work: hostPath(join(this.#root, String(id), 'work')),
      };
    }
    if (kind === 'committed') lower.unshift(hostPath(this.#fsPath(id)));
    return { lower, upper: undefined, work: undefined };
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
    return join(this.#root, String(id), 'fs');
  }
}

const exists = (key: string) => new SlipwayError('AlreadyExists', `snapshot ${key} exists already`);
