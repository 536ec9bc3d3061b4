export type { ImageUser } from './context.ts';
export { decompressArchive } from './decompress.ts';
export type { HistoryStep } from './history.ts';
export type { Image, ImageDefaults, ImageRecord, ImageRoots } from './image.ts';
export type { ListedImage } from './list.ts';
export { imageRoutes } from './routes.ts';
export { ImageService, type ImageServiceOptions } from './service.ts';
export { toSummary as imageSummary } from './wire.ts';
