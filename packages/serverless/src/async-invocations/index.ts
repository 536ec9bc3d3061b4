export type * from './acceptor.ts';
