import { z } from 'zod';
import { labels, text } from './common.ts';

/** The body of `POST /volumes/create`. @see Docker Engine API v1.51, VolumeCreate */
export const createVolumeSchema = z.object({ Name: text, Driver: text, DriverOpts: labels, Labels: labels });

export type CreateVolumeBody = z.infer<typeof createVolumeSchema>;

/** @see Docker Engine API v1.51, Volume */
export interface VolumeBody {
  readonly CreatedAt: string;
  readonly Driver: string;
  /** Null when it has none. */
  readonly Labels: Readonly<Record<string, string>> | null;
  readonly Mountpoint: string;
  readonly Name: string;
  /** Null when it has none. */
  readonly Options: Readonly<Record<string, string>> | null;
  readonly Scope: 'local';
  /** In `GET /system/df` alone. */
  readonly UsageData?: { readonly RefCount: number; readonly Size: number };
}

/** @see Docker Engine API v1.51, VolumeList */
export interface VolumeListBody {
  readonly Volumes: readonly VolumeBody[];
  readonly Warnings: null;
}

/** @see Docker Engine API v1.51, VolumePrune */
export interface VolumePruneBody {
  readonly VolumesDeleted: readonly string[];
  readonly SpaceReclaimed: number;
}
