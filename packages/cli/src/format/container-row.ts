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

/**
 * `0.0.0.0:53-54->53-54/udp, 80/tcp, 0.0.0.0:8080->81/tcp`: neighbours that are published on their own number in one
 * range, then those on another.
 */
export function formatPorts(ports: readonly PortSummary[]): string {
  const ranges: { shown: string; first: number; last: number }[] = [];
  const done: string[] = [];
  const moved: string[] = [];
  for (const { IP: ip = '', PrivatePort: inside, PublicPort: outside, Type: type } of sortPorts(ports)) {
    const address = ip.includes(':') ? `[${ip}]` : ip;
    if (ip !== '' && outside !== inside) {
      moved.push(`${address}:${outside}->${inside}/${type}`);
      continue;
    }
    const at = ranges.findIndex(({ shown }) => shown === `${address}/${type}`);
    const range = ranges[at];
    if (range?.last === inside - 1) range.last = inside;
    else {
      const next = { shown: `${address}/${type}`, first: inside, last: inside };
      if (range === undefined) ranges.push(next);
      else {
        done.push(showRange(range));
        ranges[at] = next;
      }
    }
  }
  return [...done, ...ranges.map(showRange), ...moved].join(', ');
}

function sortPorts(ports: readonly PortSummary[]): PortSummary[] {
  const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return [...ports].sort(
    (a, b) =>
      a.PrivatePort - b.PrivatePort ||
      order(a.IP ?? '', b.IP ?? '') ||
      (a.PublicPort ?? 0) - (b.PublicPort ?? 0) ||
      order(a.Type, b.Type),
  );
}

/** `shown` is `ADDRESS/PROTOCOL`, without an address for what is not published. */
function showRange({ shown, first, last }: { shown: string; first: number; last: number }): string {
  const [address, type] = [shown.slice(0, shown.lastIndexOf('/')), shown.slice(shown.lastIndexOf('/') + 1)];
  const numbers = first === last ? `${first}` : `${first}-${last}`;
  return address === '' ? `${numbers}/${type}` : `${address}:${numbers}->${numbers}/${type}`;
}
