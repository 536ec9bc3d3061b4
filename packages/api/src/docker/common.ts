import { z } from 'zod';

/** Null is absent, as Docker's clients mean it: Go writes null for what was never set. */
export const nullable = <T extends z.ZodType>(type: T) =>
  z.preprocess((value) => (value === null ? undefined : value), type.optional());

export const text = nullable(z.string());
export const flag = nullable(z.boolean());
export const integer = nullable(z.number());
export const texts = nullable(z.array(z.string()));
export const labels = nullable(z.record(z.string(), z.string()));

/** The body of every error that the Docker Engine API answers. */
export interface ErrorBody {
  readonly message: string;
}

/** Filters of a list, prune or events request: the values asked for, by key. Several values of a key mean "any". */
export type Filters = ReadonlyMap<string, readonly string[]>;
