import { SlipwayError } from '@slipway/base';
import type { ApiVersion } from './route.ts';

/** The oldest and newest version of an API that is served. */
export interface VersionRange {
  readonly oldest: ApiVersion;
  readonly newest: ApiVersion;
}

/** Negative when `a` is older than `b`, positive when newer, 0 when the same. */
export function compareVersions(a: ApiVersion, b: ApiVersion): number {
  const [aMajor = 0, aMinor = 0] = a.split('.').map(Number);
  const [bMajor = 0, bMinor = 0] = b.split('.').map(Number);
  return aMajor - bMajor || aMinor - bMinor;
}

/**
 * The path without its version prefix (`/v1.44/info`), and the version asked for: the newest when it has none.
 * @throws InvalidArgument in Docker's words when the version is out of range.
 */
export function splitVersion(
  path: string,
  range: VersionRange | undefined,
): { version: ApiVersion; path: string } {
  if (range === undefined) return { version: '0.0', path };
  const match = /^\/v(\d{1,5}\.\d{1,5})(?=\/)/.exec(path);
  if (match === null) return { version: range.newest, path };
  const version = match[1] as ApiVersion;
  if (compareVersions(version, range.oldest) < 0) {
    throw new SlipwayError(
      'InvalidArgument',
      `client version ${version} is too old. Minimum supported API version is ${range.oldest}, please upgrade your client to a newer version`,
    );
  }
  if (compareVersions(version, range.newest) > 0) {
    throw new SlipwayError(
      'InvalidArgument',
      `client version ${version} is too new. Maximum supported API version is ${range.newest}`,
    );
  }
  return { version, path: path.slice(match[0].length) };
}
