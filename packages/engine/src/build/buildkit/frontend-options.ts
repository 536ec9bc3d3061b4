import { SlipwayError } from '@slipway/base';
import { type ContextSource, isHttpUrl, parseGitSource } from '@slipway/build';
import { type Platform, parsePlatform } from '@slipway/oci';
import { type AttestationRequest, parseAttestations } from '../attest/request.ts';

/** What a client asks of the Dockerfile frontend. */
export interface FrontendOptions {
  readonly filename: string;
  /** The local sources' names with the client. */
  readonly dockerfileName: string;
  readonly contextName: string;
  /** Where the context is when the client does not send it. */
  readonly remoteContext: string | undefined;
  /** The context as an archive that is here already. */
  readonly upload: AsyncIterable<Uint8Array> | undefined;
  /** The Dockerfile is with the client although the context is not. */
  readonly hasOwnDockerfile: boolean;
  readonly target: string | undefined;
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly labels: ReadonlyMap<string, string>;
  readonly platforms: readonly Platform[];
  readonly noCache: boolean | readonly string[];
  readonly pull: boolean;
  readonly namedContexts: ReadonlyMap<string, ContextSource>;
  readonly network: 'default' | 'none' | 'host';
  readonly extraHosts: readonly string[];
  readonly hostname: string | undefined;
  readonly shmSizeBytes: number;
  readonly ulimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  /** The result names its platform although there is one: it becomes a part of an index. */
  readonly isPartOfIndex: boolean;
  readonly attestations: AttestationRequest;
  /** All of them as they came, for the provenance. */
  readonly given: Readonly<Record<string, string>>;
  /** A question about the Dockerfile instead of a build: `frontend.lint`. */
  readonly request: string | undefined;
}

export const DEFAULT_SHM_BYTES = 64 * 1024 * 1024;

/**
 * Reads the options of `dockerfile.v0`. `linked` are the images that other targets of the client came to, by context.
 * @throws InvalidArgument for a value that cannot be read; NotImplemented for what this door does not do
 * @see https://github.com/moby/buildkit/blob/master/frontend/dockerui/config.go
 */
export function parseFrontendOptions(
  given: Readonly<Record<string, string>>,
  linked: ReadonlyMap<string, string> = new Map(),
): FrontendOptions {
  const text = (key: string): string | undefined => given[key] || undefined;
  return {
    filename: text('filename') ?? 'Dockerfile',
    dockerfileName: text('dockerfilekey') ?? 'dockerfile',
    contextName: text('contextkey') ?? 'context',
    remoteContext: text('context'),
    upload: undefined,
    hasOwnDockerfile: given.dockerfilekey !== undefined,
    target: text('target'),
    buildArgs: withPrefix(given, 'build-arg:'),
    labels: withPrefix(given, 'label:'),
    platforms: list(given.platform).map(parsePlatform),
    noCache: given['no-cache'] === undefined ? false : given['no-cache'] === '' || list(given['no-cache']),
    pull: given['image-resolve-mode'] === 'pull',
    namedContexts: new Map(
      [...withPrefix(given, 'context:')].map(([name, value]) => [name, namedContext(name, value, linked)]),
    ),
    network: parseNetwork(text('force-network-mode')),
    extraHosts: list(given['add-hosts']).map((entry) => entry.replace('=', ':')),
    hostname: text('hostname') ?? text('build-arg:BUILDKIT_SANDBOX_HOSTNAME'),
    shmSizeBytes: parseBytes('shm-size', text('shm-size')) ?? DEFAULT_SHM_BYTES,
    ulimits: list(given.ulimit).map(parseUlimit),
    isPartOfIndex: given['multi-platform'] === 'true',
    attestations: parseAttestations(given),
    given,
    request: text('requestid'),
  };
}

/** Values have no commas in them but between entries. */
const list = (text: string | undefined): string[] =>
  (text ?? '').split(',').flatMap((part) => (part.trim() === '' ? [] : [part.trim()]));

const withPrefix = (given: Readonly<Record<string, string>>, prefix: string): Map<string, string> =>
  new Map(
    Object.entries(given).flatMap(([key, value]) =>
      key.startsWith(prefix) ? [[key.slice(prefix.length), value] as const] : [],
    ),
  );

/** A `--build-context`: `local:NAME`, `docker-image://…`, a git or web address. */
function namedContext(name: string, value: string, linked: ReadonlyMap<string, string>): ContextSource {
  const built = value.startsWith('input:') ? linked.get(value.slice('input:'.length)) : undefined;
  if (built !== undefined) return { kind: 'image', reference: built };
  if (value.startsWith('local:')) return { kind: 'local', name: value.slice('local:'.length), excludes: [] };
  if (value.startsWith('docker-image://')) {
    return { kind: 'image', reference: value.slice('docker-image://'.length) };
  }
  if (parseGitSource(value) !== undefined) return { kind: 'git', url: value };
  if (isHttpUrl(value)) return { kind: 'http', url: value };
  throw new SlipwayError(
    'NotImplemented',
    `build context ${name}: ${value} is not supported; use a folder, an image, a git repository or a web address`,
  );
}

function parseNetwork(mode: string | undefined): FrontendOptions['network'] {
  switch (mode) {
    case undefined:
    case 'sandbox':
    case 'default':
      return 'default';
    case 'host':
    case 'none':
      return mode;
    default:
      throw new SlipwayError('InvalidArgument', `invalid network mode ${mode}: use default, none or host`);
  }
}

function parseBytes(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new SlipwayError('InvalidArgument', `${name}: ${text} is not a number of bytes`);
}

function parseUlimit(text: string): FrontendOptions['ulimits'][number] {
  const [, name = '', soft = '', hard] = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(text) ?? [];
  if (name === '') throw new SlipwayError('InvalidArgument', `invalid ulimit ${text}: use NAME=SOFT[:HARD]`);
  return { name, soft: Number(soft), hard: Number(hard ?? soft) };
}
