import { SlipwayError } from '@slipway/base';
import type { BlobUpload } from '@slipway/distribution/server';
import type { Digest } from '@slipway/oci';
import type { Ingest } from '@slipway/store';
import type { Blobs } from './blobs.ts';
import { quotaExceeded, type RegistryContext, roomBytes } from './context.ts';
import type { RepositoryRecord } from './records.ts';

/** How long an upload that nobody sends to keeps its file open. */
const IDLE_MS = 60_000;

export interface UploadOptions {
  readonly id: string;
  /** The store's name of the ingest that it is. */
  readonly key: string;
  readonly repository: RepositoryRecord;
  readonly context: RegistryContext;
  readonly blobs: Blobs;
  /** What the repository's other uploads have received. */
  readonly pendingBytes: () => number;
  /** Told when it was committed or cancelled. */
  readonly onEnd: () => void;
}

/** A blob while a client sends it: a kept ingest, open while it is used. */
export class Upload implements BlobUpload {
  readonly #options: UploadOptions;
  #ingest: Promise<Ingest> | undefined;
  #closing: Promise<void> | undefined;
  #receivedBytes = 0;
  #isBusy = false;
  #isOver = false;
  #idle: Disposable | undefined;

  constructor(options: UploadOptions) {
    this.#options = options;
  }

  get id(): string {
    return this.#options.id;
  }

  get repository(): RepositoryRecord {
    return this.#options.repository;
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** Opens the ingest, which makes it or finds what was received before. */
  async open(): Promise<Ingest> {
    this.#ingest ??= this.#reopen();
    this.#closeWhenIdle();
    try {
      return await this.#ingest;
    } catch (error) {
      this.#ingest = undefined;
      throw error;
    }
  }

  append(bytes: AsyncIterable<Uint8Array>): Promise<void> {
    return this.#run(async () => {
      const { context, repository, pendingBytes } = this.#options;
      const ingest = await this.open();
      const limitBytes = roomBytes(context, repository) - pendingBytes();
      try {
        for await (const chunk of bytes) {
          if (ingest.writtenBytes + chunk.byteLength > limitBytes) {
            // No other try can succeed with it, and what it holds counts.
            await this.#end();
            throw quotaExceeded(context, repository);
          }
          await ingest.write(chunk);
        }
      } finally {
        // What came before the connection was cut counts.
        if (!this.#isOver) await this.#settle(ingest);
      }
    });
  }

  commit(digest: Digest): Promise<void> {
    return this.#run(async () => {
      const { blobs, repository } = this.#options;
      const ingest = await this.open();
      try {
        await blobs.commit(repository, ingest, digest);
      } finally {
        await this.#end();
      }
    });
  }

  cancel(): Promise<void> {
    return this.#run(() => this.#end());
  }

  /** Gives it up, also under the hands of who is sending it. */
  async destroy(): Promise<void> {
    if (!this.#isOver) await this.#end();
  }

  /** Lets go of the file, which stays, for good: what is being sent fails. */
  async leave(): Promise<void> {
    this.#isOver = true;
    await this.close();
  }

  /** Lets go of the file, which stays, until it is used again. */
  async close(): Promise<void> {
    this.#idle?.[Symbol.dispose]();
    const ingest = this.#ingest;
    this.#ingest = undefined;
    if (ingest !== undefined) {
      this.#closing = ingest.then(
        (open) => open[Symbol.asyncDispose](),
        () => {},
      );
    }
    await this.#closing;
  }

  async #reopen(): Promise<Ingest> {
    await this.#closing;
    const { context, key } = this.#options;
    const ingest = await context.store.content.ingest({}, { key });
    this.#receivedBytes = ingest.writtenBytes;
    return ingest;
  }

  async #settle(ingest: Ingest): Promise<void> {
    try {
      await ingest.flush();
      this.#receivedBytes = ingest.writtenBytes;
    } catch (error) {
      // After a write that failed only the file knows how much there is.
      await this.close();
      if (!this.#isOver) await this.open();
      throw error;
    }
  }

  /** One at a time: bytes of two requests would mix. */
  async #run(work: () => Promise<void>): Promise<void> {
    if (this.#isOver) throw uploadUnknown(this.id);
    if (this.#isBusy) {
      throw new SlipwayError(
        'Conflict',
        `upload ${this.id} is being written to: wait until that request has ended`,
      );
    }
    this.#isBusy = true;
    try {
      await work();
    } finally {
      this.#isBusy = false;
    }
  }

  async #end(): Promise<void> {
    this.#isOver = true;
    this.#options.onEnd();
    try {
      const ingest = await this.open();
      await ingest.abandon();
    } finally {
      this.#idle?.[Symbol.dispose]();
    }
  }

  #closeWhenIdle(): void {
    this.#idle?.[Symbol.dispose]();
    this.#idle = this.#options.context.clock.timer(IDLE_MS, () => {
      if (this.#isBusy) this.#closeWhenIdle();
      else void this.close();
    });
  }
}

export const uploadUnknown = (id: string) =>
  new SlipwayError('NotFound', `blob upload ${id}: not found, or it has ended or expired: start another`, {
    reason: 'BLOB_UPLOAD_UNKNOWN',
  });
