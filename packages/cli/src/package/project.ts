import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { isErrno, SlipwayError } from '@slipway/base/errors';

/** A project's files, as far as telling what it is takes. */
export interface Project {
  /** The folder's name. */
  readonly name: string;
  /** The files' paths within the project, sorted, with `/`: without what tools make (`node_modules`, `.git`, …). */
  readonly files: readonly string[];
  has(path: string): boolean;
  /** A file's text; undefined when there is none. */
  text(path: string): string | undefined;
}

/** Folders that tools make: they tell nothing of a project, and are large. */
const MADE_BY_TOOLS = new Set([
  ...['.git', '.hg', '.svn', 'node_modules', '.venv', 'venv', '__pycache__', '.tox', '.mypy_cache'],
  ...[
    '.pytest_cache',
    '.ruff_cache',
    '.gradle',
    '.next',
    '.nuxt',
    '.svelte-kit',
    '.cache',
    '.idea',
    '.vscode',
  ],
]);
const MAX_DEPTH = 8;
const MAX_FILES = 20_000;
/** Of one file; what says what a project is, is written by people. */
const MAX_TEXT_BYTES = 1 << 20;

/** Lists a folder. @throws NotFound, InvalidArgument for what is no folder */
export function readProject(directory: string): Project {
  const root = resolve(directory);
  const files: string[] = [];
  collect(root, '', 0, files);
  const known = new Set(files);
  const texts = new Map<string, string>();
  return {
    name: basename(root) || 'app',
    files,
    has: (path) => known.has(path),
    text(path) {
      if (!known.has(path)) return undefined;
      const text = texts.get(path) ?? readFileSync(join(root, path)).subarray(0, MAX_TEXT_BYTES).toString();
      texts.set(path, text);
      return text;
    },
  };
}

function collect(root: string, folder: string, depth: number, files: string[]): void {
  for (const entry of list(join(root, folder))) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isFile()) files.push(path);
    // Symbolic links are not followed: they may lead out of the project, or round in circles.
    else if (entry.isDirectory() && depth < MAX_DEPTH && !MADE_BY_TOOLS.has(entry.name)) {
      collect(root, path, depth + 1, files);
    }
    if (files.length >= MAX_FILES) return;
  }
}

function list(path: string) {
  try {
    return readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (cause) {
    if (isErrno(cause, 'ENOENT')) {
      throw new SlipwayError('NotFound', `there is no folder ${path}: give the project's own`, { cause });
    }
    if (isErrno(cause, 'ENOTDIR')) {
      throw new SlipwayError('InvalidArgument', `${path} is no folder: give the project's own`, { cause });
    }
    throw cause;
  }
}
