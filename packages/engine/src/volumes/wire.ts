import { type Filters, fitsLabels, parseFilterFlag, type VolumeBody } from '@slipway/api/docker';
import { formatTimeNs } from '@slipway/base';
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
  const dangling = filters.get('dangling')?.map((value) => parseFilterFlag('dangling', value));
  return (volume) => {
    return (
      any('name', (value) => volume.name.includes(value)) &&
      any('driver', (value) => volume.driver === value) &&
      fitsLabels(volume.labels, filters) &&
      (dangling?.includes(service.users(volume.name).length === 0) ?? true)
    );
  };
}

const orNull = (record: Readonly<Record<string, string>>) =>
  Object.keys(record).length === 0 ? null : record;
