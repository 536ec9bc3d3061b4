import { constants } from 'node:fs';
import type { ContextEntry } from '@slipway/api/build-session';
import { SlipwayError } from '@slipway/base';
import { z } from 'zod';
import type { FileStat } from '../buildkit/file-receiver.ts';
import { toGoMode } from '../buildkit/go-mode.ts';

const NS_PER_MS = 1e6;

const entriesSchema = z.array(
  z.object({
    path: z.string(),
    mode: z.int().nonnegative(),
    size: z.int().nonnegative(),
    mtimeMs: z.number(),
    link: z.string().optional(),
  }),
);

/** @throws InvalidArgument */
export function parseEntries(entries: unknown): ContextEntry[] {
  const parsed = entriesSchema.safeParse(entries);
  if (parsed.success) return parsed.data;
  throw new SlipwayError('InvalidArgument', 'the build client sent what is no list of files', {
    cause: parsed.error,
  });
}

/** Who owns a file on the client's machine means nothing here. */
export const toFileStat = ({ path, mode, size, mtimeMs, link }: ContextEntry): FileStat => ({
  path,
  mode: toGoMode(kindOf(mode), mode & 0o7777),
  uid: 0,
  gid: 0,
  size,
  modTime: mtimeMs * NS_PER_MS,
  linkname: link ?? '',
});

function kindOf(mode: number): 'file' | 'directory' | 'symlink' {
  switch (mode & constants.S_IFMT) {
    case constants.S_IFREG:
      return 'file';
    case constants.S_IFDIR:
      return 'directory';
    case constants.S_IFLNK:
      return 'symlink';
    default:
      throw new SlipwayError(
        'InvalidArgument',
        'the build client sent a file that is no file, folder or link',
      );
  }
}
