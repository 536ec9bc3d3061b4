export type { ImageUser } from './context.ts';
export type { HistoryStep } from './history.ts';
export type { Image, ImageDefaults, ImageRecord, ImageRoots } from './image.ts';
export type { ListedImage } from './list.ts';
export { byteProgress, progressOf, type Report } from './progress.ts';
export type { NewImage, RegisterOptions } from './register.ts';
export { imageRoutes, type SharedHandlers } from './routes.ts';
export { ImageService, type ImageServiceOptions } from './service.ts';
export { toSummary as imageSummary } from './wire.ts';
