import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One TypeScript file of a package, and what it imports, types included. */
export interface SourceFile {
  /** Relative to the checkout, e.g. `packages/base/src/clock.ts`. */
  readonly path: string;
  readonly packageName: string;
  readonly text: string;
  readonly imports: readonly string[];
}

export const checkoutRoot = new URL('../..', import.meta.url).pathname.replace(/\/$/, '');

const IMPORT =
  /^\s*(?:import|export)\b[^'";]*?\bfrom\s*'([^']+)'|^\s*import\s*'([^']+)'|\bimport\(\s*'([^']+)'/gm;

/** Every `.ts` file under `packages/*\/src`. */
export function readSourceFiles(): SourceFile[] {
  const packagesRoot = join(checkoutRoot, 'packages');
  return readdirSync(packagesRoot).flatMap((packageName) =>
    readdirSync(join(packagesRoot, packageName, 'src'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map((entry) => {
        const path = join(entry.parentPath, entry.name);
        const text = readFileSync(path, 'utf8');
        return { path: path.slice(checkoutRoot.length + 1), packageName, text, imports: importsOf(text) };
      }),
  );
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
