import type { ContainerSummary, PortSummary } from '@slipway/client';
import { type Fields, formatLabels, type ListLayout } from './list.ts';
import { ellipsis, formatAgo, formatGoTime, formatSize, shortId } from './units.ts';

/** The table of `ps`. */
export const containerLayout = (withSize: boolean): ListLayout => ({
  headings: {
    ID: 'CONTAINER ID',
    Names: 'NAMES',
    Image: 'IMAGE',
    Command: 'COMMAND',
    CreatedAt: 'CREATED AT',
    RunningFor: 'CREATED',
    Ports: 'PORTS',
    State: 'STATE',
    Status: 'STATUS',
    Size: 'SIZE',
    Labels: 'LABELS',
    Mounts: 'MOUNTS',
    LocalVolumes: 'LOCAL VOLUMES',
    Networks: 'NETWORKS',
  },
  columns: [
    'ID',
    'Image',
    'Command',
    'RunningFor',
    'Status',
    'Ports',
    'Names',
    ...(withSize ? ['Size'] : []),
  ],
});

/** A container's fields as `ps` shows them. */
export function containerRow(
  container: ContainerSummary,
  { truncate, nowMs }: { truncate: boolean; nowMs: number },
): Fields {
  const short = (text: string, width: number) => (truncate ? ellipsis(text, width) : text);
  return {
    ID: () => (truncate ? shortId(container.Id) : container.Id),
    Names: () => names(container, truncate).join(','),
    Image: () => imageName(container, truncate),
    Command: () => `"${short(container.Command, 20).replaceAll('"', '\\"')}"`,
    CreatedAt: () => formatGoTime(container.Created * 1000),
    RunningFor: () => formatAgo(container.Created * 1000, nowMs),
    Ports: () => formatPorts(container.Ports ?? []),
    State: () => container.State,
    Status: () => container.Status,
    Size: () => containerSize(container),
    Labels: () => formatLabels(container.Labels),
    Mounts: () => (container.Mounts ?? []).map(({ Name, Source }) => short(Name || Source, 15)).join(','),
    LocalVolumes: () => String((container.Mounts ?? []).filter(({ Driver }) => Driver === 'local').length),
    Networks: () =>
      Object.keys(container.NetworkSettings?.Networks ?? {})
        .sort()
        .join(','),
    labelMap: () => container.Labels ?? {},
  };
}

/** Without the leading slash, and, when cut short, without the names that links gave. */
function names({ Names }: ContainerSummary, truncate: boolean): string[] {
  const bare = Names.map((name) => name.replace(/^\//, ''));
  return truncate ? bare.filter((name) => !name.includes('/')) : bare;
}

function imageName({ Image, ImageID }: ContainerSummary, truncate: boolean): string {
  if (Image === '') return '<no image>';
  return truncate && (Image === ImageID || /^sha256:[0-9a-f]{64}$/.test(Image)) ? shortId(Image) : Image;
}

function containerSize({ SizeRw = 0, SizeRootFs = 0 }: ContainerSummary): string {
  const own = formatSize(SizeRw);
  return SizeRootFs > 0 ? `${own} (virtual ${formatSize(SizeRootFs)})` : own;
}

/** `0.0.0.0:8080-8081->80-81/tcp, 53/udp`: neighbours on the same address in one range. */
export function formatPorts(ports: readonly PortSummary[]): string {
  const sorted = [...ports].sort(
    (a, b) =>
      a.PrivatePort - b.PrivatePort ||
      (a.IP ?? '').localeCompare(b.IP ?? '') ||
      (a.PublicPort ?? 0) - (b.PublicPort ?? 0) ||
      a.Type.localeCompare(b.Type),
  );
  const groups: { first: PortSummary; last: PortSummary }[] = [];
  for (const port of sorted) {
    const group = groups.find(({ last }) => continues(last, port));
    if (group === undefined) groups.push({ first: port, last: port });
    else group.last = port;
  }
  return groups.map(showGroup).join(', ');
}

const continues = (last: PortSummary, next: PortSummary): boolean =>
  last.Type === next.Type &&
  (last.IP ?? '') === (next.IP ?? '') &&
  last.PrivatePort + 1 === next.PrivatePort &&
  (last.PublicPort === undefined ? next.PublicPort === undefined : last.PublicPort + 1 === next.PublicPort);

function showGroup({ first, last }: { first: PortSummary; last: PortSummary }): string {
  const range = (from: number, to: number) => (from === to ? `${from}` : `${from}-${to}`);
  const inside = `${range(first.PrivatePort, last.PrivatePort)}/${first.Type}`;
  if (first.PublicPort === undefined || last.PublicPort === undefined) return inside;
  const ip = first.IP?.includes(':') ? `[${first.IP}]` : (first.IP ?? '');
  return `${ip}:${range(first.PublicPort, last.PublicPort)}->${inside}`;
}
