import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type HostPath, isErrno, SlipwayError } from '@slipway/base';
import { type DebianRecipe, type Image, type ImageService, KEPT_LABEL } from '@slipway/engine/images';
import {
  findRuntime,
  GATE_PATH,
  LAYER_ROOT,
  type Recipe,
  RUNTIME_ROOT,
  type RuntimeDefinition,
  runtimeNames,
  TASK_ROOT,
} from './runtime.ts';

const run = promisify(execFile);

/** What the image was made from: another recipe makes another image. */
const RECIPE_LABEL = 'io.slipway.runtime.recipe';
/** The exact version of the program in it. */
const VERSION_LABEL = 'io.slipway.runtime.version';
/** Changed when what is common to all images changes. */
const RECIPE_REVISION = 1;
const NPM_TIMEOUT_MS = 10 * 60_000;

export interface RuntimeImagesOptions {
  readonly images: ImageService;
  /** A folder for what is thrown away. */
  readonly scratchRoot: HostPath;
}

export interface RuntimeStatus {
  readonly name: string;
  readonly image: string;
  readonly isReady: boolean;
  /** Undefined until it is. */
  readonly sizeBytes: number | undefined;
}

interface Making {
  readonly done: Promise<Image>;
  readonly listeners: Set<(status: string) => void>;
}

/** The images of the runtimes, each made once, when it is first needed or asked for. */
export class RuntimeImages implements AsyncDisposable {
  readonly #options: RuntimeImagesOptions;
  readonly #making = new Map<string, Making>();
  readonly #closing = new AbortController();

  constructor(options: RuntimeImagesOptions) {
    this.#options = options;
  }

  /** All that there are, made or not. */
  async list(): Promise<RuntimeStatus[]> {
    return await Promise.all(
      runtimeNames().map(async (name) => {
        const runtime = findRuntime(name) as RuntimeDefinition;
        const image = await this.find(runtime);
        return { name, image: runtime.image, isReady: image !== undefined, sizeBytes: image?.sizeBytes };
      }),
    );
  }

  /** The image, when it is there and of the present recipe. */
  async find(runtime: RuntimeDefinition): Promise<Image | undefined> {
    const image = this.#options.images.find(runtime.image);
    const hash = await recipeHash(runtime.recipe);
    return image?.config.Labels?.[RECIPE_LABEL] === hash ? image : undefined;
  }

