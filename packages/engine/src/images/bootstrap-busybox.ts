import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { posix } from 'node:path';
import { promisify } from 'node:util';
import { isErrno, SlipwayError } from '@slipway/base';
import { hostPlatform, type Reference } from '@slipway/oci';
import { type WritableItem, writeTar } from '@slipway/store';
import type { ImageContext } from './context.ts';
import type { Image } from './image.ts';
import { imageFromTar } from './import.ts';
import type { Report } from './progress.ts';

const run = promisify(execFile);

/** Where Debian's busybox-static puts it. */
const BUSYBOX_PATH = '/bin/busybox';
const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const FOLDERS: Readonly<Record<string, number>> = {
  'bin/': 0o755,
  'dev/': 0o755,
  'etc/': 0o755,
  'home/': 0o755,
  'lib/': 0o755,
  'proc/': 0o755,
  'root/': 0o700,
  'run/': 0o755,
  'sbin/': 0o755,
  'sys/': 0o755,
  'tmp/': 0o1777,
  'usr/': 0o755,
  'usr/bin/': 0o755,
  'usr/sbin/': 0o755,
  'var/': 0o755,
  'var/spool/': 0o755,
  'var/tmp/': 0o1777,
  'var/www/': 0o755,
};

const FILES: Readonly<Record<string, string>> = {
  'etc/group':
    'root:x:0:\ndaemon:x:1:\nbin:x:2:\nsys:x:3:\nadm:x:4:\ntty:x:5:\ndisk:x:6:\nmail:x:8:\nwww-data:x:33:\nusers:x:100:\nnogroup:x:65534:\n',
  'etc/hostname': '',
  'etc/nsswitch.conf': 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n',
  'etc/passwd':
    'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nbin:x:2:2:bin:/bin:/bin/false\nsys:x:3:3:sys:/dev:/bin/false\nmail:x:8:8:mail:/var/spool/mail:/bin/false\nwww-data:x:33:33:www-data:/var/www:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n',
  'etc/shells': '/bin/sh\n/bin/ash\n',
};

/** An image of the machine's static busybox, with a link for each of its applets. @throws FailedPrecondition */
export async function busyboxImage(
  context: ImageContext,
  { references, report, signal }: { references: readonly Reference[]; report: Report; signal: AbortSignal },
): Promise<Image> {
  const binary = await readBusybox();
  const { stdout } = await run(BUSYBOX_PATH, ['--list-full'], { signal });
  const applets = stdout.split('\n').filter((path) => path !== '' && path !== 'bin/busybox');
  report({ status: `Packing busybox with ${applets.length} applets`, id: 'busybox' });
  return await imageFromTar(context, writeTar(members(binary, applets)), {
    config: { Env: [PATH], Cmd: ['sh'], Labels: { 'io.slipway.bootstrap': 'busybox' } },
    platform: hostPlatform(),
    // The package's date, not today's, so that the same busybox makes the same image.
    createdAt: (await stat(BUSYBOX_PATH)).mtime.toISOString(),
    history: { created_by: 'slipway image bootstrap busybox' },
    references,
    signal,
  });
}

async function readBusybox(): Promise<Buffer> {
  const install = 'install it with: apt-get install busybox-static';
  let binary: Buffer;
  try {
    binary = await readFile(BUSYBOX_PATH);
  } catch (cause) {
    if (!isErrno(cause, 'ENOENT')) throw cause;
    throw new SlipwayError('FailedPrecondition', `${BUSYBOX_PATH} is not there: ${install}`, { cause });
  }
  if (hasInterpreter(binary)) {
    throw new SlipwayError('FailedPrecondition', `${BUSYBOX_PATH} is linked dynamically: ${install}`);
  }
  return binary;
}

const PT_INTERP = 3;

/** Whether an ELF file asks for a dynamic linker. @see ELF-64 Object File Format, "Program header" */
function hasInterpreter(elf: Buffer): boolean {
  const is64 = elf[4] === 2;
  const offset = is64 ? Number(elf.readBigUInt64LE(32)) : elf.readUInt32LE(28);
  const size = elf.readUInt16LE(is64 ? 54 : 42);
  const count = elf.readUInt16LE(is64 ? 56 : 44);
  return Array.from({ length: count }, (_, index) => elf.readUInt32LE(offset + index * size)).includes(
    PT_INTERP,
  );
}

function* members(binary: Buffer, applets: readonly string[]): Generator<WritableItem> {
  const folders = new Map(Object.entries(FOLDERS));
  for (const path of applets) addFolders(folders, path);
  for (const [name, mode] of [...folders].sort(([a], [b]) => (a < b ? -1 : 1))) {
    yield { entry: { name, type: 'directory', mode } };
  }
  yield file('bin/busybox', 0o755, binary);
  for (const name of [...applets].sort()) {
    yield { entry: { name, type: 'symlink', mode: 0o777, linkName: '/bin/busybox' } };
  }
  for (const [name, text] of Object.entries(FILES)) yield file(name, 0o644, Buffer.from(text));
}

function addFolders(folders: Map<string, number>, path: string): void {
  for (let folder = posix.dirname(path); folder !== '.'; folder = posix.dirname(folder)) {
    if (!folders.has(`${folder}/`)) folders.set(`${folder}/`, 0o755);
  }
}

const file = (name: string, mode: number, bytes: Buffer): WritableItem => ({
  entry: { name, mode, sizeBytes: bytes.length },
  body: [bytes],
});
