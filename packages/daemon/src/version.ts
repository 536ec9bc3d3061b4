import { readFileSync } from 'node:fs';
import manifest from '../package.json' with { type: 'json' };

/** Slipway's own version. */
export const SLIPWAY_VERSION = manifest.version;

/** The commit this checkout is at, in 12 digits; empty where it is no checkout. */
export function readCommit(checkout = new URL('../../../.git/', import.meta.url)): string {
  try {
    const head = readFileSync(new URL('HEAD', checkout), 'utf8').trim();
    const branch = /^ref: (\S+)$/.exec(head)?.[1];
    const commit = branch === undefined ? head : readFileSync(new URL(branch, checkout), 'utf8').trim();
    return commit.slice(0, 12);
  } catch {
    return '';
  }
}