  /**
   * Makes the image unless it is there. Who asks for one that is being made waits for the same; it is made to its end also
   * when nobody waits any more.
   * @throws FailedPrecondition naming what to install; Unavailable when the registry or mirror cannot be reached
   */
  async ensure(
    runtime: RuntimeDefinition,
    { onProgress, signal }: { onProgress?: (status: string) => void; signal: AbortSignal },
  ): Promise<Image> {
    const found = await this.find(runtime);
    if (found !== undefined) return found;
    signal.throwIfAborted();
    const making = this.#making.get(runtime.image) ?? this.#begin(runtime);
    if (onProgress !== undefined) making.listeners.add(onProgress);
    const canceled = Promise.withResolvers<never>();
    const onAbort = () => canceled.reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await Promise.race([making.done, canceled.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
      if (onProgress !== undefined) making.listeners.delete(onProgress);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error('the daemon ends'));
    await Promise.allSettled([...this.#making.values()].map(({ done }) => done));
  }

  #begin(runtime: RuntimeDefinition): Making {
    const listeners = new Set<(status: string) => void>();
    const done = this.#make(runtime, (status) => {
      for (const listener of listeners) listener(status);
    }).finally(() => this.#making.delete(runtime.image));
    done.catch(() => {});
    const making = { done, listeners };
    this.#making.set(runtime.image, making);
    return making;
  }

  async #make(runtime: RuntimeDefinition, report: (status: string) => void): Promise<Image> {
    const { images, scratchRoot } = this.#options;
    const { signal } = this.#closing;
    await mkdir(scratchRoot, { recursive: true, mode: 0o711 });
    const scratch = await mkdtemp(join(scratchRoot, 'runtime-'));
    try {
      const { recipe } = runtime;
      const program =
        recipe.npm === undefined ? undefined : await fetchProgram(recipe.npm, scratch, report, signal);
      const debian: DebianRecipe = {
        suite: recipe.suite,
        packages: [...recipe.packages, ...(recipe.java === undefined ? [] : [recipe.java.compiler])],
        commands: commandsFor(recipe, program?.path),
        labels: {
          [KEPT_LABEL]: runtime.name,
          [RECIPE_LABEL]: await recipeHash(recipe),
          ...(program === undefined ? {} : { [VERSION_LABEL]: program.version }),
        },
        config: { Env: [], Cmd: [...runtime.args], WorkingDir: TASK_ROOT, User: '993:990' },
      };
      return await images.bootstrapRecipe({ recipe: debian, name: runtime.image, report, signal });
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  }
}

/** `nodejs:22.v22.23.5`: what INIT_START says. */
export function runtimeVersion(runtime: RuntimeDefinition, image: Image): string {
  const family = runtime.name.replace(/[\d.].*$/, '');
  const version = runtime.name.slice(family.length).replace(/\.x$/, '').replace(/^\./, '');
  const exact = image.config.Labels?.[VERSION_LABEL] ?? image.id.replace(/^sha256:/, '').slice(0, 12);
  return `${family}:${version}.v${exact}`;
}

/** A program that the npm registry has, as npm is set up on this machine; npm checks its integrity. */
async function fetchProgram(
  npm: NonNullable<Recipe['npm']>,
  scratch: string,
  report: (status: string) => void,
  signal: AbortSignal,
): Promise<{ readonly path: string; readonly version: string }> {
  report(`Fetching ${npm.package} from the npm registry`);
  const options = { cwd: scratch, signal, timeout: NPM_TIMEOUT_MS };
  try {
    await run('npm', ['pack', '--silent', npm.package], options);
  } catch (cause) {
    if (isErrno(cause, 'ENOENT')) {
      throw new SlipwayError(
        'FailedPrecondition',
        'npm is not installed: install it with: apt-get install npm',
        {
          cause,
        },
      );
    }
    const words = (cause as { stderr?: string }).stderr?.trim().split('\n').at(-1) ?? '';
    throw new SlipwayError('Unavailable', `npm cannot fetch ${npm.package}: ${words || String(cause)}`, {
      cause,
    });
  }
  const names = (await readdir(scratch)).filter((name) => name.endsWith('.tgz')).sort();
  const archive = names.at(-1);
  if (archive === undefined) {
    throw new SlipwayError('Unavailable', `npm answered no archive for ${npm.package}`);
  }
  await run('tar', ['-xzf', archive, npm.file], options);
  const version = /-(\d+\.\d+\.\d+)\.tgz$/.exec(archive)?.[1] ?? 'unknown';
  return { path: join(scratch, npm.file), version };
}

function commandsFor(recipe: Recipe, program: string | undefined): string[] {
  const { npm, java } = recipe;
  return [
    `mkdir -p "$1${TASK_ROOT}" "$1${RUNTIME_ROOT}" "$1${LAYER_ROOT}" "$1/var/lang/bin" "$1/var/lang/lib"`,
    `touch "$1${GATE_PATH}"`,
    'echo "sbx_user1051:x:993:990::/home/sbx_user1051:/sbin/nologin" >> "$1/etc/passwd"',
    'echo "sbx_user1051:x:990:" >> "$1/etc/group"',
    ...(npm === undefined || program === undefined
      ? []
      : [`upload "${program}" "${npm.target}"`, `chmod 755 "$1${npm.target}"`]),
    ...(java === undefined ? [] : javaCommands(java)),
    // Lists of packages and caches are of no use to who has no package manager.
    'rm -rf "$1/var/cache" "$1/var/lib/apt" "$1/usr/share/doc-base" "$1/usr/share/lintian" "$1/var/log"; mkdir -p "$1/var/cache" "$1/var/log"',
  ];
}

/** The compiler is there while it is needed. */
function javaCommands({ compiler, sources, jar }: NonNullable<Recipe['java']>): string[] {
  return [
    `mkdir -p "$1/tmp/java" && cp -r "${sources}/." "$1/tmp/java/"`,
    `chroot "$1" sh -ec 'cd /tmp/java && mkdir /tmp/classes && javac -d /tmp/classes $(find . -name "*.java") && jar --create --file ${jar} -C /tmp/classes .'`,
    `chroot "$1" dpkg --purge --force-depends ${compiler}`,
    'rm -rf "$1/tmp/java" "$1/tmp/classes"',
  ];
}

async function recipeHash(recipe: Recipe): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([RECIPE_REVISION, { ...recipe, java: undefined }]));
  if (recipe.java !== undefined) {
    hash.update(JSON.stringify([recipe.java.compiler, recipe.java.jar]));
    for (const entry of (await readdir(recipe.java.sources, { recursive: true })).sort()) {
      if (entry.endsWith('.java'))
        hash.update(entry).update(await readFile(join(recipe.java.sources, entry)));
    }
  }
  return hash.digest('hex').slice(0, 16);
}
