import { closeSync, constants, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { type HostPath, SlipwayError } from '@slipway/base';
import { packetType } from './file-sync.ts';
import { toGoMode } from './go-mode.ts';
import type { Call } from './session-connection.ts';

const CHUNK_BYTES = 32 * 1024;

/**
 * Sends a folder's files to a client that takes them with fsutil's protocol, as `--output type=local` does: what the folder
 * has first, then the bytes of what is asked for. Sockets, pipes and devices stay behind.
 */
export async function sendFiles(call: Call, folder: HostPath): Promise<void> {
  const files: (string | undefined)[] = [];
  for (const entry of walk(folder, '')) {
    files.push(entry.isFile ? entry.stat.path : undefined);
    await call.send({ type: packetType.stat, stat: entry.stat });
  }
  await call.send({ type: packetType.stat });
  for await (const packet of call.messages) {
    switch (packet.type) {
      case packetType.request:
        await sendFile(call, { folder, path: files[packet.ID], id: packet.ID });
        break;
      case packetType.fin:
        await call.send({ type: packetType.fin });
        call.endSending();
        break;
      case packetType.error:
        throw new SlipwayError('Internal', `the build client could not write: ${packet.data.toString()}`);
    }
  }
  await call.done;
}

/** Parents before what is in them, each folder in the order of its names' bytes. */
function* walk(
  folder: string,
  below: string,
): Generator<{ isFile: boolean; stat: { path: string; [field: string]: unknown } }> {
  const names = readdirSync(join(folder, below)).sort((a, b) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b)),
  );
  for (const name of names) {
    const path = below === '' ? name : `${below}/${name}`;
    const there = lstatSync(join(folder, path), { bigint: true });
    const kind = there.isDirectory() ? 'directory' : there.isSymbolicLink() ? 'symlink' : 'file';
    if (kind === 'file' && !there.isFile()) continue;
    yield {
      isFile: kind === 'file',
      stat: {
        path,
        mode: toGoMode(kind, Number(there.mode & 0o7777n)),
        uid: Number(there.uid),
        gid: Number(there.gid),
        size: kind === 'file' ? Number(there.size) : 0,
        modTime: String(there.mtimeNs),
        ...(kind === 'symlink' ? { linkname: readlinkSync(join(folder, path)) } : {}),
      },
    };
    if (kind === 'directory') yield* walk(folder, path);
  }
}

async function sendFile(
  call: Call,
  { folder, path, id }: { folder: string; path: string | undefined; id: number },
): Promise<void> {
  if (path === undefined)
    throw new SlipwayError('InvalidArgument', `the build client asked for file ${id}, which is none`);
  const fd = openSync(join(folder, path), constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    for (;;) {
      const data = Buffer.allocUnsafe(CHUNK_BYTES);
      const bytes = readSync(fd, data);
      if (bytes === 0) break;
      await call.send({ type: packetType.data, ID: id, data: data.subarray(0, bytes) });
    }
  } finally {
    closeSync(fd);
  }
  await call.send({ type: packetType.data, ID: id });
}
