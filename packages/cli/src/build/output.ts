import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { SlipwayError } from '@slipway/base/errors';
import type { Output } from './options.ts';

/** Where the pieces of an archive go as they come. */
export interface OutputSink {
  write(bytes: Buffer): Promise<void>;
  /** All of it has come. @throws when it could not be written */
  end(): Promise<void>;
}

/** A file, standard output, or, of a folder's files, the folder. */
export async function openOutput({ type, destination }: Output, stdout: Writable): Promise<OutputSink> {
  if (type !== 'local') {
    const target = destination === '-' ? stdout : createWriteStream(destination);
    return sinkOf(target, async () => {
      if (target === stdout) return;
      target.end();
      await once(target, 'finish');
    });
  }
  await mkdir(destination, { recursive: true });
  const unpack = spawn('tar', ['-x', '--no-same-owner', '-C', destination], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  const closed = once(unpack, 'close') as Promise<[number | null]>;
  unpack.stdin.on('error', () => {});
  return sinkOf(unpack.stdin, async () => {
    unpack.stdin.end();
    const [code] = await closed;
    if (code !== 0) throw new SlipwayError('Internal', `tar could not write all files to ${destination}`);
  });
}

const sinkOf = (target: Writable, end: () => Promise<void>): OutputSink => ({
  async write(bytes) {
    if (!target.write(bytes)) await once(target, 'drain');
  },
  end,
});
