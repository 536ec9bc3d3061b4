import { flushCompileCache, getCompileCacheDir } from 'node:module';

/** Set for the second start, so that there is never a third. */
const MARK = 'SLIPWAYD_LEAN_START';

/**
 * Node strips TypeScript with a WebAssembly program that stays in memory (30 MB) once a single file needed it: the first
 * start after the code changed. With everything stripped and in the compile cache, the process replaces itself by one
 * that does not need it. Does nothing without a compile cache.
 */
export function startLean(env: Readonly<Record<string, string | undefined>>): void {
  if (env[MARK] !== undefined || getCompileCacheDir() === undefined || !hasStripper()) return;
  flushCompileCache();
  const [, ...args] = process.argv;
  process.execve?.(process.execPath, [process.execPath, ...process.execArgv, ...args], {
    ...env,
    [MARK]: '1',
  });
}

const hasStripper = (): boolean =>
  (process as { moduleLoadList?: readonly string[] }).moduleLoadList?.some((name) =>
    name.includes('/amaro/'),
  ) ?? false;
