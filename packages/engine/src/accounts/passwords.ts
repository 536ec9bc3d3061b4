import { createHmac, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { type Clock, SlipwayError } from '@slipway/base';

/** 16 MiB of memory and about a tenth of a second for one guess. @see RFC 7914 */
const COST = { N: 2 ** 14, r: 8, p: 5 };
const HASH_BYTES = 32;
const SALT_BYTES = 16;
/** How long a password that was right needs no hashing. */
const REMEMBER_MS = 5 * 60 * 1000;
const REMEMBERED = 256;
/** More guesses at once than this are turned away. */
const MOST_WAITING = 64;

/** `scrypt$N$r$p$SALT$HASH`, the last two in base64. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const hash = await derive(password, salt, COST);
  return ['scrypt', COST.N, COST.r, COST.p, salt.toString('base64'), hash.toString('base64')].join('$');
}

/**
 * Compares passwords with their hashes, one at a time, so that guesses do not take the daemon's memory. What was right is
 * remembered briefly under a keyed hash: clients send the password with every request.
 */
export class PasswordCheck {
  readonly #clock: Clock;
  readonly #key = randomBytes(32);
  readonly #known = new Map<string, { readonly isRight: Promise<boolean>; readonly atMs: number }>();
  #turn: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Whether the password has this hash; without a hash it takes as long, and is wrong.
   * @throws ResourceExhausted when too many are being compared
   */
  async isRight(password: string, hash: string | undefined): Promise<boolean> {
    if (hash === undefined) return await this.#inTurn(() => compare(password, NOBODY));
    const digest = createHmac('sha256', this.#key).update(`${hash}\0${password}`).digest('base64');
    const known = this.#known.get(digest);
    const nowMs = this.#clock.monotonicMs();
    if (known !== undefined && nowMs - known.atMs < REMEMBER_MS) return await known.isRight;
    const isRight = this.#inTurn(() => compare(password, hash));
    this.#remember(digest, isRight, nowMs);
    try {
      const right = await isRight;
      if (!right) this.#known.delete(digest);
      return right;
    } catch (error) {
      this.#known.delete(digest);
      throw error;
    }
  }

  #remember(digest: string, isRight: Promise<boolean>, atMs: number): void {
    this.#known.delete(digest);
    this.#known.set(digest, { isRight, atMs });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= REMEMBERED) break;
      this.#known.delete(oldest);
    }
  }

  async #inTurn(work: () => Promise<boolean>): Promise<boolean> {
    if (this.#waiting >= MOST_WAITING) {
      throw new SlipwayError('ResourceExhausted', 'too many logins at once; try again in a moment', {
        reason: 'TOOMANYREQUESTS',
      });
    }
    this.#waiting++;
    const mine = this.#turn.then(work).finally(() => this.#waiting--);
    this.#turn = mine.catch(() => {});
    return await mine;
  }
}

const NOBODY = ['scrypt', COST.N, COST.r, COST.p, Buffer.alloc(SALT_BYTES).toString('base64'), ''].join('$');

async function compare(password: string, encoded: string): Promise<boolean> {
  const [, N, r, p, salt = '', hash = ''] = encoded.split('$');
  const found = await derive(password, Buffer.from(salt, 'base64'), {
    N: Number(N),
    r: Number(r),
    p: Number(p),
  });
  const expected = Buffer.from(hash, 'base64');
  return expected.byteLength === found.byteLength && timingSafeEqual(expected, found);
}

function derive(password: string, salt: Uint8Array, cost: typeof COST): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  scrypt(password.normalize('NFKC'), salt, HASH_BYTES, cost, (error, hash) =>
    error === null ? resolve(hash) : reject(error),
  );
  return promise;
}
