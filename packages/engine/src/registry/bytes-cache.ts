import type { Digest } from '@slipway/oci';

/** The bytes that were asked for last, at most `maxBytes` of them. What has a digest never becomes stale. */
export class BytesCache {
  readonly #maxBytes: number;
  readonly #entries = new Map<Digest, Uint8Array>();
  #sizeBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  find(digest: Digest): Uint8Array | undefined {
    const bytes = this.#entries.get(digest);
    if (bytes === undefined) return undefined;
    // The order of the map is the order of use.
    this.#entries.delete(digest);
    this.#entries.set(digest, bytes);
    return bytes;
  }

  put(digest: Digest, bytes: Uint8Array): void {
    if (bytes.byteLength > this.#maxBytes / 4) return;
    this.#sizeBytes += bytes.byteLength - (this.#entries.get(digest)?.byteLength ?? 0);
    this.#entries.delete(digest);
    this.#entries.set(digest, bytes);
    for (const [oldest, old] of this.#entries) {
      if (this.#sizeBytes <= this.#maxBytes) return;
      this.#entries.delete(oldest);
      this.#sizeBytes -= old.byteLength;
    }
  }
}
