import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A TypeScript file, and what it imports, types included. */
export interface TypeScriptFile {
  /** Relative to the checkout, e.g. `packages/base/src/clock.ts`. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly string[];
}

/** One of a package. */
export interface SourceFile extends TypeScriptFile {
  readonly packageName: string;
}

export const checkoutRoot = new URL('../..', import.meta.url).pathname.replace(/\/$/, '');

const IMPORT =
  /^\s*(?:import|export)\b[^'";]*?\bfrom\s*'([^']+)'|^\s*import\s*'([^']+)'|\bimport\(\s*'([^']+)'/gm;

/** Every `.ts` file under `packages/*\/src`. */
export function readSourceFiles(): SourceFile[] {
  const packagesRoot = join(checkoutRoot, 'packages');
  return readdirSync(packagesRoot).flatMap((packageName) =>
    readTypeScriptFiles(join('packages', packageName, 'src')).map((file) => ({ ...file, packageName })),
  );
}

/** Every `.ts` file under a folder of the checkout. */
export function readTypeScriptFiles(folder: string): TypeScriptFile[] {
  return readdirSync(join(checkoutRoot, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const text = readFileSync(path, 'utf8');
      return { path: path.slice(checkoutRoot.length + 1), text, imports: importsOf(text) };
    });
}

export const isTest = (file: SourceFile): boolean => /\.test\.ts$|\/testing\//.test(file.path);

function importsOf(text: string): string[] {
  return [...withoutComments(text).matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

/** The text with its comments blanked out, line numbers kept; strings stay as they are. */
export function withoutComments(text: string): string {
  const token = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g;
  return text.replace(token, (found) => (found.startsWith('/') ? found.replace(/[^\n]/g, ' ') : found));
}
