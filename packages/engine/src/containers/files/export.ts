import { closeSync, constants } from 'node:fs';
import { openInRoot, syscalls } from '@slipway/store';
import type { Container } from '../container.ts';
import type { ContainerContext } from '../context.ts';
import { openContainerRoot } from './container-root.ts';
import { packFolder } from './pack.ts';

/** A tar of all the container's files, its image's and its own; not of what is mounted into it. */
export async function exportContainer(
  context: ContainerContext,
  container: Container,
): Promise<AsyncIterable<Uint8Array>> {
  const root = await openContainerRoot(context, container);
  const folder = openInRoot(root.path, '/', syscalls.O_PATH | constants.O_DIRECTORY);
  return packFolder(folder, '.', {
    rename: 's,^\\./,,',
    oneFileSystem: true,
    release: async () => {
      closeSync(folder);
      await root[Symbol.asyncDispose]();
    },
  });
}
