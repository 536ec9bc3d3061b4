export type * from './catalog.ts';
export { engineImages, type FoundImage, ImageFailure, type ImageSource } from './code/image-source.ts';
export type { TaggedResources } from './context.ts';
export type * from './function.ts';
export { type FunctionLimits, LAMBDA_LIMITS } from './limits.ts';
export { keptZips } from './records.ts';
export { type Functions, type FunctionsOptions, openFunctions } from './service.ts';
