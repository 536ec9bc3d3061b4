import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Clock,
  errorMessage,
  type HostPath,
  hostPath,
  isErrno,
  KeyedLock,
  type Logger,
  type Random,
} from '@slipway/base';
import { type Digest, digestHex } from '@slipway/oci';
import type { BlobInfo, Store } from '@slipway/store';
import { invalidParameter } from '../errors.ts';
import type { ZipRecord } from '../function-record.ts';
import type { FunctionLimits } from '../limits.ts';
import { readZip, unzip } from './unzip.ts';
import { unzipApart } from './unzip-apart.ts';
import { BadZip, type ZipLimits, ZipTooLarge } from './zip-plan.ts';

export interface CodeStoreOptions {
  /** Made when it is not there. */
  readonly root: HostPath;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly limits: FunctionLimits;
  /** How long code stays after nothing names it any more: as long as what runs on it may go on. */
  readonly graceMs: number;
  /** What records name now. */
  readonly named: () => ReadonlySet<Digest>;
  /** Frees what nothing needs in the content store. */
  readonly collectStore: () => Promise<unknown>;
}

/** A package that was taken, checked and unpacked. It stays until disposed, and past that while a record names it. */
export interface TakenZip extends AsyncDisposable {
  readonly code: ZipRecord;
}

const UNFINISHED = '.unpacking-';
const REMOVED = '.removed-';
/** Packages larger than this get a thread; below it, starting one takes longer. */
const APART_BYTES = 2 << 20;
/** More files than any package has; each takes an inode and a file handle's work. */
const MOST_ENTRIES = 100_000;

/**
 * The code of functions and layers: each package in the content store, and unpacked in `ROOT/<sha256>/`, which appears by
 * rename when it is complete and is shared by all that have the same package.
 */
export class CodeStore implements AsyncDisposable {
  readonly #options: CodeStoreOptions;
  readonly #zipLimits: ZipLimits;
  readonly #locks = new KeyedLock();
  /** How many hold each. */
  readonly #held = new Map<Digest, number>();
  readonly #graces = new Set<Disposable>();
  readonly #removals = new Set<Promise<void>>();
  #isCollecting = false;
  #isMoreToCollect = false;

  private constructor(options: CodeStoreOptions) {
    this.#options = options;
    this.#zipLimits = { unzippedBytes: options.limits.unzippedBytes, entries: MOST_ENTRIES };
  }

  /**
   * Removes what a crash left half unpacked or half removed, and what no record names; unpacks again what is named and not
   * there.
   */
  static async open(options: CodeStoreOptions): Promise<CodeStore> {
    mkdirSync(options.root, { recursive: true, mode: 0o700 });
    const store = new CodeStore(options);
    const missing = new Map([...options.named()].map((digest) => [digestHex(digest), digest]));
    const orphans = readdirSync(options.root).filter((name) => !missing.delete(name));
    for (const name of orphans) await rm(join(options.root, name), { recursive: true });
    if (orphans.length > 0) await options.collectStore();
    for (const digest of missing.values()) {
      await store.ensure(digest).catch((error: unknown) => {
        options.logger.error(
          { digest, error: errorMessage(error) },
          'code of functions is lost: deploy it again',
        );
      });
    }
    return store;
  }

