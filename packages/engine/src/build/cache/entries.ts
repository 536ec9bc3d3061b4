import { SlipwayError } from '@slipway/base';
import type { CacheMode } from '@slipway/build';
import { parseReference, type Reference, withDefaultTag } from '@slipway/oci';

/** A `--cache-from` or `--cache-to`, as clients send it. */
export interface CacheEntry {
  readonly type: string;
  readonly attrs: Readonly<Record<string, string>>;
}

/** Where the steps of other builders are looked for. */
export type CacheSource =
  /** A cache in a registry, or an image that has one within it. */
  | { readonly type: 'registry'; readonly reference: Reference }
  /** A folder of the client, which holds the manifest of this digest. */
  | { readonly type: 'local'; readonly folder: string; readonly digest: string };

/** Where the steps of a build go beside its image. */
export type CacheTarget = {
  readonly mode: CacheMode;
  /** A failure of it does not fail the build. */
  readonly ignoresErrors: boolean;
} & (
  | {
      readonly type: 'registry';
      readonly reference: Reference;
      /** Written as a manifest, or as the index that older readers want. */
      readonly asManifest: boolean;
    }
  | {
      readonly type: 'local';
      readonly folder: string;
      readonly isPlain: boolean;
      readonly asManifest: boolean;
    }
  /** Into the image itself. */
  | { readonly type: 'inline' }
);

/** @throws InvalidArgument for one that is not whole; NotImplemented for a kind of cache that is not known */
export function parseCacheSource({ type, attrs }: CacheEntry): CacheSource {
  switch (type) {
    case 'registry':
      return { type, reference: referenceOf('--cache-from', attrs) };
    case 'local': {
      const folder = required('--cache-from', type, 'src', attrs);
      return { type, folder, digest: required('--cache-from', type, 'digest', attrs) };
    }
    case 'inline':
      throw new SlipwayError(
        'InvalidArgument',
        '--cache-from type=inline is not known: an inline cache is in an image, name it with type=registry,ref=IMAGE',
      );
    default:
      throw unknown('--cache-from', type, 'registry or local');
  }
}

/** @throws InvalidArgument for one that is not whole; NotImplemented for a kind of cache that is not known */
export function parseCacheTarget({ type, attrs }: CacheEntry): CacheTarget {
  const common = { mode: modeOf(attrs), ignoresErrors: isTrue(attrs['ignore-error']) };
  switch (type) {
    case 'inline':
      return { ...common, type, mode: 'min' };
    case 'registry': {
      compressionOf(type, attrs, ['gzip']);
      const reference = referenceOf('--cache-to', attrs);
      if (reference.digest !== undefined) {
        throw new SlipwayError('InvalidArgument', '--cache-to ref= must be a tag, and no digest');
      }
      return { ...common, type, reference, asManifest: asManifestOf(attrs) };
    }
    case 'local': {
      const isPlain = compressionOf(type, attrs, ['gzip', 'uncompressed']) === 'uncompressed';
      const folder = required('--cache-to', type, 'dest', attrs);
      return { ...common, type, folder, isPlain, asManifest: asManifestOf(attrs) };
    }
    default:
      throw unknown('--cache-to', type, 'inline, registry or local');
  }
}

/** `type=registry,ref=…`, or the name of an image alone. @throws InvalidArgument */
export function parseCacheText(text: string): CacheEntry {
  const fields = text.split(',');
  if (!text.includes('=') && fields.length === 1) return { type: 'registry', attrs: { ref: text } };
  const attrs: Record<string, string> = {};
  for (const field of fields) {
    const equals = field.indexOf('=');
    if (equals < 1) {
      throw new SlipwayError('InvalidArgument', `cache "${text}": write it as type=registry,ref=NAME`);
    }
    attrs[field.slice(0, equals).trim().toLowerCase()] = field.slice(equals + 1).trim();
  }
  const { type, ...rest } = attrs;
  if (type !== undefined) return { type, attrs: rest };
  throw new SlipwayError('InvalidArgument', `cache "${text}" says no type: write type=registry,ref=NAME`);
}

/** Whether an argument of the build asks for an inline cache, as clients without `--cache-to` do. */
export const hasInlineArgument = (buildArgs: ReadonlyMap<string, string>): boolean =>
  isTrue(buildArgs.get('BUILDKIT_INLINE_CACHE')?.toLowerCase());

const unknown = (flag: string, type: string, known: string) =>
  new SlipwayError('NotImplemented', `${flag} type=${type} is not supported: use ${known}`);

function required(flag: string, type: string, key: string, attrs: CacheEntry['attrs']): string {
  const value = attrs[key];
  if (value) return value;
  throw new SlipwayError('InvalidArgument', `${flag} type=${type} needs ${key}=`);
}

function referenceOf(flag: string, attrs: CacheEntry['attrs']): Reference {
  return withDefaultTag(parseReference(required(flag, 'registry', 'ref', attrs)));
}

function modeOf({ mode = 'min' }: CacheEntry['attrs']): CacheMode {
  if (mode === 'min' || mode === 'max') return mode;
  throw new SlipwayError('InvalidArgument', `--cache-to mode=${mode} is not known: use min or max`);
}

function compressionOf(type: string, attrs: CacheEntry['attrs'], known: readonly string[]): string {
  const compression = attrs.compression ?? 'gzip';
  if (known.includes(compression)) return compression;
  throw new SlipwayError(
    'NotImplemented',
    `--cache-to type=${type},compression=${compression} is not supported: use ${known.join(' or ')}`,
  );
}

function asManifestOf(attrs: CacheEntry['attrs']): boolean {
  if (attrs['oci-mediatypes'] !== undefined && !isTrue(attrs['oci-mediatypes'])) {
    throw new SlipwayError(
      'NotImplemented',
      '--cache-to oci-mediatypes=false is not supported: leave it out',
    );
  }
  return attrs['image-manifest'] === undefined || isTrue(attrs['image-manifest']);
}

const isTrue = (text: string | undefined): boolean => text === 'true' || text === '1';
