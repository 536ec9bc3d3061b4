import { isAbsolute, normalize } from 'node:path';
import { type HostPath, hostPath } from '@slipway/base';
import { awsError } from '../aws/index.ts';
import { invalidParameter } from './errors.ts';

/** What functions can have here beyond Lambda's API. Any client can say it, in tags of the function. */
export interface Extensions {
  readonly network: 'outbound' | 'none';
  /** An OCI runtime of the engine. */
  readonly isolation: string | undefined;
  /** A folder that stands for the code. */
  readonly sourceFolder: HostPath | undefined;
}

const PREFIX = 'slipway:';
const NETWORK = `${PREFIX}network`;
const ISOLATION = `${PREFIX}isolation`;
const SOURCE = `${PREFIX}source`;

type Tags = Readonly<Record<string, string>>;

export function readExtensions(tags: Tags): Extensions {
  const source = tags[SOURCE];
  return {
    network: tags[NETWORK] === 'none' ? 'none' : 'outbound',
    isolation: tags[ISOLATION],
    sourceFolder: source === undefined ? undefined : hostPath(source),
  };
}

/** The same for functions that ask for the same; empty for those that ask for nothing. */
export const extensionsKey = (tags: Tags): string =>
  [NETWORK, ISOLATION, SOURCE]
    .flatMap((key) => (tags[key] === undefined ? [] : [`${key}=${tags[key]}`]))
    .join(' ');

/**
 * @throws InvalidArgument for a reserved tag that is unknown or has a wrong value; PermissionDenied for a source folder from
 * anybody but who may use the Unix socket: it shows the host's files to the function
 */
export function checkExtensions(
  tags: Tags,
  { isRoot, isolations }: { readonly isRoot: boolean; readonly isolations: readonly string[] },
): void {
  for (const [key, value] of Object.entries(tags)) {
    if (!key.startsWith(PREFIX)) continue;
    switch (key) {
      case NETWORK:
        if (value !== 'outbound' && value !== 'none') throw wrong(key, value, 'outbound or none');
        break;
      case ISOLATION:
        if (!isolations.includes(value)) throw wrong(key, value, `one of ${isolations.join(', ')}`);
        break;
      case SOURCE:
        if (!isRoot) {
          throw awsError(
            'PermissionDenied',
            'AccessDeniedException',
            `tag ${SOURCE} is taken over the Unix socket alone: it gives a function a folder of the host`,
          );
        }
        if (!isAbsolute(value) || normalize(value) !== value) throw wrong(key, value, 'an absolute path');
        break;
      default:
        throw invalidParameter(
          `tag ${key}: tags that begin with ${PREFIX} are ${NETWORK}, ${ISOLATION}, ${SOURCE}`,
        );
    }
  }
}

const wrong = (key: string, value: string, allowed: string) =>
  invalidParameter(`tag ${key}: "${value}" must be ${allowed}`);
