export type * from './acceptor.ts';
export { AsyncInvocations, type AsyncInvocationsParts, type AsyncLimits } from './service.ts';
export { nextWindow } from './state.ts';
