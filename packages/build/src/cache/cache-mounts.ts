import { chmodSync, chownSync } from 'node:fs';
import { aborted, KeyedLock } from '@slipway/base';
import type { BuildMount } from '../graph.ts';
import { type Folders, folderId, type HeldFolder } from './folders.ts';

type CacheMount = Extract<BuildMount, { type: 'cache' }>;

/** The folders of `RUN --mount=type=cache`, each of which outlives the builds. */
export class CacheMounts {
  readonly #folders: Folders;
  readonly #locks = new KeyedLock();

  constructor(folders: Folders) {
    this.#folders = folders;
  }

  /**
   * The mount's folder: shared by all that name it; with `locked` one after another; with `private` a further one while it
   * is held. `fill` puts into a new one what it begins with.
   * @throws the signal's reason, also while it waits
   */
  async hold(
    mount: CacheMount,
    fill: (folder: HeldFolder) => Promise<void>,
    signal: AbortSignal,
  ): Promise<HeldFolder> {
    await using undo = new AsyncDisposableStack();
    const id = folderId('cache', mount.id);
    if (mount.sharing === 'locked') undo.use(asAsync(await this.#acquire(id, signal)));
    const folder = undo.use(this.#folders.hold(this.#use(mount, id)));
    // Who shares a new folder waits until it is filled.
    using _filling = await this.#acquire(`fill ${folder.id}`, signal);
    if (folder.isNew) {
      chownSync(folder.path, mount.uid, mount.gid);
      chmodSync(folder.path, mount.mode);
      await fill(folder);
    }
    const held = undo.move();
    return { ...folder, [Symbol.asyncDispose]: () => held.disposeAsync() };
  }

  async #acquire(key: string, signal: AbortSignal): Promise<Disposable> {
    const lock = this.#locks.acquire(key);
    const first = await Promise.race([lock, aborted(signal)]);
    if (first !== undefined) return first;
    // Nobody wants it any more when it comes.
    void lock.then((late) => late[Symbol.dispose]());
    throw signal.reason;
  }

  #use(mount: CacheMount, id: string) {
    const description = `cached mount ${mount.target} with id "${mount.id}"`;
    if (mount.sharing !== 'private') return { id, type: 'exec.cachemount' as const, description };
    let number = 0;
    while (this.#folders.isHeld(numbered(id, number))) number++;
    return { id: numbered(id, number), type: 'exec.cachemount' as const, description };
  }
}

const numbered = (id: string, number: number): string => (number === 0 ? id : `${id}-${number}`);

const asAsync = (held: Disposable): AsyncDisposable => ({
  [Symbol.asyncDispose]: async () => held[Symbol.dispose](),
});
