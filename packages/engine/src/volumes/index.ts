export { volumeRoutes } from './routes.ts';
export {
  type CreateVolumeOptions,
  openVolumes,
  type VolumeMount,
  VolumeService,
  type VolumeServiceOptions,
  type VolumeUse,
} from './service.ts';
export { ANONYMOUS_LABEL, isAnonymous, type Volume } from './volume.ts';
export { volumeUsage } from './wire.ts';
