/** What an image's layer may hold and what its names mean, however it is kept. */
import { SlipwayError } from '@slipway/base';
import type { TarEntry } from '../tar/entry.ts';
import { printable } from '../tar/parser.ts';

/** Says to overlayfs that a folder shows nothing of the layers below. */
export const OPAQUE_XATTR = 'trusted.overlay.opaque';
export const OPAQUE = Buffer.from('y');

/**
 * The name without `.` parts and slashes at its ends; empty for the root.
 * @throws InvalidArgument for an absolute name, and one that goes up
 */
export function cleanName({ name }: Pick<TarEntry, 'name'>, entry: TarEntry = { name } as TarEntry): Buffer {
  if (isPlain(name)) return name;
  const parts = name.toString('latin1').split('/');
  if (parts[0] === '' && parts.some((part) => part !== '' && part !== '.')) {
    throw refused(entry, `has the absolute name "${printable(name)}"`);
  }
  const kept = parts.filter((part) => part !== '' && part !== '.');
  if (kept.includes('..')) throw refused(entry, `goes out of its folder with ".." in "${printable(name)}"`);
  return Buffer.from(kept.join('/'), 'latin1');
}

/** Whether no part of the name is empty or starts with a dot: nearly all names. */
function isPlain(name: Buffer): boolean {
  let previous = 0x2f;
  for (const byte of name) {
    if (previous === 0x2f && (byte === 0x2f || byte === 0x2e)) return false;
    previous = byte;
  }
  return previous !== 0x2f;
}

const UNSAFE_ARCHIVE = 'UNSAFE_ARCHIVE';

export const refused = (entry: TarEntry, why: string, cause?: unknown): SlipwayError =>
  new SlipwayError('InvalidArgument', `the archive is refused: entry "${printable(entry.name)}" ${why}`, {
    reason: UNSAFE_ARCHIVE,
    ...(cause === undefined ? {} : { cause }),
  });

export const isRefusal = (error: unknown): boolean =>
  error instanceof SlipwayError && error.reason === UNSAFE_ARCHIVE;

/** What a name that begins with `.wh.` says. */
export type Whiteout =
  /** The folder it is in shows nothing of the layers below. */
  | 'opaque'
  /** A mark of AUFS's own. */
  | 'nothing'
  | { readonly hidden: string };

export const WHITEOUT_PREFIX = '.wh.';

/**
 * What a name without its folder (latin1) says; undefined for one that is no whiteout.
 * @throws InvalidArgument for one that hides nothing
 * @see OCI image specification, layer.md, "Whiteouts"
 */
export function whiteoutOf(base: string, entry: TarEntry): Whiteout | undefined {
  if (!base.startsWith(WHITEOUT_PREFIX)) return undefined;
  if (base === '.wh..wh..opq') return 'opaque';
  if (base.startsWith('.wh..wh.')) return 'nothing';
  const hidden = base.slice(WHITEOUT_PREFIX.length);
  if (hidden === '' || hidden === '.' || hidden === '..') throw refused(entry, 'is a whiteout of nothing');
  return { hidden };
}

/** The attributes that are the image's to set: the overlay's own say where the kernel looks for a file. */
export function* imageXattrs({ xattrs }: TarEntry): Generator<[string, Buffer]> {
  for (const [name, value] of xattrs) {
    if (!name.startsWith('trusted.overlay.') && !name.includes('\0')) yield [name, value];
  }
}
