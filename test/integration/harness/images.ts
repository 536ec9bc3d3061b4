import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isErrno } from '@slipway/base';
import { checkoutRoot } from '../../architecture/source-files.ts';
import { mustRun, sleep } from './command.ts';

const cacheRoot = join(checkoutRoot, '.cache/images');
/** Change it when what the image holds changes. */
const BUSYBOX_REVISION = 2;

/**
 * A `docker load`able archive of `busybox:latest`, made of Debian's busybox-static and the same for every engine;
 * kept in the checkout's cache.
 */
export async function busyboxArchive(): Promise<string> {
  const path = join(cacheRoot, `busybox-${BUSYBOX_REVISION}.tar`);
  if (existsSync(path)) return path;
  const work = await mkdtemp(join(tmpdir(), 'slipway-busybox-'));
  try {
    const rootfs = join(work, 'rootfs');
    await mustRun(['sh', '-ec', POPULATE_BUSYBOX, 'sh', rootfs]);
    await packImage({ rootfs, work, archive: path, tag: 'busybox:latest', command: ['sh'] });
    return path;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const POPULATE_BUSYBOX = `
mkdir -p "$1" && cd "$1"
mkdir -p bin dev etc home proc root sys tmp usr/bin var/spool
chmod 1777 tmp && chmod 700 root
cp "$(command -v busybox)" bin/busybox
bin/busybox --list | grep -vx busybox | while read -r applet; do ln -s busybox "bin/$applet"; done
printf 'root:x:0:0:root:/root:/bin/sh\\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\\nsome:x:1000:1001:Some One:/home/some:/bin/sh\\n' > etc/passwd
printf 'root:x:0:\\ndaemon:x:1:\\nsome:x:1001:\\nextra:x:2000:some\\n' > etc/group
mkdir -p home/some var/kept && chown 1000:1001 home/some
echo kept > var/kept/file && chown -R 1000:1001 var/kept && chmod 750 var/kept
`;

/** What packages bring and no test needs: half of what they take. */
const UNUSED = [
  '/usr/share/doc/*',
  '/usr/share/man/*',
  '/usr/share/locale/*',
  '/usr/lib/jvm/*/jmods/*',
  '/usr/lib/go-*/pkg/*/cmd/*',
  '/usr/share/go-*/src/cmd/*',
  '/usr/share/go-*/test/*',
  '/usr/bin/*-lto-dump-*',
];

/**
 * A `docker load`able archive of Debian with these packages, under a name that is no registry's, so that nothing is fetched
 * for it; kept in the checkout's cache. It takes a minute or two the first time.
 * @param tag `NAME:REVISION`: change it when what the image holds changes
 */
export async function debianArchive(tag: string, packages: readonly string[]): Promise<string> {
  const archive = join(cacheRoot, `${tag.replace(':', '-')}.tar`);
  mkdirSync(cacheRoot, { recursive: true });
  while (!existsSync(archive)) {
    using lock = takeLock(`${archive}.making`);
    if (lock === undefined) await sleep(500);
    else if (!existsSync(archive)) await makeDebianArchive(archive, tag, packages);
  }
  return archive;
}

/** Test files run side by side, and one of them makes it. Undefined while another does; one that died does no more. */
function takeLock(path: string): Disposable | undefined {
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx' });
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
    if (existsSync(path) && !existsSync(`/proc/${readFileSync(path, 'utf8')}`)) rmSync(path, { force: true });
    return undefined;
  }
  return { [Symbol.dispose]: () => rmSync(path, { force: true }) };
}

async function makeDebianArchive(archive: string, tag: string, packages: readonly string[]): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'slipway-debian-'));
  try {
    const rootfs = join(work, 'rootfs');
    const trim = UNUSED.map((path) => `--dpkgopt=path-exclude=${path}`);
    // Java's package makes links into its manual.
    const links = '--essential-hook=mkdir -p "$1/usr/share/man/man1"';
    await mustRun(
      [
        'mmdebstrap',
        '--quiet',
        '--variant=minbase',
        `--include=${packages.join(',')}`,
        ...trim,
        links,
        'bookworm',
        rootfs,
      ],
      { timeoutMs: 900_000 },
    );
    await mustRun(['find', join(rootfs, 'dev'), '-mindepth', '1', '-delete']);
    await packImage({ rootfs, work, archive, tag, command: ['sh'] });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Languages, servers and tools, as Dockerfiles of public projects install them; one image, for each takes long to install. */
export const TOOLCHAINS = {
  tag: 'toolchains:2',
  packages: [
    ...[
      'nodejs',
      'npm',
      'python3-venv',
      'python3-pip',
      'python3-poetry',
      'default-jdk-headless',
      'maven-debian-helper',
      'libmaven-dependency-plugin-java',
      'gradle',
    ],
    ...['golang-go', 'php-cli', 'ruby', 'ruby-sinatra', 'puma', 'perl', 'gcc', 'libc6-dev', 'make', 'cmake'],
    ...[
      'redis-server',
      'nginx-light',
      'lighttpd',
      'supervisor',
      'cron',
      'gosu',
      'sqlite3',
      'postgresql',
      'tini',
    ],
    ...['git', 'openssh-client', 'openssh-server', 'ca-certificates', 'procps'],
  ],
} as const;

export interface PackImageOptions {
  readonly rootfs: string;
  /** A folder for what is needed on the way. */
  readonly work: string;
  readonly archive: string;
  readonly tag: string;
  readonly command: readonly string[];
}

/** Packs a folder as a one-layer docker archive, the same bytes for the same folder. */
export async function packImage({ rootfs, work, archive, tag, command }: PackImageOptions): Promise<void> {
  const layer = join(work, 'layer.tar');
  const order = ['--sort=name', '--mtime=@1700000000', '--numeric-owner', '--format=gnu'];
  await mustRun(['tar', ...order, '-C', rootfs, '-cf', layer, '.'], { timeoutMs: 300_000 });
  const diffId = (await mustRun(['sha256sum', layer])).text.split(' ')[0];
  const config = JSON.stringify({
    architecture: { x64: 'amd64', arm64: 'arm64' }[process.arch as string] ?? process.arch,
    os: 'linux',
    created: '2023-11-14T22:13:20Z',
    config: { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], Cmd: command },
    rootfs: { type: 'layers', diff_ids: [`sha256:${diffId}`] },
    history: [{ created: '2023-11-14T22:13:20Z', created_by: 'slipway test' }],
  });
  const configName = `${createHash('sha256').update(config).digest('hex')}.json`;
  writeFileSync(join(work, configName), config);
  writeFileSync(
    join(work, 'manifest.json'),
    JSON.stringify([{ Config: configName, RepoTags: [tag], Layers: ['layer.tar'] }]),
  );
  mkdirSync(join(archive, '..'), { recursive: true });
  const partial = `${archive}.${process.pid}`;
  const names = ['manifest.json', configName, 'layer.tar'];
  await mustRun(['tar', ...order, '-C', work, '-cf', partial, ...names], { timeoutMs: 300_000 });
  renameSync(partial, archive);
}

/** The bytes of `busyboxArchive`, for tests that damage them. */
export const busyboxBytes = async (): Promise<Buffer> => readFile(await busyboxArchive());
