import { zipOf as zipOfEntries } from '../../../packages/serverless/src/functions/code/testing.ts';

const REGULAR_FILE = 0o100000;
const DEFAULT_MODE = 0o644;

export interface ZipEntry {
  readonly content: string | Buffer;
  /** Permissions; 0o644 unless said otherwise. */
  readonly mode?: number;
}

/** A zip archive of these files. */
export const zipOf = (files: Readonly<Record<string, string | Buffer | ZipEntry>>): Buffer =>
  zipOfEntries(
    Object.entries(files).map(([name, given]) => {
      const entry: ZipEntry =
        typeof given === 'string' || Buffer.isBuffer(given) ? { content: given } : given;
      return { name, content: entry.content, mode: REGULAR_FILE | (entry.mode ?? DEFAULT_MODE) };
    }),
  );
