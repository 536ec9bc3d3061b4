export { volumeRoutes } from './routes.ts';
export {
  type CreateVolumeOptions,
  openVolumes,
  VolumeService,
  type VolumeMount,
  type VolumeServiceOptions,
  type VolumeUse,
} from './service.ts';
export { ANONYMOUS_LABEL, isAnonymous, type Volume } from './volume.ts';
export { volumeUsage } from './wire.ts';