  /** Where a package is unpacked. */
  folder(digest: Digest): HostPath {
    return hostPath(join(this.#options.root, digestHex(digest)));
  }

  /**
   * Takes a package: writes it to the content store, checks and unpacks it.
   * @throws InvalidArgument InvalidParameterValueException in Lambda's words
   */
  async take(bytes: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<TakenZip> {
    const stack = new AsyncDisposableStack();
    const lease = stack.use(this.#options.store.leases.acquire());
    try {
      const { digest, sizeBytes } = await this.#write(bytes);
      lease.add({ blobs: [digest] });
      stack.use(this.#hold(digest));
      const unzippedBytes = await this.#check(digest, sizeBytes);
      await this.ensure(digest);
      return {
        code: { kind: 'Zip', digest, sizeBytes, unzippedBytes },
        [Symbol.asyncDispose]: async () => {
          await stack.disposeAsync();
          if (!this.#options.named().has(digest)) this.dropLater(digest);
        },
      };
    } catch (error) {
      await stack.disposeAsync();
      this.#behind(this.#collect());
      throw error;
    }
  }

  /** Unpacks the package unless it is. @throws InvalidArgument in Lambda's words; NotFound without the package */
  async ensure(digest: Digest): Promise<void> {
    const { store, root, random } = this.#options;
    using _held = this.#hold(digest);
    using _lock = await this.#locks.acquire(digest);
    if (await exists(this.folder(digest))) return;
    const path = await store.content.path(digest);
    const { sizeBytes } = await store.content.info(digest);
    const unfinished = join(root, `${UNFINISHED}${random.hex(8)}`);
    const limits = this.#zipLimits;
    try {
      // One thread at a time: there are as many requests as clients send.
      if (sizeBytes > APART_BYTES) {
        await this.#locks.run('apart', () => unzipApart({ path, folder: unfinished, limits }));
      } else await unzip(path, unfinished, limits);
      await rename(unfinished, this.folder(digest));
    } catch (error) {
      await rm(unfinished, { recursive: true, force: true });
      throw inLambdasWords(error, this.#options.limits);
    }
    await using handle = await open(root, 'r');
    await handle.sync();
  }

  /** Removes the package and its folder once nothing has named or held it for the time of grace. */
  dropLater(digest: Digest): void {
    const grace = this.#options.clock.timer(this.#options.graceMs, () => {
      this.#graces.delete(grace);
      this.#behind(this.#drop(digest));
    });
    this.#graces.add(grace);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const grace of this.#graces) grace[Symbol.dispose]();
    this.#graces.clear();
    await Promise.all(this.#removals);
  }

  #hold(digest: Digest): Disposable {
    this.#held.set(digest, (this.#held.get(digest) ?? 0) + 1);
    let isOver = false;
    return {
      [Symbol.dispose]: () => {
        if (isOver) return;
        isOver = true;
        const left = (this.#held.get(digest) ?? 1) - 1;
        if (left === 0) this.#held.delete(digest);
        else this.#held.set(digest, left);
      },
    };
  }

  async #write(bytes: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<BlobInfo> {
    await using ingest = await this.#options.store.content.ingest();
    for await (const chunk of bytes) await ingest.write(chunk);
    return await ingest.commit();
  }

  /** Goes on behind the answer; what fails now is tried again by the next removal, or the next start. */
  #behind(work: Promise<void>): void {
    const removal = work
      .catch((error: unknown) => {
        this.#options.logger.warn(
          { error: errorMessage(error) },
          'code that nothing needs cannot be removed yet',
        );
      })
      .finally(() => this.#removals.delete(removal));
    this.#removals.add(removal);
  }

  async #drop(digest: Digest): Promise<void> {
    const { root, random, named } = this.#options;
    if (this.#held.has(digest) || named().has(digest)) return;
    const aside = join(root, `${REMOVED}${random.hex(8)}`);
    try {
      // In the turn of the check, so that nobody can come to rely on it in between.
      renameSync(this.folder(digest), aside);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
    await rm(aside, { recursive: true, force: true });
    await this.#collect();
  }

  /** One collection for all that goes while another runs. */
  async #collect(): Promise<void> {
    this.#isMoreToCollect = true;
    if (this.#isCollecting) return;
    this.#isCollecting = true;
    try {
      while (this.#isMoreToCollect) {
        this.#isMoreToCollect = false;
        await this.#options.collectStore();
      }
    } finally {
      this.#isCollecting = false;
    }
  }

  /** What it says to be unpacked. @throws InvalidArgument */
  async #check(digest: Digest, sizeBytes: number): Promise<number> {
    if (sizeBytes === 0) throw invalidParameter('Uploaded file must be a non-empty zip');
    try {
      await using zip = await readZip(await this.#options.store.content.path(digest), this.#zipLimits);
      if (zip.plan.size === 0) throw invalidParameter('Uploaded file must be a non-empty zip');
      return zip.unzippedBytes;
    } catch (error) {
      throw inLambdasWords(error, this.#options.limits);
    }
  }
}

function inLambdasWords(error: unknown, { unzippedBytes }: FunctionLimits): unknown {
  if (error instanceof BadZip) {
    return invalidParameter(
      `Could not unzip uploaded file. Please check your file, then try to upload again. (${error.message})`,
      error,
    );
  }
  if (error instanceof ZipTooLarge) return tooLargeUnzipped(unzippedBytes, error);
  return error;
}

/** What Lambda says of more code than a function may have. */
export const tooLargeUnzipped = (limit: number, cause?: unknown): Error =>
  invalidParameter(`Unzipped size must be smaller than ${limit} bytes`, cause);

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}
