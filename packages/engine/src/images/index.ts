export type { DebianRecipe } from './bootstrap-debian.ts';
export { applyChanges } from './changes.ts';
export type { ImageUser } from './context.ts';
export type { HistoryStep } from './history.ts';
export { type Image, type ImageDefaults, type ImageRecord, type ImageRoots, toDefaults } from './image.ts';
export {
  ATTESTATION,
  DocumentBuffer,
  type DocumentSink,
  type ImageParts,
  type ImageStatement,
  needIndex,
  PREDICATE_TYPE,
  REFERENCE_DIGEST,
  REFERENCE_TYPE,
  writeImages,
} from './image-documents.ts';
export type { ListedImage } from './list.ts';
export { byteProgress, progressOf, type Report } from './progress.ts';
export { KEPT_LABEL } from './prune.ts';
export { readImages } from './read-images.ts';
export type { NewImage, RegisterOptions } from './register.ts';
export { imageRoutes, type SharedHandlers } from './routes.ts';
export { ImageService, type ImageServiceOptions } from './service.ts';
export { targetReference } from './tag.ts';
export { toSummary as imageSummary } from './wire.ts';
