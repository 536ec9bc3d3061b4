import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { checkoutRoot } from '../../architecture/source-files.ts';
import type { Engine } from './engine.ts';

/** A folder of an engine's own with these files, to be built. */
export function contextFolder(engine: Engine, name: string, files: Readonly<Record<string, string>>): string {
  const folder = join(engine.root, 'contexts', name);
  mkdirSync(folder, { recursive: true });
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

/** Gives the engine's docker CLI buildx and compose, where `script/peers` put them. */
export function usePlugins(engine: Engine): void {
  const folder = engine.env.DOCKER_CONFIG ?? '';
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'config.json'),
    JSON.stringify({ cliPluginsExtraDirs: [join(checkoutRoot, '.cache/peers/cli-plugins')] }),
  );
}
