import { rm } from 'node:fs/promises';
import type { Filters, ProgressMessage } from '@slipway/api/docker';
import { type Clock, errorMessage, type HostPath, type Logger } from '@slipway/base';
import type { Descriptor, Digest, ImageId, Reference } from '@slipway/oci';
import type { Collected, Roots, Store } from '@slipway/store';
import type { EventBus } from '../events/index.ts';
import { type BootstrapOptions, bootstrapImage, bootstrapRecipe } from './bootstrap.ts';
import { ImageCatalog } from './catalog.ts';
import { type CommitImageOptions, commitImage } from './commit.ts';
import type { ImageContext, ImageUser } from './context.ts';
import { type HistoryStep, imageHistory } from './history.ts';
import type { Image, ImageRoots } from './image.ts';
import { type ImportOptions, importImage } from './import.ts';
import { type InspectedImage, inspectImage } from './inspect.ts';
import { type ListedImage, layersSizeBytes, listImages } from './list.ts';
import { type LoadOptions, loadImages } from './load.ts';
import { type PruneReport, pruneImages } from './prune.ts';
import { ImageRecords } from './records.ts';
import { type NewImage, type RegisterOptions, registerImage } from './register.ts';
import { type RemovedImage, type RemoveOptions, removeImage } from './remove.ts';
import { saveImages } from './save.ts';
import type { LayersSubject, Sbom, SbomOptions } from './sbom/sbom.ts';
import { tagImage } from './tag.ts';

export interface ImageServiceOptions {
  readonly store: Store;
  readonly events: EventBus;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A folder for what is thrown away at the end of a verb; made when it is not there. */
  readonly scratchRoot: HostPath;
  /** The folders, as in `PATH`, of the programs that make base images; the system's own when it is not given. */
  readonly toolPath?: string;
}

/** The images slice: what images there are, and every verb on them. */
export class ImageService {
  readonly #context: ImageContext;
  readonly #usersOf: ((id: ImageId) => readonly ImageUser[])[] = [];
  #keptBeside: () => readonly Digest[] = () => [];
  #keptByBuilds: () => Roots = () => ({});

