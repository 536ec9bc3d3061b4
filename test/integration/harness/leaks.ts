import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, runCommand, sleep } from './command.ts';
import type { Engine } from './engine.ts';

/** Namespaces that an engine may keep ready for containers to come. */
const READY_NAMESPACES = 8;
/** Descriptors may come and go with keep-alive connections and watchers; a leak grows with every container. */
const DESCRIPTOR_SLACK = 12;
const SETTLE_TIMEOUT_MS = 8_000;

/** What an engine without containers holds of the host. */
export interface Holdings {
  readonly descriptors: number;
}

export const readHoldings = (engine: Engine): Holdings => ({ descriptors: countDescriptors(engine.pid) });

/** Removes every container, volume and network, and fails when something of them is left anywhere on the host. */
export async function assertNoLeaks(engine: Engine, before: Holdings): Promise<void> {
  // One with --rm may be going by itself.
  await eventually('every container is removed', async () => {
    const ids = (await engine.mustDocker('ps', '-aq', '--no-trunc')).split('\n').filter(Boolean);
    return ids.length === 0 || (await engine.docker('rm', '-f', '-v', ...ids)).code === 0;
  });
  await engine.mustDocker('volume', 'prune', '-af');
  await engine.mustDocker('network', 'prune', '-f');
  let leaks: readonly string[] = [];
  for (let waitedMs = 0; waitedMs <= SETTLE_TIMEOUT_MS; waitedMs += 200) {
    leaks = await findLeaks(engine, before);
    if (leaks.length === 0) return;
    await sleep(200);
  }
  throw new Error(`left behind after every container was removed:\n  ${leaks.join('\n  ')}`);
}

async function findLeaks(engine: Engine, before: Holdings): Promise<string[]> {
  return [
    ...leakedMounts(engine),
    ...loopDevices(engine),
    ...(await leakedLinks(engine)),
    ...(await leakedRules(engine)),
    ...leakedCgroups(engine),
    ...(await leakedUnderCgroups(engine)),
    ...leakedProcesses(engine),
    ...leakedFiles(engine),
    ...(await leakedSnapshots(engine)),
    ...leakedDescriptors(engine, before),
    ...leakedLayerMounts(engine),
  ];
}

/** What is mounted on the host below an engine's root: the network namespaces that it keeps ready, and all else. */
export function hostMounts(engine: Engine): { ready: string[]; others: string[] } {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(`${engine.root}/`))
    .map((line) => line.split(' ')[4] ?? line)
    .filter((path) => path !== engine.dataRoot);
  return {
    ready: mounts.filter((path) => /\/netns(\/|$)/.test(path)),
    others: mounts.filter((path) => !/\/netns(\/|$)/.test(path)),
  };
}

function leakedMounts(engine: Engine): string[] {
  const { ready, others } = hostMounts(engine);
  return [
    ...others.map((path) => `mount ${path}`),
    ...(ready.length > READY_NAMESPACES ? [`${ready.length} network namespaces`] : []),
  ];
}

/** The disks of an engine, in use: files below its root, with or without a name. */
export function loopDevices(engine: Engine): string[] {
  return readdirSync('/sys/block')
    .filter((name) => name.startsWith('loop'))
    .flatMap((name) => {
      try {
        const file = readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8').trim();
        return file.startsWith(`${engine.root}/`) ? [`/dev/${name} of ${file}`] : [];
      } catch {
        return [];
      }
    });
}

async function leakedLinks(engine: Engine): Promise<string[]> {
  const links = JSON.parse((await runCommand(['ip', '-d', '-j', 'link', 'show'])).stdout) as {
    ifname: string;
    ifalias?: string;
    linkinfo?: { info_kind?: string };
  }[];
  const owner = /^slipway (\w{4})/.exec(
    links.find((link) => link.ifname === engine.bridgeName)?.ifalias ?? '',
  );
  if (owner === null) return [];
  const bridges = links.filter(
    (link) => link.ifalias?.startsWith(owner[0]) && link.ifname !== engine.bridgeName,
  );
  const veths = links.filter((link) => link.ifname.startsWith(`v${owner[1]}`));
  return [
    ...bridges.map((link) => `bridge ${link.ifname}`),
    ...(veths.length > READY_NAMESPACES ? [`${veths.length} veth pairs`] : []),
  ];
}

