import { createHmac, timingSafeEqual } from 'node:crypto';
import { type Clock, type Random, SlipwayError } from '@slipway/base';
import { file, type Route } from '@slipway/http';
import { type Digest, digestHex, formatDigest } from '@slipway/oci';
import type { ContentStore } from '@slipway/store';

/** As long as Lambda's. */
const VALID_MS = 10 * 60 * 1000;
const PATH = '/slipway/functions/code';

/** URLs from which packages can be fetched for ten minutes by whoever has them. The key dies with the process. */
export class CodeDownloads {
  readonly #content: ContentStore;
  readonly #clock: Clock;
  readonly #key: string;

  constructor({ content, clock, random }: { content: ContentStore; clock: Clock; random: Random }) {
    this.#content = content;
    this.#clock = clock;
    this.#key = random.hex(32);
  }

  /** `host` is the door as the client knows it. */
  url(digest: Digest, host: string): string {
    const hex = digestHex(digest);
    const expires = String(this.#clock.nowMs() + VALID_MS);
    return `http://${host}${PATH}/${hex}?Expires=${expires}&Signature=${this.#sign(hex, expires)}`;
  }

  /** Whether a path is one of theirs. */
  matches(path: string): boolean {
    return path.startsWith(`${PATH}/`);
  }

  /** What serves them: for the door, where nobody signs. */
  get routes(): Route[] {
    return [
      {
        method: 'GET',
        path: `${PATH}/:sha256`,
        handler: async ({ params, query }) => {
          const hex = params['sha256'] ?? '';
          const expires = query.get('Expires') ?? '';
          this.#require(hex, expires, query.get('Signature') ?? '');
          const digest = formatDigest(hex);
          const { sizeBytes } = await this.#content.info(digest);
          const path = await this.#content.path(digest);
          return file(200, 'application/zip', { path, offset: 0, length: sizeBytes });
        },
      },
    ];
  }

  #sign(hex: string, expires: string): string {
    return createHmac('sha256', this.#key).update(`${hex} ${expires}`).digest('base64url');
  }

  /** @throws PermissionDenied */
  #require(hex: string, expires: string, signature: string): void {
    const expected = Buffer.from(this.#sign(hex, expires));
    const given = Buffer.from(signature);
    const isRight = expected.byteLength === given.byteLength && timingSafeEqual(expected, given);
    if (isRight && Number(expires) > this.#clock.nowMs()) return;
    throw new SlipwayError(
      'PermissionDenied',
      'this URL has expired or was changed: ask GetFunction for another',
      { reason: 'AccessDeniedException' },
    );
  }
}
