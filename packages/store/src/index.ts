export type * from './content/content.ts';
export type * from './snapshots/snapshots.ts';
