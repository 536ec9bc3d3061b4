import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock, Logger, Random } from '@slipway/base';
import { type Collected, type CollectRequest, collectGarbage } from './collect/collect-garbage.ts';
import type { ContentStore } from './content/content.ts';
import { openContentStore } from './content/file-content-store.ts';
import { type Database, openDatabase } from './database/database.ts';
import { proveImages } from './erofs/mount-image.ts';
import { type Leases, openLeases } from './leases/leases.ts';
import { openOverlaySnapshotter } from './snapshots/overlay-snapshotter.ts';
import { type LayerForm, type Snapshotter, UNFINISHED_PREFIX } from './snapshots/snapshots.ts';
import { createUnpacker, type Unpacker, type UnpackRequest } from './unpack/unpack-image.ts';

export interface StoreOptions {
  /** The data root; made when it is not there. */
  readonly root: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** What new layers become; by default images where the kernel can mount them. */
  readonly layerForm?: LayerForm | undefined;
}

/** All that the engine keeps on disk. */
export interface Store extends AsyncDisposable {
  readonly content: ContentStore;
  readonly snapshots: Snapshotter;
  readonly leases: Leases;
  readonly database: Database;
  /** What new layers become. */
  readonly layerForm: LayerForm;
  /** @see Unpacker.unpackImage */
  unpackImage(request: UnpackRequest): ReturnType<Unpacker['unpackImage']>;
  /** @see Unpacker.unpackAhead */
  unpackAhead(...args: Parameters<Unpacker['unpackAhead']>): ReturnType<Unpacker['unpackAhead']>;
  /** @see collectGarbage */
  collectGarbage(request: CollectRequest): Promise<Collected>;
}

/**
 * Opens the store in a data root, and clears what an earlier process left half done.
 * @throws FailedPrecondition when layers are to be images and the kernel cannot mount them
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { root, clock, random, logger } = options;
  mkdirSync(root, { recursive: true, mode: 0o711 });
  const layerForm = chooseForm(options);
  const database = openDatabase(join(root, 'slipway.db'));
  try {
    const content = openContentStore(join(root, 'content'), { random });
    const snapshots = openOverlaySnapshotter(join(root, 'snapshots'), {
      database,
      clock,
      logger,
      form: layerForm,
    });
    await removeUnfinishedLayers(snapshots);
    const leases = openLeases(database, { clock, random });
    const unpacker = createUnpacker({ snapshots, clock, random });
    return {
      content,
      snapshots,
      leases,
      database,
      layerForm,
      unpackImage: (request) => unpacker.unpackImage(request),
      unpackAhead: (source) => unpacker.unpackAhead(source),
      collectGarbage: (request) => collectGarbage({ content, snapshots, leases, logger }, request),
      async [Symbol.asyncDispose]() {
        await unpacker[Symbol.asyncDispose]();
        snapshots[Symbol.dispose]();
        database[Symbol.dispose]();
      },
    };
  } catch (error) {
    database[Symbol.dispose]();
    throw error;
  }
}

function chooseForm({ root, layerForm, logger }: StoreOptions): LayerForm {
  if (layerForm === 'files') return layerForm;
  try {
    proveImages(root);
    return 'image';
  } catch (error) {
    if (layerForm === 'image') throw error;
    logger.info({ error }, 'layers are unpacked: they cannot be images here');
    return 'files';
  }
}

/** Layers that were being unpacked when the process died: nobody will go on with them. */
async function removeUnfinishedLayers(snapshots: Snapshotter): Promise<void> {
  for await (const { key, kind } of snapshots.list()) {
    if (kind === 'active' && key.startsWith(UNFINISHED_PREFIX)) await snapshots.remove(key);
  }
}
