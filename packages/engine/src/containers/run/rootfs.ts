import type { RootfsMount } from '@slipway/store';
import type { Container } from '../container.ts';
import type { ContainerContext } from '../context.ts';

/** The root file system of a container as it is mounted: its own layer, that of placeholders, those of its image. */
export async function rootfsOf(
  context: ContainerContext,
  { definition: { id, chainId } }: Container,
): Promise<RootfsMount> {
  const rootfs = await context.snapshots.mounts(id);
  const placeholders = context.placeholders.above(chainId ?? '', rootfs.lower);
  return { ...rootfs, lower: [placeholders, ...rootfs.lower] };
}
