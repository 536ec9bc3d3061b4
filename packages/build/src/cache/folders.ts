import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Clock, type HostPath, hostPath, type Random } from '@slipway/base';
import { measureTree } from '@slipway/store';
import type { CacheRecords, FolderRecord } from './records.ts';

/** A folder while a build uses it. */
export interface HeldFolder extends AsyncDisposable {
  readonly id: string;
  readonly path: HostPath;
  /** Nothing has ever been in it. */
  readonly isNew: boolean;
}

export type FolderUse = Pick<FolderRecord, 'id' | 'type' | 'description'>;

/**
 * Folders that builds keep between them: what clients sent, what was downloaded, what cache mounts hold. One that nobody
 * holds may be pruned.
 */
export class Folders {
  readonly #root: string;
  readonly #records: CacheRecords;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #held = new Map<string, number>();

  /** Removes what no record names. */
  constructor(root: string, given: { records: CacheRecords; clock: Clock; random: Random }) {
    this.#root = root;
    this.#records = given.records;
    this.#clock = given.clock;
    this.#random = given.random;
    mkdirSync(root, { recursive: true, mode: 0o700 });
    const known = new Set(given.records.listFolders().map(({ id }) => id));
    for (const name of readdirSync(root)) {
      if (!known.has(name)) rmSync(join(root, name), { recursive: true, force: true });
    }
  }

  isHeld(id: string): boolean {
    return this.#held.has(id);
  }

  has(id: string): boolean {
    return this.#records.findFolder(id) !== undefined;
  }

  /** Holds the folder, made when it is not there. `prepared` becomes it then: it must be on the same file system. */
  hold({ id, type, description }: FolderUse, prepared?: HostPath): HeldFolder {
    const path = hostPath(join(this.#root, id));
    const known = this.#records.findFolder(id);
    if (known === undefined) {
      if (prepared === undefined) mkdirSync(path, { recursive: true, mode: 0o755 });
      else renameSync(prepared, path);
      const createdAtMs = this.#clock.nowMs();
      this.#records.addFolder({ id, type, description, createdAtMs, lastUsedAtMs: undefined, usageCount: 0 });
    }
    this.#records.markUsed([id], this.#clock.nowMs());
    this.#held.set(id, (this.#held.get(id) ?? 0) + 1);
    let released = false;
    return {
      id,
      path,
      isNew: known === undefined,
      [Symbol.asyncDispose]: async () => {
        if (released) return;
        released = true;
        const left = (this.#held.get(id) ?? 1) - 1;
        if (left === 0) this.#held.delete(id);
        else this.#held.set(id, left);
      },
    };
  }

  /** One that goes when it is disposed. */
  temporary(): HeldFolder {
    const id = `temporary-${this.#random.hex(8)}`;
    const path = hostPath(join(this.#root, id));
    mkdirSync(path, { mode: 0o755 });
    return {
      id,
      path,
      isNew: true,
      [Symbol.asyncDispose]: async () => rm(path, { recursive: true, force: true }),
    };
  }

  /** A temporary one with the files of another, which are the same inodes: who changes one puts a new file in its place. */
  async linked(id: string, signal: AbortSignal): Promise<HeldFolder> {
    await using undo = new AsyncDisposableStack();
    const folder = undo.use(this.temporary());
    await promisify(execFile)('cp', ['-a', '--link', '--', join(this.#root, id, '.'), folder.path], {
      signal,
    });
    undo.move();
    return folder;
  }

  async sizeBytes(id: string): Promise<number> {
    return (await measureTree(join(this.#root, id))).sizeBytes;
  }

  async remove(id: string): Promise<void> {
    this.#records.removeFolder(id);
    const away = join(this.#root, `removed-${this.#random.hex(8)}`);
    renameSync(join(this.#root, id), away);
    await rm(away, { recursive: true, force: true });
  }
}

/** A folder's name for what it is of. */
export const folderId = (...parts: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
