import { type ChildProcess, spawn } from 'node:child_process';
import { access, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { isErrno, SlipwayError } from '@slipway/base';
import { hostPlatform, type ImageRunConfig, parseReference, type Reference, withTag } from '@slipway/oci';
import type { ImageContext } from './context.ts';
import type { Image } from './image.ts';
import { imageFromTar } from './import.ts';
import type { Report } from './progress.ts';

const TOOL = 'mmdebstrap';
/** Where its programs are, and what the image's containers get. */
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** As long as a killed mmdebstrap may take to clear up behind it. */
const STOP_GRACE_MS = 10_000;
/** Lines of mmdebstrap's that an error shows. */
const TAIL_LINES = 8;
/** What a container never reads; the package's files, not its licence. */
const EXCLUDED = ['/usr/share/man/*', '/usr/share/info/*', '/usr/share/locale/*', '/usr/share/doc/*'];
const INCLUDED = ['/usr/share/locale/locale.alias', '/usr/share/doc/*/copyright'];

/** A Debian with something in it, for a purpose: smaller than the plain one, for it has no package manager. */
export interface DebianRecipe {
  /** `bookworm`, `trixie`, … */
  readonly suite: string;
  readonly packages: readonly string[];
  /** Shell commands run on the host as it is finished, with its folder as `$1`, or mmdebstrap's own (`upload`, `chroot`). */
  readonly commands: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly config: ImageRunConfig;
}

/**
 * A small Debian, from the mirror that the machine itself uses.
 * @throws FailedPrecondition when mmdebstrap is not installed; InvalidArgument for an unknown suite
 */
export async function debianImage(
  context: ImageContext,
  options: {
    suite: string | undefined;
    references: readonly Reference[];
    report: Report;
    signal: AbortSignal;
    recipe?: DebianRecipe | undefined;
  },
): Promise<Image> {
  const { report, signal, recipe } = options;
  const toolPath = context.toolPath ?? PATH;
  await requireTool(toolPath);
  const host = await readHostDebian();
  const suite = options.suite === undefined || options.suite === 'latest' ? host.suite : options.suite;
  requireSuite(suite);
  // `debian` alone is the machine's own suite, under both names.
  const references =
    options.suite === undefined
      ? [...options.references, withTag(parseReference('debian'), suite)]
      : options.references;
  report({ status: `Making Debian ${suite} from ${host.mirror}`, id: 'debian' });
  await mkdir(context.scratchRoot, { recursive: true, mode: 0o711 });
  const scratch = await mkdtemp(join(context.scratchRoot, 'debian-'));
  const epoch = Math.floor(context.clock.nowMs() / 86_400_000) * 86_400;
  try {
    return await imageFromTar(
      context,
      runTool({ context, toolPath, suite, mirror: host.mirror, scratch, epoch, report, signal, recipe }),
      {
        config: {
          Env: [`PATH=${PATH}`],
          Cmd: ['bash'],
          ...recipe?.config,
          Labels: { 'io.slipway.bootstrap': `debian:${suite}`, ...recipe?.labels },
        },
        platform: hostPlatform(),
        createdAt: new Date(epoch * 1000).toISOString(),
        history: { created_by: `slipway image bootstrap debian:${suite}` },
        references,
        signal,
      },
    );
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function* runTool({
  context,
  toolPath,
  suite,
  mirror,
  scratch,
  epoch,
  report,
  signal,
  recipe,
}: {
  context: ImageContext;
  toolPath: string;
  suite: string;
  mirror: string;
  scratch: string;
  epoch: number;
  report: Report;
  signal: AbortSignal;
  recipe: DebianRecipe | undefined;
}): AsyncGenerator<Uint8Array> {
  signal.throwIfAborted();
  const child = spawn(
    TOOL,
    [
      `--variant=${recipe === undefined ? 'minbase' : 'essential'}`,
      '--mode=root',
      '--format=tar',
      ...EXCLUDED.map((path) => `--dpkgopt=path-exclude=${path}`),
      ...INCLUDED.map((path) => `--dpkgopt=path-include=${path}`),
      '--aptopt=Acquire::Languages "none"',
      // Some packages put links to their manuals there, and fail when the folder is missing.
      ...(recipe === undefined
        ? []
        : [`--include=${recipe.packages.join(',')}`, '--essential-hook=mkdir -p "$1/usr/share/man/man1"']),
      ...(recipe?.commands ?? []).map((command) => `--customize-hook=${command}`),
      suite,
      '-',
      mirror,
    ],
    {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: toolPath,
        LC_ALL: 'C.UTF-8',
        TMPDIR: scratch,
        SOURCE_DATE_EPOCH: String(epoch),
      },
    },
  );
  const exited = Promise.withResolvers<number | null>();
  // Not before the last process that it left behind has closed its output.
  child.once('close', (code) => exited.resolve(code));
  child.once('error', (error) => exited.reject(error));
  exited.promise.catch(() => {});
  const tail: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    tail.push(line);
    if (tail.length > TAIL_LINES) tail.shift();
    if (line.startsWith('I: ')) report({ status: line.slice(3), id: 'debian' });
  });
  let hasEnded = false;
  exited.promise
    .finally(() => {
      hasEnded = true;
    })
    .catch(() => {});
  const end = async () => {
    if (!hasEnded) await stop(context, child, exited.promise);
  };
  const onAbort = () => void end();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    yield* child.stdout as AsyncIterable<Uint8Array>;
    const code = await exited.promise;
    signal.throwIfAborted();
    if (code !== 0) throw toolError(suite, mirror, tail);
  } finally {
    signal.removeEventListener('abort', onAbort);
    await end();
  }
}

