import type { Filters, VolumeBody } from '@slipway/api/docker';
import { formatTimeNs, SlipwayError } from '@slipway/base';
import type { VolumeService } from './service.ts';
import type { Volume } from './volume.ts';

/** A volume as Docker shows it. */
export function toVolumeBody(service: VolumeService, volume: Volume): VolumeBody {
  return {
    CreatedAt: `${formatTimeNs(volume.createdAtNs).slice(0, 19)}Z`,
    Driver: volume.driver,
    Labels: orNull(volume.labels),
    Mountpoint: service.mountpoint(volume.name),
    Name: volume.name,
    Options: orNull(volume.options),
    Scope: 'local',
  };
}

/** The volumes for `GET /system/df`, with their sizes and how many containers use each. */
export async function volumeUsage(service: VolumeService): Promise<VolumeBody[]> {
  const usage: VolumeBody[] = [];
  for (const volume of service.list()) {
    usage.push({
      ...toVolumeBody(service, volume),
      UsageData: { RefCount: service.users(volume.name).length, Size: await service.sizeBytes(volume) },
    });
  }
  return usage;
}

/** Whether a volume passes Docker's filters `name`, `driver`, `label`, `label!` and `dangling`. @throws InvalidArgument */
export function volumeFilter(service: VolumeService, filters: Filters): (volume: Volume) => boolean {
  const any = (key: string, fits: (value: string) => boolean) => filters.get(key)?.some(fits) ?? true;
  const dangling = filters.get('dangling')?.map((value) => parseFlag('dangling', value));
  return (volume) => {
    const hasLabel = (value: string) => labelFits(volume.labels, value);
    return (
      any('name', (value) => volume.name.includes(value)) &&
      any('driver', (value) => volume.driver === value) &&
      (filters.get('label')?.every(hasLabel) ?? true) &&
      !(filters.get('label!')?.some(hasLabel) ?? false) &&
      (dangling?.includes(service.users(volume.name).length === 0) ?? true)
    );
  };
}

/** Docker's words for true and false in a filter. @throws InvalidArgument */
export function parseFlag(key: string, value: string): boolean {
  if (['1', 't', 'true'].includes(value.toLowerCase())) return true;
  if (['0', 'f', 'false'].includes(value.toLowerCase())) return false;
  throw new SlipwayError('InvalidArgument', `invalid filter '${key}=[${value}]'`);
}

function labelFits(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const equals = wanted.indexOf('=');
  if (equals < 0) return Object.hasOwn(labels, wanted);
  const key = wanted.slice(0, equals);
  return Object.hasOwn(labels, key) && labels[key] === wanted.slice(equals + 1);
}

const orNull = (record: Readonly<Record<string, string>>) =>
  Object.keys(record).length === 0 ? null : record;
