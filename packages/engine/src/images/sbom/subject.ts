import type { Inventory } from './package.ts';

/** What a bill of materials is of. */
export interface SbomSubject {
  readonly image: {
    /** Its first name, or its id when it has none. */
    readonly name: string;
    readonly id: string;
    readonly purl: string | undefined;
  };
  readonly inventory: Inventory;
  readonly createdAtMs: number;
}