/** Asks it to end and clear up, then makes it. */
async function stop(context: ImageContext, child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  if (child.pid === undefined) return;
  const group = -child.pid;
  kill(group, 'SIGTERM');
  using _deadline = context.clock.timer(STOP_GRACE_MS, () => kill(group, 'SIGKILL'));
  child.stdout?.resume();
  await exited.catch(() => {});
}

function kill(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(group, signal);
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error;
  }
}

function toolError(suite: string, mirror: string, tail: readonly string[]): SlipwayError {
  const text = tail.join('\n');
  if (/does not have a Release file|404 +Not Found|invalid suite/i.test(text)) {
    return new SlipwayError(
      'InvalidArgument',
      `${mirror} has no suite "${suite}": use one it has, such as bookworm, trixie, stable or sid`,
    );
  }
  return new SlipwayError('Internal', `${TOOL} failed for debian:${suite}:\n${text}`);
}

async function requireTool(toolPath: string): Promise<void> {
  for (const folder of toolPath.split(delimiter)) {
    try {
      await access(join(folder, TOOL));
      return;
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'EACCES', 'ENOTDIR')) throw error;
    }
  }
  throw new SlipwayError(
    'FailedPrecondition',
    `${TOOL} is not installed, and makes Debian images: install it with: apt-get install ${TOOL}`,
  );
}

function requireSuite(suite: string): void {
  if (/^[a-z][a-z0-9-]*$/.test(suite)) return;
  throw new SlipwayError(
    'InvalidArgument',
    `"${suite}" is not a suite of Debian: use its name, such as bookworm, trixie, stable or sid`,
  );
}

const DEFAULT_MIRROR = 'http://deb.debian.org/debian';
const DEFAULT_SUITE = 'stable';

/** The mirror and suite that this machine's apt uses for Debian itself. */
async function readHostDebian(): Promise<{ mirror: string; suite: string }> {
  const sources = (await readSources()).filter(({ uri }) => /\/debian\/?$/.test(uri));
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const isDebian = /^ID=debian$/m.test(release);
  const own = isDebian ? /^VERSION_CODENAME=(\S+)$/m.exec(release)?.[1] : undefined;
  const first = sources[0];
  return {
    mirror: first?.uri ?? DEFAULT_MIRROR,
    suite: own ?? first?.suite ?? DEFAULT_SUITE,
  };
}

/** Both of apt's forms. @see sources.list(5) */
async function readSources(): Promise<{ uri: string; suite: string }[]> {
  const folder = '/etc/apt/sources.list.d';
  const names = await readdir(folder).catch(() => []);
  const found: { uri: string; suite: string }[] = [];
  for (const path of ['/etc/apt/sources.list', ...names.sort().map((name) => join(folder, name))]) {
    const text = await readFile(path, 'utf8').catch(() => '');
    if (path.endsWith('.sources')) {
      for (const stanza of text.split(/\n\s*\n/)) {
        const uri = /^URIs:\s*(\S+)/im.exec(stanza)?.[1];
        const suite = /^Suites:\s*(\S+)/im.exec(stanza)?.[1];
        if (uri !== undefined && suite !== undefined) found.push({ uri, suite });
      }
    } else if (path.endsWith('.list')) {
      for (const [, uri, suite] of text.matchAll(/^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)/gm)) {
        if (uri !== undefined && suite !== undefined) found.push({ uri, suite });
      }
    }
  }
  return found;
}
