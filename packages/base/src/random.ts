import { randomBytes } from 'node:crypto';

/** The source of randomness, injected so that tests can fix it. */
export interface Random {
  /** `bytes` random bytes as lower-case hex. */
  hex(bytes: number): string;
  /** A whole number in `[0, below)`. */
  below(below: number): number;
}

/** Cryptographic randomness from the operating system. */
export const systemRandom: Random = {
  hex: (bytes) => randomBytes(bytes).toString('hex'),
  below: (below) => Math.floor((randomBytes(6).readUIntBE(0, 6) / 2 ** 48) * below),
};

/** An identifier of 64 hex digits, as Docker gives to containers, networks and execs. */
export const newId = (random: Random): string => random.hex(32);

/** The first 12 digits, as people are shown them. */
export const shortId = (id: string): string => id.replace(/^sha256:/, '').slice(0, 12);