async function leakedRules(engine: Engine): Promise<string[]> {
  const table = (await runCommand(['nft', 'list', 'table', 'ip', `slipway_${engine.bridgeName}`])).stdout;
  return table
    .split('\n')
    .filter((line) => /\bdnat to \d|: \d+\.\d+\.\d+\.\d+ \. \d+/.test(line))
    .map((line) => `nft ${line.trim()}`);
}

function leakedCgroups(engine: Engine): string[] {
  const controllers = readdirSync('/sys/fs/cgroup', { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  );
  return ['', ...controllers.map(({ name }) => name)].flatMap((controller) => {
    const parent = join('/sys/fs/cgroup', controller, engine.cgroupParent);
    return listDirectories(parent).map((name) => `cgroup ${join(parent, name)}`);
  });
}

/** On a hybrid host, what a runtime that did not see the v2 hierarchy left in the folder that it is mounted on. */
async function leakedUnderCgroups(engine: Engine): Promise<string[]> {
  const script = 'mount --bind /sys/fs/cgroup "$1" && ls -A "$1/unified/$2" 2>/dev/null || true';
  const look = ['unshare', '--mount', 'sh', '-c', script, 'sh', engine.root, engine.cgroupParent];
  const { stdout } = await runCommand(look);
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((name) => `under /sys/fs/cgroup/unified: ${name}`);
}

function leakedProcesses(engine: Engine): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== engine.pid && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
        const parent = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
        const launcher = Number(parent) === engine.pid && commandLine.includes('slipway-shim');
        return commandLine.includes(`${engine.root}/`) && !launcher ? [`process ${pid} ${commandLine}`] : [];
      } catch {
        return [];
      }
    });
}

function leakedFiles(engine: Engine): string[] {
  if (engine.kind === 'dockerd') return [];
  const folders = [
    join(engine.dataRoot, 'containers'),
    join(engine.dataRoot, 'volumes'),
    join(engine.dataRoot, 'content/ingest'),
    join(engine.runRoot, 's'),
    join(engine.runRoot, 'b'),
    ...listDirectories(join(engine.runRoot, 'r')).map((name) => join(engine.runRoot, 'r', name)),
  ];
  return folders.flatMap((folder) => list(folder).map((name) => `file ${join(folder, name)}`));
}

/** Without containers, there is one snapshot for each layer of an image, shared by those that begin alike. */
async function leakedSnapshots(engine: Engine): Promise<string[]> {
  if (engine.kind === 'dockerd') return [];
  const ids = [
    ...new Set((await engine.mustDocker('images', '-aq', '--no-trunc')).split('\n').filter(Boolean)),
  ];
  const images =
    ids.length === 0
      ? []
      : (JSON.parse(await engine.mustDocker('image', 'inspect', ...ids)) as {
          RootFS: { Layers?: string[] };
        }[]);
  const chains = new Set(
    images.flatMap(({ RootFS: { Layers = [] } }) =>
      Layers.map((_, index) => Layers.slice(0, index + 1).join()),
    ),
  );
  const folders = list(join(engine.dataRoot, 'snapshots'));
  return folders.length > chains.size
    ? [`${folders.length} snapshots for ${chains.size} layers: ${folders.join(' ')}`]
    : [];
}

/** The daemon has each of its layers mounted for itself once at most. */
function leakedLayerMounts(engine: Engine): string[] {
  if (engine.kind === 'dockerd') return [];
  const mounts = descriptorsOf(engine.pid).filter((target) => target === '/').length;
  const layers = list(join(engine.dataRoot, 'snapshots')).length;
  return mounts > layers ? [`${mounts} mounts of ${layers} layers in the daemon`] : [];
}

function leakedDescriptors(engine: Engine, before: Holdings): string[] {
  const now = countDescriptors(engine.pid);
  return now > before.descriptors + DESCRIPTOR_SLACK
    ? [`${now} descriptors open in the daemon, ${before.descriptors} at the start`]
    : [];
}

/** Those that are not layers' mounts. */
const countDescriptors = (pid: number): number =>
  descriptorsOf(pid).filter((target) => target !== '/').length;

/** What the descriptors of a process lead to: `/` is the root of something that is mounted for it alone. */
function descriptorsOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).flatMap((fd) => {
    try {
      return [readlinkSync(join(folder, fd))];
    } catch {
      return [];
    }
  });
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function listDirectories(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch {
    return [];
  }
}
