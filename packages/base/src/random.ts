import { randomBytes, randomFillSync } from 'node:crypto';

/** The source of randomness, injected so that tests can fix it. */
export interface Random {
  /** `bytes` random bytes as lower-case hex. */
  hex(bytes: number): string;
  /** A whole number in `[0, below)`. */
  below(below: number): number;
}

/** Asking the operating system takes longer than all else that an id needs: it is asked for many at once. */
class Reserve {
  readonly #bytes = Buffer.alloc(4096);
  #usedBytes = this.#bytes.length;

  hex(count: number): string {
    if (count > this.#bytes.length) return randomBytes(count).toString('hex');
    if (this.#usedBytes + count > this.#bytes.length) {
      randomFillSync(this.#bytes);
      this.#usedBytes = 0;
    }
    const taken = this.#bytes.subarray(this.#usedBytes, this.#usedBytes + count);
    this.#usedBytes += count;
    const text = taken.toString('hex');
    // It may have become a secret, and is nobody else's.
    taken.fill(0);
    return text;
  }
}

const reserve = new Reserve();

/** Cryptographic randomness from the operating system. */
export const systemRandom: Random = {
  hex: (bytes) => reserve.hex(bytes),
  below: (below) => Math.floor((randomBytes(6).readUIntBE(0, 6) / 2 ** 48) * below),
};

/** An identifier of 64 hex digits, as Docker gives to containers, networks and execs. */
export const newId = (random: Random): string => random.hex(32);

/** The first 12 digits, as people are shown them. */
export const shortId = (id: string): string => id.replace(/^sha256:/, '').slice(0, 12);

/** A random UUID, version 4. @see RFC 9562, section 5.4 */
export function newUuid(random: Random): string {
  const hex = random.hex(16);
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
}
