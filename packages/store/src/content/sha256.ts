import { SlipwayError } from '@slipway/base';
import koffi from 'koffi';

/** OpenSSL as Node carries it and exports it for addons. */
const node = koffi.load(null);

const calls = {
  create: node.func('void *EVP_MD_CTX_new()'),
  sha256: node.func('const void *EVP_sha256()'),
  init: node.func('int EVP_DigestInit_ex(void *context, const void *type, const void *engine)'),
  update: node.func('int EVP_DigestUpdate(void *context, const void *bytes, size_t length)'),
  final: node.func('int EVP_DigestFinal_ex(void *context, void *digest, void *length)'),
  free: node.func('void EVP_MD_CTX_free(void *context)'),
} as const;

const DIGEST_BYTES = 32;

/**
 * SHA-256 of bytes that come in pieces, computed off this thread: Node's own hash of a blob would keep the daemon's only
 * one busy for longer than all else that it does with it.
 * @see EVP_DigestInit(3)
 */
export class Sha256 implements Disposable {
  readonly #context: unknown = calls.create();
  #isOpen = true;

  constructor() {
    this.#check(calls.init(this.#context, calls.sha256(), null));
  }

  /** Adds bytes. One call at a time, and the bytes must stay as they are until it resolves. */
  async update(bytes: Uint8Array): Promise<void> {
    const done = Promise.withResolvers<number>();
    calls.update.async(this.#context, bytes, bytes.byteLength, (error: unknown, result: number) =>
      error == null ? done.resolve(result) : done.reject(error),
    );
    this.#check(await done.promise);
  }

  /** The digest, in hexadecimal, of all that was added. Once. */
  digest(): string {
    const digest = Buffer.alloc(DIGEST_BYTES);
    this.#check(calls.final(this.#context, digest, null));
    return digest.toString('hex');
  }

  /** When no call is under way. */
  [Symbol.dispose](): void {
    if (this.#isOpen) calls.free(this.#context);
    this.#isOpen = false;
  }

  #check(result: unknown): void {
    if (result !== 1) throw new SlipwayError('Internal', 'OpenSSL cannot compute a SHA-256 digest');
  }
}