  constructor({ store, events, clock, logger, scratchRoot, toolPath }: ImageServiceOptions) {
    const catalog = new ImageCatalog(new ImageRecords(store.database));
    this.#context = {
      store,
      events,
      clock,
      logger,
      catalog,
      scratchRoot,
      toolPath,
      usersOf: (id) => this.#usersOf.flatMap((usersOf) => usersOf(id)),
      collectGarbage: () =>
        store.collectGarbage({
          roots: () => {
            const { blobs, snapshots } = catalog.roots();
            const built = this.#keptByBuilds();
            return {
              blobs: [...blobs, ...(built.blobs ?? [])],
              snapshots: [...snapshots, ...(built.snapshots ?? [])],
              blobsAlone: this.#keptBeside(),
            };
          },
        }),
    };
  }

  /**
   * Frees what loads, imports and bootstraps of an earlier process held when it died: nobody carries them on. Leases that
   * outlive their process stay. To be called once, at start.
   */
  async recover(): Promise<void> {
    const { store, collectGarbage, scratchRoot, logger } = this.#context;
    // A bootstrap that outlived its daemon may still write there until it notices.
    await rm(scratchRoot, { recursive: true, force: true }).catch((error: unknown) =>
      logger.warn({ error: errorMessage(error) }, `cannot empty ${scratchRoot}`),
    );
    const abandoned = store.leases.list().filter(({ outlivesProcess }) => !outlivesProcess);
    if (abandoned.length === 0) return;
    for (const lease of abandoned) await lease[Symbol.asyncDispose]();
    await collectGarbage();
  }

  /** Who stands on images says so: images may not ask them themselves. */
  addUsers(usersOf: (id: ImageId) => readonly ImageUser[]): void {
    this.#usersOf.push(usersOf);
  }

  /** The registry says what the store must keep for its repositories. Images may not ask it themselves. */
  setKeptBeside(blobs: () => readonly Digest[]): void {
    this.#keptBeside = blobs;
  }

  /** The solver says what the store must keep for its cache. */
  setKeptByBuilds(roots: () => Roots): void {
    this.#keptByBuilds = roots;
  }

  /** Frees the blobs and snapshots that neither an image nor anything beside them needs. */
  collectGarbage(): Promise<Collected> {
    return this.#context.collectGarbage();
  }

  /** Records an image whose blobs are here, as a pull ends. @see registerImage */
  register(image: NewImage, options: RegisterOptions): Promise<Image> {
    return registerImage(this.#context, image, options);
  }

  /**
   * By name[:tag], name@digest, id or unambiguous id prefix; answered from memory.
   * @throws NotFound `No such image: NAME:TAG`
   */
  async resolve(reference: string): Promise<Image> {
    return this.#context.catalog.get(reference);
  }

  find(reference: string): Image | undefined {
    return this.#context.catalog.find(reference);
  }

  /** @see listImages */
  list(options: { filters: Filters; sharedSize?: boolean }): Promise<ListedImage[]> {
    return listImages(this.#context, options);
  }

  get count(): number {
    return this.#context.catalog.list().length;
  }

  /** What all images' layers take on disk, each layer once. */
  layersSizeBytes(): Promise<number> {
    return layersSizeBytes(this.#context);
  }

  /** What garbage collection must keep for the images. */
  roots(): ImageRoots {
    return this.#context.catalog.roots();
  }

  inspect(reference: string): Promise<InspectedImage> {
    return inspectImage(this.#context, reference);
  }

  history(reference: string): Promise<HistoryStep[]> {
    return imageHistory(this.#context, reference);
  }

  /** A bill of materials of what the image holds. @see imageSbom */
  async sbom(reference: string, options: SbomOptions): Promise<Sbom> {
    // Its libraries take longer to load than most verbs take.
    const { imageSbom } = await import('./sbom/sbom.ts');
    return await imageSbom(this.#context, reference, options);
  }

  /** The same of layers that are no image yet. @see layersSbom */
  async sbomOfLayers(subject: LayersSubject, options: SbomOptions): Promise<Sbom> {
    const { layersSbom } = await import('./sbom/sbom.ts');
    return await layersSbom(this.#context, subject, options);
  }

  load(archive: AsyncIterable<Uint8Array>, options: LoadOptions): AsyncGenerator<ProgressMessage> {
    return loadImages(this.#context, archive, options);
  }

  save(names: readonly string[]): AsyncIterable<Uint8Array> {
    return saveImages(this.#context, names);
  }

  import(archive: AsyncIterable<Uint8Array>, options: ImportOptions): Promise<Image> {
    return importImage(this.#context, archive, options);
  }

  /** An image of what a container changed, on top of its own. @see commitImage */
  commit(options: CommitImageOptions): Promise<Image> {
    return commitImage(this.#context, options);
  }

  bootstrap(options: BootstrapOptions): AsyncGenerator<ProgressMessage> {
    return bootstrapImage(this.#context, options);
  }

  /** @see bootstrapRecipe */
  bootstrapRecipe(options: Parameters<typeof bootstrapRecipe>[1]): Promise<Image> {
    return bootstrapRecipe(this.#context, options);
  }

  tag(source: string, repository: string, tag: string): void {
    tagImage(this.#context, source, repository, tag);
  }

  /**
   * Gives an image that is here more names, in one transaction: what a registry calls it, or a build that came to it again.
   * When it has them all nothing is written.
   * @throws NotFound
   */
  addReferences(id: ImageId, references: readonly Reference[]): Image {
    const { catalog, clock } = this.#context;
    const image = catalog.get(id);
    const isNamed = references.every((reference) => catalog.findByReference(reference)?.id === id);
    return isNamed ? image : catalog.add(image, references, clock.nowMs());
  }

  /** The index that a name stands for beside its image. */
  indexOf(reference: string): Descriptor | undefined {
    return this.#context.catalog.indexOf(reference);
  }

  /** The tags of a repository and what they name, in order. */
  tagsOf(repository: Reference): { image: Image; tag: string }[] {
    return this.#context.catalog
      .referencesIn(repository)
      .flatMap(({ image, reference: { tag, digest } }) =>
        tag === undefined || digest !== undefined ? [] : [{ image, tag }],
      );
  }

  remove(reference: string, options: RemoveOptions): Promise<RemovedImage[]> {
    return removeImage(this.#context, reference, options);
  }

  prune(filters: Filters): Promise<PruneReport> {
    return pruneImages(this.#context, filters);
  }
}
