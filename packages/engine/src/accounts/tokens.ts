import { type Clock, type Random, SlipwayError } from '@slipway/base';
import type { JWTPayload } from 'jose';
import type { Grant } from './accounts.ts';

/** The name of the registry in its tokens and challenges. */
export const SERVICE = 'slipway';

/** What a token says. `access` opens the door; `refresh` is good for another access token alone. */
export interface TokenClaims {
  readonly use: 'access' | 'refresh';
  /** Undefined: somebody who gave no name. */
  readonly account: string | undefined;
  /** The account's, when the token was made. */
  readonly generation: string | undefined;
  readonly grants: readonly Grant[];
}

interface Payload extends JWTPayload {
  readonly use?: TokenClaims['use'];
  readonly generation?: string;
  readonly access?: readonly {
    readonly type: string;
    readonly name: string;
    readonly actions: Grant['actions'];
  }[];
}

const KNOWN = 512;

/**
 * JSON Web Tokens that only this daemon can make.
 * @see https://distribution.github.io/distribution/spec/auth/jwt/
 */
export class Tokens {
  readonly #key: Uint8Array;
  readonly #clock: Clock;
  readonly #random: Random;
  /** Verified before: the same token comes with each request of a pull. */
  readonly #known = new Map<string, { readonly claims: TokenClaims; readonly untilMs: number }>();

  constructor({ secret, clock, random }: { secret: string; clock: Clock; random: Random }) {
    this.#key = Buffer.from(secret, 'hex');
    this.#clock = clock;
    this.#random = random;
  }

  async sign(claims: TokenClaims, expiresInSeconds: number): Promise<{ token: string; issuedAtMs: number }> {
    const { SignJWT } = await import('jose/jwt/sign');
    const issuedAtSeconds = Math.floor(this.#clock.nowMs() / 1000);
    const payload: Payload = {
      use: claims.use,
      ...(claims.generation === undefined ? {} : { generation: claims.generation }),
      access: claims.grants.map(({ repositories, actions }) => ({
        type: 'repository',
        name: repositories,
        actions,
      })),
    };
    const unsigned = new SignJWT(payload)
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setIssuer(SERVICE)
      .setAudience(SERVICE)
      .setIssuedAt(issuedAtSeconds)
      .setNotBefore(issuedAtSeconds)
      .setExpirationTime(issuedAtSeconds + expiresInSeconds)
      .setJti(this.#random.hex(8));
    if (claims.account !== undefined) unsigned.setSubject(claims.account);
    return { token: await unsigned.sign(this.#key), issuedAtMs: issuedAtSeconds * 1000 };
  }

  /** @throws Unauthenticated for a token that is not ours, was changed, or has expired */
  async verify(token: string): Promise<TokenClaims> {
    const known = this.#known.get(token);
    if (known !== undefined && this.#clock.nowMs() < known.untilMs) return known.claims;
    this.#known.delete(token);
    const { jwtVerify } = await import('jose/jwt/verify');
    let payload: Payload;
    try {
      const verified = await jwtVerify<Payload>(token, this.#key, {
        algorithms: ['HS256'],
        issuer: SERVICE,
        audience: SERVICE,
        requiredClaims: ['exp', 'use'],
        currentDate: new Date(this.#clock.nowMs()),
      });
      payload = verified.payload;
    } catch (cause) {
      const isExpired = cause instanceof Error && 'code' in cause && cause.code === 'ERR_JWT_EXPIRED';
      throw new SlipwayError(
        'Unauthenticated',
        isExpired
          ? 'the token has expired; log in again'
          : 'the token is not one of this registry; log in again',
        { reason: 'UNAUTHORIZED' },
      );
    }
    const claims: TokenClaims = {
      use: payload.use === 'access' ? 'access' : 'refresh',
      account: payload.sub,
      generation: payload.generation,
      grants: (payload.access ?? []).map(({ name, actions }) => ({ repositories: name, actions })),
    };
    this.#remember(token, claims, (payload.exp ?? 0) * 1000);
    return claims;
  }

  #remember(token: string, claims: TokenClaims, untilMs: number): void {
    this.#known.set(token, { claims, untilMs });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= KNOWN) break;
      this.#known.delete(oldest);
    }
  }
}
