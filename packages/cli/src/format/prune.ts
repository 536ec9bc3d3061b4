import type { PruneReply } from '@slipway/client';
import { formatSize } from './units.ts';

/** What was removed, as docker tells it: a paragraph for each kind of which there was something. */
export function formatDeleted(reply: PruneReply): string {
  const images = (reply.ImagesDeleted ?? []).map(({ Deleted, Untagged }) =>
    Untagged === undefined ? `deleted: ${Deleted}` : `untagged: ${Untagged}`,
  );
  return [
    paragraph('Containers', reply.ContainersDeleted ?? []),
    paragraph('Networks', reply.NetworksDeleted ?? []),
    paragraph('Volumes', reply.VolumesDeleted ?? []),
    paragraph('Images', images),
  ].join('');
}

/** The last line of every `prune` but a network's, which takes no space. */
export const formatReclaimed = (bytes: number): string => `Total reclaimed space: ${formatSize(bytes, 4)}\n`;

const paragraph = (kind: string, names: readonly string[]): string =>
  names.length === 0 ? '' : `Deleted ${kind}:\n${names.map((name) => `${name}\n`).join('')}\n`;
